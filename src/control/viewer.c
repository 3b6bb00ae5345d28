/*
 * One viewer: a stream for its device whose other side is a framed connection; see viewer.h.
 *
 * Output goes from the ring into frames without a copy. Input is read a few KiB at a time and
 * decoded from boundary to boundary, so that typed bytes are taken only where there is room for
 * them: what has none waits, first here and then in the connection.
 *
 * However a viewer ends, that is no trouble of its device: `gone` is always orderly. Why it ended
 * it is told itself, and the audit.
 */
#include "control/notice.h"
#include "control/viewer_internal.h"
#include "util/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct viewer *of(struct stream *stream)
{
	return container_of(stream, struct viewer, base);
}

void viewer_note(struct viewer *viewer, unsigned notices)
{
	if (viewer->has_started)
		viewer->notices |= notices;
}

void viewer_notify(struct viewer *viewer, unsigned notices)
{
	viewer_note(viewer, notices);
	if (viewer->notices != 0 && !viewer->base.closing)
		loop_task_post(&viewer->task);
}

void viewer_end(struct viewer *viewer, int code, const char *reason)
{
	if (viewer->is_ending || viewer->base.closing)
		return;
	viewer->is_ending = true;
	viewer->end_code = code;
	viewer->end_reason = reason;
	loop_task_post(&viewer->task);
}

/* ---- output ---------------------------------------------------------------------------------- */

/* Of a peer that has left, what it sent before is still to be had, and then the end of it. */
static int output_failed(struct viewer *viewer, int failure)
{
	if (failure != -EPIPE && failure != -ECONNRESET)
		viewer_end(viewer, failure, "the connection failed");
	return failure;
}

/* 1: taken; 0: not now, the device will be told when; or a negative errno. */
static int put(struct viewer *viewer, enum frame_type type, const void *bytes, size_t n)
{
	int rc = framed_put(&viewer->framed, type, viewer->offset, bytes, n);
	viewer->want_writable |= rc == 0;
	return rc < 0 ? output_failed(viewer, rc) : rc;
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct viewer *viewer = of(stream);
	struct iovec rest[STREAM_MAX_PARTS];
	size_t taken = 0;
	memcpy(rest, iov, (size_t)count * sizeof(*iov));
	while ((count = iov_skip(rest, count, 0)) > 0) {
		size_t n = rest->iov_len < FRAME_PAYLOAD_MAX ? rest->iov_len : FRAME_PAYLOAD_MAX;
		int rc = put(viewer, FRAME_DATA, rest->iov_base, n);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		viewer->offset += n;
		taken += n;
		count = iov_skip(rest, count, n);
	}
	return (ssize_t)taken;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct viewer *viewer = of(stream);
	int rc;
	switch (signal->type) {
	case STREAM_SIGNAL_GAP:
		viewer->offset += signal->u.gap;
		viewer->dropped += signal->u.gap;
		return 0;
	case STREAM_SIGNAL_BREAK:
		rc = put(viewer, FRAME_BREAK, NULL, 0);
		return rc > 0 ? 0 : rc == 0 ? -EAGAIN : rc;
	default:
		return -EOPNOTSUPP;
	}
}

static struct notice_who *who(const struct pen_user *user, struct notice_who *ret)
{
	if (user == NULL)
		return NULL;
	const struct viewer *viewer = container_of(user, struct viewer, pen);
	*ret = (struct notice_who){viewer->id, viewer->uid, viewer->pid};
	return ret;
}

/* As things are now; NULL: no memory. */
static char *render(const struct viewer *viewer, unsigned notice)
{
	const struct viewer_group *group = viewer->group;
	struct notice_who somebody;
	switch (notice) {
	case NOTICE_PEN:
		return notice_pen(who(group->pen.holder, &somebody), viewer_has_pen(viewer));
	case NOTICE_ASKED:
		return notice_asked(who(pen_next(&group->pen), &somebody));
	case NOTICE_REFUSED:
		return notice_refused(viewer->refused);
	case NOTICE_GUEST:
		return notice_guest(group->guest_attached);
	default:
		return notice_viewers(group->count);
	}
}

/* What is not sent now waits for room, or, where memory is short, for the next occasion. */
static void send_notices(struct viewer *viewer)
{
	if (!viewer_has_pen(viewer))
		viewer->notices &= ~(unsigned)NOTICE_ASKED;
	for (unsigned notice = 1; notice <= NOTICE_ALL; notice <<= 1) {
		if ((viewer->notices & notice) == 0)
			continue;
		if (framed_is_busy(&viewer->framed))
			return;
		char *text = render(viewer, notice);
		if (text == NULL)
			return;
		int rc = framed_put(&viewer->framed, FRAME_NOTICE, 0, text, strlen(text));
		free(text);
		if (rc < 0)
			output_failed(viewer, rc);
		if (rc <= 0)
			return;
		viewer->notices &= ~notice;
	}
}

