/* A serial line as a stream; see tty_stream.h. */
#include "backend/tty_stream.h"

#include "stream/line_settings.h"
#include "util/fd.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

static struct tty_stream *of(struct stream *stream)
{
	return container_of(stream, struct tty_stream, base);
}

/* Hands over what is staged, then reads on, or tells that the line is gone. */
static void deliver(struct tty_stream *ts)
{
	while (ts->reading && ts->staged_at < ts->staged_end) {
		struct iovec iov[STREAM_MAX_PARTS];
		int count = ts->base.sink->space(ts->base.consumer, iov);
		if (ts->base.closing)
			return;
		if (count == 0) {
			ts->reading = false;
			break;
		}
		struct parmrk_result r = parmrk_decode(&ts->decoder, ts->staged + ts->staged_at,
			ts->staged_end - ts->staged_at, iov[0].iov_base, iov[0].iov_len);
		ts->staged_at += r.taken;
		if (r.size > 0)
			ts->base.sink->received(ts->base.consumer, r.size);
		if (r.is_break && !ts->base.closing) {
			const struct stream_signal signal = {STREAM_SIGNAL_BREAK};
			ts->base.sink->signalled(ts->base.consumer, &signal);
		}
		if (ts->base.closing)
			return;
	}
	if (ts->staged_at < ts->staged_end)
		return;
	if (ts->hung_up && !ts->told_gone) {
		ts->told_gone = true;
		ts->base.sink->gone(ts->base.consumer, ts->reason, 0);
	} else if (ts->reading && !ts->hung_up) {
		stream_read_start(&ts->lower.base);
	}
}

static void on_deliver(struct loop_task *task)
{
	deliver(container_of(task, struct tty_stream, deliver_task));
}

static int lower_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct tty_stream *ts = consumer;
	if (ts->staged_at < ts->staged_end)
		return 0;
	ts->staged_at = ts->staged_end = 0;
	iov[0] = (struct iovec){ts->staged, sizeof(ts->staged)};
	return 1;
}

static void lower_received(void *consumer, size_t n)
{
	struct tty_stream *ts = consumer;
	ts->staged_end = n;
	deliver(ts);
	if (!ts->base.closing && !ts->reading)
		stream_read_stop(&ts->lower.base);
}

static void lower_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void lower_writable(void *consumer)
{
	struct tty_stream *ts = consumer;
	if (ts->controlling || !ts->want_writable)
		return; /* the end of the control tells it */
	ts->want_writable = false;
	ts->base.sink->writable(ts->base.consumer);
}

static void lower_written(void *consumer, size_t done, int failure)
{
}

/* A tty's end of input is its hang-up: `gone` follows. */
static void lower_end_of_input(void *consumer)
{
}

static void lower_gone(void *consumer, int reason, uint64_t unsent)
{
	struct tty_stream *ts = consumer;
	ts->hung_up = true;
	ts->reason = reason != 0 ? reason : -EIO;
	deliver(ts);
}

static const struct stream_sink lower_sink = {
	.space = lower_space,
	.received = lower_received,
	.signalled = lower_signalled,
	.writable = lower_writable,
	.written = lower_written,
	.end_of_input = lower_end_of_input,
	.gone = lower_gone,
};

static void start_reading(struct stream *stream)
{
	struct tty_stream *ts = of(stream);
	ts->reading = true;
	if (ts->staged_at < ts->staged_end)
		loop_task_post(&ts->deliver_task);
	else
		stream_read_start(&ts->lower.base);
}

static void stop_reading(struct stream *stream)
{
	struct tty_stream *ts = of(stream);
	ts->reading = false;
	stream_read_stop(&ts->lower.base);
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct tty_stream *ts = of(stream);
	ssize_t n = ts->controlling ? 0 : stream_write(&ts->lower.base, iov, count);
	ts->want_writable = n >= 0 && (size_t)n < iov_total(iov, count);
	return n;
}

static void finish_close(struct tty_stream *ts)
{
	if (ts->lower_closed && !ts->controlling)
		ts->base.on_closed(&ts->base);
}

/* On a thread: the kernel first waits for the output before it; a BREAK then lasts 250 ms. */
static void control_line(struct loop_job *job)
{
	struct tty_stream *ts = container_of(job, struct tty_stream, control_job);
	if (ts->control.type == STREAM_SIGNAL_BREAK)
		tcsendbreak(ts->fd, 0);
	else
		line_settings_set(ts->fd, &ts->control.u.line);
}

static void on_controlled(struct loop_job *job)
{
	struct tty_stream *ts = container_of(job, struct tty_stream, control_job);
	ts->controlling = false;
	if (ts->base.closing)
		finish_close(ts);
	else
		lower_writable(ts);
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct tty_stream *ts = of(stream);
	bool is_break = signal->type == STREAM_SIGNAL_BREAK;
	if (!is_break && (signal->type != STREAM_SIGNAL_LINE || ts->keeps_line))
		return -EOPNOTSUPP;
	if (ts->controlling && is_break && ts->control.type == STREAM_SIGNAL_BREAK)
		return 0; /* one BREAK, longer or not, is what the other side sees */
	if (ts->controlling) {
		ts->want_writable = true;
		return -EAGAIN;
	}
	ts->control = *signal;
	int r = loop_job_submit(&ts->control_job, ts->loop, control_line, on_controlled);
	ts->controlling = r == 0;
	return r == 0 ? 0 : -ENOMEM; /* no thread, whatever the errno: nothing tells when there is
					one */
}

static void close_stream(struct stream *stream)
{
	struct tty_stream *ts = of(stream);
	loop_task_cancel(&ts->deliver_task);
	/* It may wait for output that flow control holds up: without it, it ends. */
	if (ts->controlling)
		tcflush(ts->fd, TCOFLUSH);
	stream_close(&ts->lower.base);
}

static void on_lower_closed(struct stream *stream)
{
	struct tty_stream *ts = container_of(stream, struct tty_stream, lower.base);
	ts->lower_closed = true;
	finish_close(ts);
}

static const struct stream_ops ops = {
	.name = "tty",
	.read_start = start_reading,
	.read_stop = stop_reading,
	.write = write_some,
	.signal = send_signal,
	.close = close_stream,
};

int tty_stream_init(
	struct tty_stream *ts, struct loop *loop, int fd, void (*on_closed)(struct stream *stream))
{
	*ts = (struct tty_stream){.loop = loop, .fd = fd};
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int r = copy < 0 ? -errno
			 : fd_stream_init(
				   &ts->lower, loop, FD_STREAM_FILE, copy, copy, on_lower_closed);
	if (r < 0) {
		fd_close(copy);
		return r;
	}
	stream_init(&ts->base, &ops, on_closed);
	loop_task_init(&ts->deliver_task, loop, on_deliver);
	stream_attach(&ts->lower.base, &lower_sink, ts);
	return 0;
}
