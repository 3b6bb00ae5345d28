/* A byte stream on datagrams; see udp_stream.h. */
#include "backend/udp_stream.h"

#include "util/fd.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Datagrams per turn of the loop and direction: other devices want their turn too. */
enum { BATCH = 64 };

static struct udp_stream *of(struct stream *stream)
{
	return container_of(stream, struct udp_stream, base);
}

static void update(struct udp_stream *us)
{
	if (!us->base.closing)
		loop_poll_want(&us->poll,
			(us->reading ? LOOP_READABLE : 0) | (us->blocked ? LOOP_WRITABLE : 0));
}

/* ---- trouble --------------------------------------------------------------------------------- */

static void on_trouble_task(struct loop_task *task)
{
	struct udp_stream *us = container_of(task, struct udp_stream, trouble_task);
	for (int i = 0; i < UDP_DIRECTION_COUNT; i++) {
		struct udp_trouble *trouble = &us->troubles[i];
		if (!trouble->untold)
			continue;
		trouble->untold = false;
		us->trouble(us, trouble->code, trouble->reason);
	}
}

/* NULL when there was trouble in this direction less than a minute ago. */
static struct udp_trouble *new_trouble(
	struct udp_stream *us, enum udp_direction direction, int code)
{
	struct udp_trouble *trouble = &us->troubles[direction];
	uint64_t now = loop_now_ms(us->loop);
	if (trouble->noted_ms != 0 && now - trouble->noted_ms < UDP_TROUBLE_AGAIN_MS)
		return NULL;
	trouble->code = code;
	trouble->noted_ms = now;
	trouble->untold = true;
	loop_task_post(&us->trouble_task);
	return trouble;
}

/* An ICMP error, or a send that failed. */
static void peer_trouble(struct udp_stream *us, int code)
{
	char text[ADDRESS_TEXT_SIZE];
	struct udp_trouble *trouble = new_trouble(us, UDP_OUT, code);
	if (trouble == NULL)
		return;
	address_text(&us->peer, text);
	if (code == -ECONNREFUSED)
		snprintf(trouble->reason, sizeof(trouble->reason), "nobody receives at %s", text);
	else
		snprintf(trouble->reason, sizeof(trouble->reason), "cannot send to %s: %s", text,
			error_text(code));
}

static void no_room(struct udp_stream *us, size_t size, size_t room)
{
	us->dropped_in++;
	struct udp_trouble *trouble = new_trouble(us, UDP_IN, -EMSGSIZE);
	if (trouble != NULL)
		snprintf(trouble->reason, sizeof(trouble->reason),
			"a datagram of %zu bytes was dropped: the guest's input has room for %zu "
			"(dropped so far: %" PRIu64 ")",
			size, room, us->dropped_in);
}

/* ---- in -------------------------------------------------------------------------------------- */

/* False when there is nothing more to do in this turn. */
static bool receive_one(struct udp_stream *us)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int parts = us->base.sink->space(us->base.consumer, iov);
	if (us->base.closing || !us->reading)
		return false;
	if (parts == 0) {
		us->reading = false;
		return false;
	}
	size_t room = iov_total(iov, parts);
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)parts};
	/* MSG_TRUNC: the datagram's real length is returned. */
	ssize_t n = recvmsg(us->fd, &message, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0) {
		if (errno != EINTR)
			peer_trouble(us, -errno);
		return true;
	}
	if ((size_t)n > room) {
		no_room(us, (size_t)n, room);
		return true;
	}
	if (n > 0)
		us->base.sink->received(us->base.consumer, (size_t)n);
	return !us->base.closing && us->reading;
}

/* ---- out ------------------------------------------------------------------------------------- */

/* The part of iov that begins at `from` and has n bytes. */
static int slice(const struct iovec *iov, int count, size_t from, size_t n,
	struct iovec ret[STREAM_MAX_PARTS])
{
	int parts = 0;
	for (int i = 0; i < count && n > 0; i++) {
		if (from >= iov[i].iov_len) {
			from -= iov[i].iov_len;
			continue;
		}
		size_t here = iov[i].iov_len - from;
		if (here > n)
			here = n;
		ret[parts++] = (struct iovec){(char *)iov[i].iov_base + from, here};
		n -= here;
		from = 0;
	}
	return parts;
}

/* The length of the line that begins the slice, its newline included; 0 when it has no end. */
static size_t line_length(const struct iovec *iov, int count)
{
	size_t before = 0;
	for (int i = 0; i < count; i++) {
		const char *end = memchr(iov[i].iov_base, '\n', iov[i].iov_len);
		if (end != NULL)
			return before + (size_t)(end - (const char *)iov[i].iov_base) + 1;
		before += iov[i].iov_len;
	}
	return 0;
}

