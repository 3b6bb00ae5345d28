/* The server's side of a connection that carries frames; see framed.h. */
#include "control/framed.h"

#include "control/notice.h"
#include "util/error.h"
#include "util/fd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is staged -------------------------------------------------------------------------- */

static void unstage(struct framed *framed)
{
	free(framed->staged);
	framed->staged = NULL;
	framed->staged_at = framed->staged_end = 0;
}

static int fail(struct framed *framed, int failure)
{
	unstage(framed);
	framed->failure = failure;
	return failure;
}

/* Sends what is staged as far as it goes: 0, or the negative errno that ended the output. */
static int flush(struct framed *framed)
{
	if (framed->failure != 0)
		return framed->failure;
	while (framed->staged != NULL) {
		struct iovec iov = {
			framed->staged + framed->staged_at, framed->staged_end - framed->staged_at};
		ssize_t n = stream_write(&framed->socket.base, &iov, 1);
		if (n < 0)
			return fail(framed, (int)n);
		framed->staged_at += (size_t)n;
		if (framed->staged_at == framed->staged_end)
			unstage(framed);
		else
			return 0;
	}
	return 0;
}

/* Copies what the connection has not taken of a frame, behind what stands there already. */
static int stage(struct framed *framed, const struct iovec *iov, int count)
{
	size_t n = iov_total(iov, count);
	size_t kept = framed->staged_end - framed->staged_at;
	uint8_t *memory = malloc(kept + n);
	if (memory == NULL)
		return fail(framed, -ENOMEM);
	if (kept > 0)
		memcpy(memory, framed->staged + framed->staged_at, kept);
	unstage(framed);
	framed->staged = memory;
	framed->staged_end = kept;
	for (int i = 0; i < count; i++) {
		memcpy(memory + framed->staged_end, iov[i].iov_base, iov[i].iov_len);
		framed->staged_end += iov[i].iov_len;
	}
	return 0;
}

bool framed_is_busy(struct framed *framed)
{
	framed->want_writable |= framed->staged != NULL;
	return framed->staged != NULL;
}

static int frame_in_parts(const struct frame *frame, const void *payload,
	uint8_t header[FRAME_HEADER_SIZE], struct iovec ret[STREAM_MAX_PARTS])
{
	assert(frame->length <= FRAME_PAYLOAD_MAX);
	frame_encode(frame, header);
	ret[0] = (struct iovec){header, FRAME_HEADER_SIZE};
	ret[1] = (struct iovec){(void *)payload, frame->length};
	return frame->length > 0 ? 2 : 1;
}

int framed_put(struct framed *framed, enum frame_type type, uint64_t offset, const void *payload,
	size_t length)
{
	const struct frame frame = {(uint8_t)type, (uint32_t)length, offset};
	uint8_t header[FRAME_HEADER_SIZE];
	struct iovec iov[STREAM_MAX_PARTS];
	if (framed->failure != 0)
		return framed->failure;
	if (framed_is_busy(framed))
		return 0;
	int count = frame_in_parts(&frame, payload, header, iov);
	ssize_t n = stream_write(&framed->socket.base, iov, count);
	if (n < 0)
		return fail(framed, (int)n);
	count = iov_skip(iov, count, (size_t)n);
	framed->want_writable |= count > 0;
	if (n == 0)
		return 0;
	int rc = count > 0 ? stage(framed, iov, count) : 0;
	return rc < 0 ? rc : 1;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_linger_timer_closed(struct loop_timer *timer)
{
	stream_close(&container_of(timer, struct framed, linger_timer)->socket.base);
}

static void end_linger(struct framed *framed)
{
	if (framed->is_lingering)
		loop_timer_close(&framed->linger_timer, on_linger_timer_closed);
	framed->is_lingering = false;
}

static void on_lingered(struct loop_timer *timer)
{
	end_linger(container_of(timer, struct framed, linger_timer));
}

/* Where memory is short the end comes without a word. */
static void stage_end(struct framed *framed, uint64_t offset, int code, const char *reason)
{
	uint8_t header[FRAME_HEADER_SIZE];
	struct iovec iov[STREAM_MAX_PARTS];
	char *text = notice_end(code, reason);
	if (text == NULL)
		return;
	const struct frame frame = {FRAME_NOTICE, (uint32_t)strlen(text), offset};
	if (framed->failure == 0)
		stage(framed, iov, frame_in_parts(&frame, text, header, iov));
	free(text);
}

void framed_close(struct framed *framed, uint64_t offset, int code, const char *reason)
{
	if (framed->is_closing)
		return;
	framed->is_closing = true;
	stage_end(framed, offset, code, reason);
	flush(framed);
	if (framed->staged == NULL) {
		stream_close(&framed->socket.base);
		return;
	}
	stream_read_stop(&framed->socket.base);
	loop_timer_init(&framed->linger_timer, framed->loop, on_lingered);
	loop_timer_start(&framed->linger_timer, FRAMED_LINGER_MS);
	framed->is_lingering = true;
}

static void on_closed(struct stream *stream)
{
	struct framed *framed = container_of(stream, struct framed, socket.base);
	unstage(framed);
	framed->listener->closed(framed->owner);
}

/* ---- the socket's sink ----------------------------------------------------------------------- */

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct framed *framed = consumer;
	return framed->is_closing ? 0 : framed->listener->space(framed->owner, iov);
}

static void on_received(void *consumer, size_t n)
{
	struct framed *framed = consumer;
	framed->listener->received(framed->owner, n);
}

/* Sockets have none. */
static void on_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void on_writable(void *consumer)
{
	struct framed *framed = consumer;
	flush(framed);
	if (framed->staged != NULL)
		return;
	if (framed->is_closing) {
		end_linger(framed);
	} else if (framed->want_writable) {
		framed->want_writable = false;
		framed->listener->writable(framed->owner);
	}
}

/* Sockets borrow nothing. */
static void on_written(void *consumer, size_t done, int failure)
{
}

static void on_end_of_input(void *consumer)
{
	struct framed *framed = consumer;
	if (!framed->is_closing)
		framed->listener->end_of_input(framed->owner);
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct framed *framed = consumer;
	fail(framed, reason != 0 ? reason : -EPIPE);
	if (framed->is_closing)
		end_linger(framed);
	else
		framed->listener->gone(framed->owner, reason);
}

static const struct stream_sink socket_sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

/* ---- the beginning --------------------------------------------------------------------------- */

int framed_init(struct framed *framed, struct loop *loop, int fd, void *preamble,
	size_t preamble_size, const struct framed_listener *listener, void *owner)
{
	*framed = (struct framed){.loop = loop, .listener = listener, .owner = owner};
	int rc = fd_stream_init(&framed->socket, loop, FD_STREAM_SOCKET, fd, fd, on_closed);
	if (rc < 0) {
		fd_close(fd);
		free(preamble);
		return rc;
	}
	stream_attach(&framed->socket.base, &socket_sink, framed);
	if (preamble_size == 0) {
		free(preamble);
		return 0;
	}
	framed->staged = preamble;
	framed->staged_end = preamble_size;
	flush(framed);
	return 0;
}

void framed_read_start(struct framed *framed)
{
	if (!framed->is_closing)
		stream_read_start(&framed->socket.base);
}

void framed_read_stop(struct framed *framed)
{
	if (!framed->is_closing)
		stream_read_stop(&framed->socket.base);
}
