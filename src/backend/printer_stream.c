/* Output to a parallel port; see printer_stream.h. */
#include "backend/printer_stream.h"

#include "util/fd.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_WRITE = 4096, /* bytes borrowed at a time: some seconds for a slow printer */
	FIRST_WAIT_MS = 5,
	LONGEST_WAIT_MS = 500,
};

static struct printer_stream *of(struct stream *stream)
{
	return container_of(stream, struct printer_stream, base);
}

/* What lp(4) and ppdev say of a printer that takes nothing at the moment. */
static bool is_not_ready(int code)
{
	return code == EAGAIN || code == EBUSY || code == ENOSPC || code == EIO ||
	       code == ETIMEDOUT;
}

/* On a thread. A write of nothing is a time-out of the port. */
static void write_all(struct loop_job *job)
{
	struct printer_stream *ps = container_of(job, struct printer_stream, job);
	int wait_ms = FIRST_WAIT_MS;
	while (ps->iov_count > 0 && !atomic_load(&ps->stop)) {
		ssize_t n = write(ps->fd, ps->iov[0].iov_base, ps->iov[0].iov_len);
		if (n > 0) {
			ps->done += (size_t)n;
			ps->iov_count = iov_skip(ps->iov, ps->iov_count, (size_t)n);
			wait_ms = FIRST_WAIT_MS;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !is_not_ready(errno)) {
			ps->failure = -errno;
			return;
		}
		const struct timespec wait = {.tv_nsec = wait_ms * 1000000L};
		nanosleep(&wait, NULL);
		wait_ms = wait_ms * 2 < LONGEST_WAIT_MS ? wait_ms * 2 : LONGEST_WAIT_MS;
	}
}

/* `gone`: no other write will do better. */
static void finish_write(struct printer_stream *ps, bool gone)
{
	int failure = ps->failure;
	ps->in_flight = false;
	if (ps->base.closing) {
		ps->base.on_closed(&ps->base);
		return;
	}
	ps->told_gone = gone;
	ps->base.sink->written(ps->base.consumer, ps->done, failure);
	if (ps->base.closing)
		return;
	if (ps->told_gone) {
		ps->base.sink->gone(ps->base.consumer, failure, 0);
	} else if (ps->want_writable && !ps->in_flight) {
		ps->want_writable = false;
		ps->base.sink->writable(ps->base.consumer);
	}
}

static void on_written(struct loop_job *job)
{
	struct printer_stream *ps = container_of(job, struct printer_stream, job);
	finish_write(ps, ps->failure != 0);
}

static void on_task(struct loop_task *task)
{
	struct printer_stream *ps = container_of(task, struct printer_stream, task);
	if (ps->in_flight)
		finish_write(ps, false);
	else
		ps->base.on_closed(&ps->base);
}

static void ignore_reading(struct stream *stream)
{
}

static ssize_t write_borrowed(struct stream *stream, const struct iovec *iov, int count)
{
	struct printer_stream *ps = of(stream);
	if (ps->told_gone)
		return ps->failure;
	if (ps->in_flight) {
		ps->want_writable = true;
		return 0;
	}
	memcpy(ps->iov, iov, (size_t)count * sizeof(*iov));
	ps->iov_count = iov_limit(ps->iov, count, MAX_WRITE);
	ps->done = 0;
	ps->failure = 0;
	ps->in_flight = true;
	/* Without a thread nothing was written: a failure, so that the next try takes its time. */
	int r = loop_job_submit(&ps->job, ps->loop, write_all, on_written);
	if (r < 0) {
		ps->failure = r;
		loop_task_post(&ps->task);
	}
	return STREAM_BORROWED;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP; /* a parallel port has no BREAK */
}

static void close_stream(struct stream *stream)
{
	struct printer_stream *ps = of(stream);
	atomic_store(&ps->stop, true);
	if (!ps->in_flight)
		loop_task_post(&ps->task);
}

static const struct stream_ops ops = {
	.name = "printer",
	.read_start = ignore_reading,
	.read_stop = ignore_reading,
	.write = write_borrowed,
	.signal = send_signal,
	.close = close_stream,
};

void printer_stream_init(struct printer_stream *ps, struct loop *loop, int fd,
	void (*on_closed)(struct stream *stream))
{
	*ps = (struct printer_stream){.loop = loop, .fd = fd};
	stream_init(&ps->base, &ops, on_closed);
	loop_task_init(&ps->task, loop, on_task);
}