/* ---- input ----------------------------------------------------------------------------------- */

static void signal_device(struct viewer *viewer, const struct stream_signal *signal)
{
	viewer->base.sink->signalled(viewer->base.consumer, signal);
}

static void refuse(struct viewer *viewer, size_t n)
{
	viewer->refused += n;
	viewer_notify(viewer, NOTICE_REFUSED);
	if (!viewer->has_refused)
		viewer_tell(viewer, "refused", "typed without the pen");
	viewer->has_refused = true;
}

/* The room was made by take_piece(). */
static void on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct viewer *viewer = user;
	size_t copied = 0;
	if (viewer->room_parts == 0) {
		refuse(viewer, n);
		return;
	}
	for (int i = 0; i < viewer->room_parts && copied < n; i++) {
		const struct iovec *part = &viewer->room[i];
		size_t size = part->iov_len < n - copied ? part->iov_len : n - copied;
		memcpy(part->iov_base, bytes + copied, size);
		copied += size;
	}
	viewer->typed += n;
	viewer->base.sink->received(viewer->base.consumer, n);
}

static void on_break(struct viewer *viewer)
{
	const struct stream_signal signal = {.type = STREAM_SIGNAL_BREAK};
	if (!viewer_may_type(viewer)) {
		refuse(viewer, 0);
		return;
	}
	viewer_tell(viewer, "break", "sent a BREAK");
	signal_device(viewer, &signal);
}

static void pass_window(struct viewer *viewer)
{
	const struct stream_signal signal = {
		.type = STREAM_SIGNAL_WINDOW, .u.window = viewer->window};
	viewer->window_due = false;
	signal_device(viewer, &signal);
}

static void on_window(struct viewer *viewer, const uint8_t *payload)
{
	viewer->window = (struct stream_window){.columns = (uint16_t)(payload[0] << 8 | payload[1]),
		.rows = (uint16_t)(payload[2] << 8 | payload[3])};
	if (viewer_has_pen(viewer))
		pass_window(viewer);
}

static bool is_pen(uint8_t byte)
{
	return byte == FRAME_PEN_ASK || byte == FRAME_PEN_FORCE || byte == FRAME_PEN_GIVE;
}

static void on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct viewer *viewer = user;
	if (frame->type == FRAME_BREAK && frame->length == 0)
		on_break(viewer);
	else if (frame->type == FRAME_WINDOW && frame->length == 4)
		on_window(viewer, payload);
	else if (frame->type == FRAME_PEN && frame->length == 1 && is_pen(payload[0]))
		viewer_use_pen(viewer, payload[0]);
	else
		viewer_end(viewer, -EPROTO, "a frame came that no viewer sends");
}

static const struct frame_sink frame_sink = {.data = on_data, .frame = on_frame};

/* Where typed bytes go; of size 0 while the device takes none. */
static size_t make_room(struct viewer *viewer)
{
	struct stream *base = &viewer->base;
	if (!viewer->is_reading)
		return 0;
	viewer->room_parts = base->sink->space(base->consumer, viewer->room);
	if (viewer->room_parts == 0)
		viewer->is_reading = false;
	return iov_total(viewer->room, viewer->room_parts);
}

/* Takes input up to the next boundary. False: no further for now. */
static bool take_piece(struct viewer *viewer)
{
	size_t n = frame_decoder_wants(&viewer->decoder);
	if (n > viewer->in_end - viewer->in_at)
		n = viewer->in_end - viewer->in_at;
	viewer->room_parts = 0;
	if (frame_decoder_in_data(&viewer->decoder) && viewer_may_type(viewer)) {
		size_t room = make_room(viewer);
		n = room < n ? room : n;
	}
	if (n == 0)
		return false;
	const uint8_t *bytes = viewer->in + viewer->in_at;
	viewer->in_at += n;
	if (frame_decode(&viewer->decoder, bytes, n, &frame_sink, viewer) < 0)
		viewer_end(viewer, -EPROTO, "a frame came that is too long");
	return true;
}

static void take_input(struct viewer *viewer)
{
	while (viewer->in_at < viewer->in_end && !viewer->is_ending && !viewer->base.closing)
		if (!take_piece(viewer))
			return;
	if (viewer->base.closing)
		return;
	if (viewer->input_ended)
		viewer_end(viewer, 0, "the input has ended");
	if (!viewer->is_ending)
		framed_read_start(&viewer->framed);
}

/* ---- what is due ----------------------------------------------------------------------------- */