/* 0 when the datagram is sent or lost, -EAGAIN when it can be neither now. */
static int send_one(struct udp_stream *us, struct iovec *iov, int count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
	if (!us->has_peer) {
		us->dropped_out++;
		return 0;
	}
	if (!us->connected) {
		message.msg_name = &us->peer.u.any;
		message.msg_namelen = us->peer.length;
	}
	/* The answer to an earlier datagram comes as the error of this one, which is not sent. */
	for (int i = 0; i < 3; i++) {
		if (sendmsg(us->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EAGAIN)
			return -EAGAIN;
		if (errno != EINTR)
			peer_trouble(us, -errno);
	}
	us->dropped_out++;
	return 0;
}

/* How many of the bytes from `from` on make the next datagram; 0: they are to wait for more. */
static size_t next_datagram(
	const struct udp_stream *us, const struct iovec *iov, int count, size_t from, size_t total)
{
	struct iovec window[STREAM_MAX_PARTS];
	size_t size = total - from < UDP_DATAGRAM_SIZE ? total - from : UDP_DATAGRAM_SIZE;
	size_t line = line_length(window, slice(iov, count, from, size, window));
	if (line > 0)
		return line;
	/* Only what stood first when the timer was started is old enough. */
	if (size == UDP_DATAGRAM_SIZE || (us->gathered && from == 0))
		return size;
	return 0;
}

static void wait_for_more(struct udp_stream *us, bool is_new)
{
	us->want_writable = true;
	if (us->blocked)
		loop_timer_stop(&us->gather);
	else if (is_new || !loop_timer_is_active(&us->gather))
		loop_timer_start(&us->gather, UDP_GATHER_MS);
}

static ssize_t write_datagrams(struct stream *stream, const struct iovec *iov, int count)
{
	struct udp_stream *us = of(stream);
	size_t total = iov_total(iov, count);
	size_t taken = 0;
	if (us->peer_is_awaited) {
		us->want_writable = true;
		return 0;
	}
	us->blocked = false;
	for (int sent = 0; taken < total && !us->blocked; sent++) {
		struct iovec datagram[STREAM_MAX_PARTS];
		size_t n = next_datagram(us, iov, count, taken, total);
		if (n == 0)
			break;
		int parts = slice(iov, count, taken, n, datagram);
		if (sent < BATCH && send_one(us, datagram, parts) == 0)
			taken += n;
		else
			us->blocked = true;
	}
	if (!us->blocked || taken > 0)
		us->gathered = false;
	if (taken < total)
		wait_for_more(us, taken > 0);
	else
		loop_timer_stop(&us->gather);
	update(us);
	return (ssize_t)taken;
}

static void tell_writable(struct udp_stream *us)
{
	if (!us->want_writable || us->base.closing)
		return;
	us->want_writable = false;
	us->base.sink->writable(us->base.consumer);
}

static void on_gathered(struct loop_timer *timer)
{
	struct udp_stream *us = container_of(timer, struct udp_stream, gather);
	us->gathered = true;
	tell_writable(us);
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct udp_stream *us = container_of(poll, struct udp_stream, poll);
	if (events & LOOP_READABLE)
		for (int i = 0; i < BATCH && receive_one(us); i++)
			;
	if ((events & LOOP_WRITABLE) && us->blocked) {
		us->blocked = false;
		tell_writable(us);
	}
	update(us);
}

/* ---- the operations -------------------------------------------------------------------------- */

static void read_start(struct stream *stream)
{
	of(stream)->reading = true;
	update(of(stream));
}

static void read_stop(struct stream *stream)
{
	of(stream)->reading = false;
	update(of(stream));
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void finish_close(struct udp_stream *us)
{
	if (--us->closes_pending == 0)
		us->base.on_closed(&us->base);
}

static void on_poll_closed(struct loop_poll *poll)
{
	finish_close(container_of(poll, struct udp_stream, poll));
}

static void on_timer_closed(struct loop_timer *timer)
{
	finish_close(container_of(timer, struct udp_stream, gather));
}

static void close_stream(struct stream *stream)
{
	struct udp_stream *us = of(stream);
	us->closes_pending = 2;
	loop_task_cancel(&us->trouble_task);
	loop_timer_close(&us->gather, on_timer_closed);
	loop_poll_close(&us->poll, on_poll_closed);
	us->fd = fd_close(us->fd);
}

static const struct stream_ops udp_stream_ops = {
	.name = "udp",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_datagrams,
	.signal = no_signal,
	.close = close_stream,
};

int udp_stream_init(struct udp_stream *us, struct loop *loop, int fd,
	void (*trouble)(struct udp_stream *us, int code, const char *reason),
	void (*on_closed)(struct stream *stream))
{
	*us = (struct udp_stream){.loop = loop, .fd = fd, .trouble = trouble};
	stream_init(&us->base, &udp_stream_ops, on_closed);
	int rc = loop_poll_init(&us->poll, loop, fd, on_ready);
	if (rc < 0)
		return rc;
	loop_timer_init(&us->gather, loop, on_gathered);
	loop_task_init(&us->trouble_task, loop, on_trouble_task);
	return 0;
}

void udp_stream_set_peer(struct udp_stream *us, const struct address *peer, bool connected)
{
	us->has_peer = peer != NULL;
	us->connected = connected;
	us->peer_is_awaited = false;
	if (peer != NULL)
		us->peer = *peer;
	if (us->base.sink != NULL)
		tell_writable(us);
}
