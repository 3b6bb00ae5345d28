/*
 * A stream onto a file whose write(2) may block; see file_stream.h.
 *
 * close(2) may block as well (a network file system flushes, a long file that was removed is
 * truncated), so it is a job too.
 */
#include "stream/file_stream.h"

#include "util/fd.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file_stream *of(struct stream *stream)
{
	return container_of(stream, struct file_stream, base);
}

static struct file_stream *of_job(struct loop_job *job)
{
	return container_of(job, struct file_stream, job);
}

static void write_parts(struct file_stream *fs)
{
	while (fs->iov_count > 0) {
		ssize_t n = writev(fs->fd, fs->iov, fs->iov_count);
		if (n >= 0) {
			fs->done += (size_t)n;
			fs->iov_count = iov_skip(fs->iov, fs->iov_count, (size_t)n);
		} else if (errno == EAGAIN) {
			struct pollfd wait = {.fd = fs->fd, .events = POLLOUT};
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			fs->failure = -errno;
			return;
		}
	}
}

/* On a thread: everything that it touches is the job's until `done`. */
static void write_all(struct loop_job *job)
{
	struct file_stream *fs = of_job(job);
	struct stat st;
	write_parts(fs);
	fs->size = fstat(fs->fd, &st) == 0 ? st.st_size : -1;
}

static void close_file(struct loop_job *job)
{
	struct file_stream *fs = of_job(job);
	fs->fd = fd_close(fs->fd);
}

static void on_file_closed(struct loop_job *job)
{
	struct file_stream *fs = of_job(job);
	fs->base.on_closed(&fs->base);
}

static void begin_close(struct file_stream *fs)
{
	if (loop_job_submit(&fs->job, fs->loop, close_file, on_file_closed) == 0)
		return;
	fs->fd = fd_close(fs->fd);
	loop_task_post(&fs->close_task);
}

static void on_close_task(struct loop_task *task)
{
	struct file_stream *fs = container_of(task, struct file_stream, close_task);
	fs->base.on_closed(&fs->base);
}

static void finish_write(struct file_stream *fs)
{
	int failure = fs->failure;
	fs->in_flight = false;
	if (fs->base.closing) {
		begin_close(fs);
		return;
	}
	fs->base.sink->written(fs->base.consumer, fs->done, failure);
	if (fs->base.closing)
		return;
	if (failure != 0 && fs->is_fatal != NULL && fs->is_fatal(failure)) {
		fs->dead = failure;
		fs->base.sink->gone(fs->base.consumer, failure, 0);
	} else if (fs->want_writable && !fs->in_flight) {
		fs->want_writable = false;
		fs->base.sink->writable(fs->base.consumer);
	}
}

static void on_written(struct loop_job *job)
{
	finish_write(of_job(job));
}

/* No thread could be had: a failed write that nothing was written of. */
static void on_not_started(struct loop_task *task)
{
	finish_write(container_of(task, struct file_stream, not_started));
}

static void read_nothing(struct stream *stream)
{
}

static ssize_t write_borrowed(struct stream *stream, const struct iovec *iov, int count)
{
	struct file_stream *fs = of(stream);
	if (fs->dead != 0)
		return fs->dead;
	if (fs->in_flight) {
		fs->want_writable = true;
		return 0;
	}
	memcpy(fs->iov, iov, (size_t)count * sizeof(*iov));
	fs->iov_count = iov_limit(fs->iov, count, FILE_STREAM_MAX_WRITE);
	fs->done = 0;
	fs->failure = 0;
	fs->in_flight = true;
	int rc = loop_job_submit(&fs->job, fs->loop, write_all, on_written);
	if (rc < 0) {
		fs->failure = rc;
		loop_task_post(&fs->not_started);
	}
	return STREAM_BORROWED;
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void close_stream(struct stream *stream)
{
	struct file_stream *fs = of(stream);
	if (!fs->in_flight)
		begin_close(fs);
}

static const struct stream_ops file_stream_ops = {
	.name = "file",
	.read_start = read_nothing,
	.read_stop = read_nothing,
	.write = write_borrowed,
	.signal = no_signal,
	.close = close_stream,
};

int file_stream_init(
	struct file_stream *fs, struct loop *loop, int fd, void (*on_closed)(struct stream *stream))
{
	*fs = (struct file_stream){.loop = loop, .fd = fd, .size = -1};
	stream_init(&fs->base, &file_stream_ops, on_closed);
	loop_task_init(&fs->close_task, loop, on_close_task);
	loop_task_init(&fs->not_started, loop, on_not_started);
	return 0;
}