/* Everything that the loop lets a viewer do. False: it is closed, or going to be. */
static bool deliver(struct viewer *viewer)
{
	struct stream *base = &viewer->base;
	if (base->closing || viewer->told_gone)
		return false;
	if (viewer->window_due && viewer_has_pen(viewer))
		pass_window(viewer);
	if (!base->closing)
		take_input(viewer);
	if (!base->closing)
		send_notices(viewer);
	if (base->closing || !viewer->is_ending)
		return !base->closing;
	viewer->told_gone = true;
	base->sink->gone(base->consumer, 0, 0);
	return false;
}

static void on_task(struct loop_task *task)
{
	deliver(container_of(task, struct viewer, task));
}

static int framed_space(void *owner, struct iovec iov[STREAM_MAX_PARTS])
{
	struct viewer *viewer = owner;
	if (viewer->in_at < viewer->in_end)
		return 0;
	iov[0] = (struct iovec){viewer->in, VIEWER_READ_SIZE};
	return 1;
}

static void framed_received(void *owner, size_t n)
{
	struct viewer *viewer = owner;
	viewer->in_at = 0;
	viewer->in_end = n;
	deliver(viewer);
}

static void framed_writable(void *owner)
{
	struct viewer *viewer = owner;
	if (!deliver(viewer) || !viewer->want_writable || framed_is_busy(&viewer->framed))
		return;
	viewer->want_writable = false;
	viewer->base.sink->writable(viewer->base.consumer);
}

static void framed_end_of_input(void *owner)
{
	struct viewer *viewer = owner;
	viewer->input_ended = true;
	deliver(viewer);
}

static void framed_gone(void *owner, int reason)
{
	framed_end_of_input(owner);
}

static void framed_closed(void *owner)
{
	viewer_free(owner);
}

static const struct framed_listener framed_listener = {
	.space = framed_space,
	.received = framed_received,
	.writable = framed_writable,
	.end_of_input = framed_end_of_input,
	.gone = framed_gone,
	.closed = framed_closed,
};

/* ---- the operations -------------------------------------------------------------------------- */

static void start_reading(struct stream *stream)
{
	struct viewer *viewer = of(stream);
	viewer->is_reading = true;
	loop_task_post(&viewer->task);
}

static void stop_reading(struct stream *stream)
{
	of(stream)->is_reading = false;
}

static void close_stream(struct stream *stream)
{
	struct viewer *viewer = of(stream);
	if (!viewer->is_ending)
		viewer->end_reason = viewer->has_started ? "the device is not served any more"
							 : "the device takes no viewer now";
	loop_task_cancel(&viewer->task);
	viewer_leave(viewer);
	framed_close(&viewer->framed, viewer->offset, viewer->end_code, viewer->end_reason);
}

/* Its maker is the viewer itself, which goes on until its connection is closed. */
static void on_closed(struct stream *stream)
{
}

static const struct stream_ops ops = {
	.name = "viewer",
	.read_start = start_reading,
	.read_stop = stop_reading,
	.write = write_some,
	.signal = send_signal,
	.close = close_stream,
};

/* The first input may be more than is read at once. */
static int keep_input(struct viewer *viewer, const void *input, size_t size)
{
	viewer->in = malloc(size > VIEWER_READ_SIZE ? size : VIEWER_READ_SIZE);
	if (viewer->in == NULL)
		return -ENOMEM;
	if (size > 0)
		memcpy(viewer->in, input, size);
	viewer->in_end = size;
	return 0;
}

void viewer_start(struct viewer *viewer, int fd, char *preamble, size_t preamble_size,
	const void *input, size_t input_size)
{
	char name[VIEWER_NAME_SIZE];
	viewer_name(viewer, name);
	const struct peer_info info = {
		.kind = PEER_VIEWER, .name = name, .no_input = viewer->read_only};
	stream_init(&viewer->base, &ops, on_closed);
	loop_task_init(&viewer->task, viewer->viewers->loop, on_task);
	frame_decoder_init(&viewer->decoder);
	if (framed_init(&viewer->framed, viewer->viewers->loop, fd, preamble, preamble_size,
		    &framed_listener, viewer) < 0) {
		viewer_cancel(viewer);
		return;
	}
	if (keep_input(viewer, input, input_size) < 0) {
		viewer_end(viewer, -ENOMEM, "out of memory");
		stream_close(&viewer->base);
		return;
	}
	device_add_viewer(viewer->device, &viewer->base, &info, viewer->offset, viewer->lossless);
	if (viewer->base.closing)
		return;
	viewer->has_started = true;
	if (viewer->viewers->is_closing)
		viewer_end(viewer, 0, "the server ends");
	loop_task_post(&viewer->task);
}
