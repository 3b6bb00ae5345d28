/*
 * A stream on a pollable descriptor; see fd_stream.h.
 *
 * Input: READABLE is asked for while the consumer reads. While it does not, HANGUP is, so that a
 * peer that left nothing unread is noticed at once; one that did is noticed when all is read. After
 * the end of input a socket asks for GONE only: its output goes on.
 *
 * What ends a direction is noted where it is seen; `gone` comes from a task when both are over.
 */
#include "stream/fd_stream.h"

#include "stream/tcp_acked.h"
#include "util/fd.h"

#include <assert.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fd_stream *of(struct stream *stream)
{
	return container_of(stream, struct fd_stream, base);
}

static bool is_shared(const struct fd_stream *fs)
{
	return fs->in_fd == fs->out_fd;
}

static void note_failure(struct fd_stream *fs, int failure)
{
	if (fs->failure == 0)
		fs->failure = failure;
}

/* Asks the loop for what the state calls for; costs nothing when that is what it was. */
static void update(struct fd_stream *fs)
{
	if (fs->in_callback || fs->base.closing)
		return;
	int output = fs->want_writable ? LOOP_WRITABLE : 0;
	if (fs->out_fd >= 0 && !is_shared(fs))
		loop_poll_want(&fs->out_poll, fs->output_dead ? 0 : output | LOOP_GONE);
	if (fs->in_fd >= 0) {
		int input = 0;
		if (fs->reading)
			input = LOOP_READABLE;
		else if (!fs->input_ended)
			input = fs->hangup_seen ? 0 : LOOP_HANGUP;
		else if (is_shared(fs) && !fs->output_dead)
			input = LOOP_GONE;
		loop_poll_want(&fs->in_poll, is_shared(fs) ? input | output : input);
	}
	if (fs->input_ended && fs->output_dead)
		loop_task_post(&fs->gone_task);
}

static void end_output(struct fd_stream *fs, int failure)
{
	note_failure(fs, failure);
	fs->output_dead = true;
	fs->want_writable = false;
}

static void end_input(struct fd_stream *fs, int failure)
{
	note_failure(fs, failure);
	fs->input_ended = true;
	fs->reading = false;
	if (is_shared(fs) && (failure != 0 || fs->kind == FD_STREAM_FILE || fs->ends_together))
		end_output(fs, failure);
	if (failure == 0 || !fs->output_dead)
		fs->base.sink->end_of_input(fs->base.consumer);
}

/* The pending error of a socket, or what the end of anything else's output is called. */
static int pending_error(const struct fd_stream *fs)
{
	if (fs->kind == FD_STREAM_FILE)
		return fs->out_is_pipe ? -EPIPE : -EIO;
	int code = 0;
	socklen_t size = sizeof(code);
	if (getsockopt(fs->out_fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		code = errno;
	return -code;
}

static void read_once(struct fd_stream *fs)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int parts = fs->base.sink->space(fs->base.consumer, iov);
	if (fs->base.closing || !fs->reading)
		return;
	if (parts == 0) {
		fs->reading = false;
		return;
	}
	ssize_t n;
	do {
		n = readv(fs->in_fd, iov, parts);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		fs->base.sink->received(fs->base.consumer, (size_t)n);
	else if (n == 0)
		end_input(fs, 0);
	else if (errno != EAGAIN)
		end_input(fs, -errno);
}

/* How much input is unread: > 0, 0 at its end, or the negative errno that ended it. */
static ssize_t peek(const struct fd_stream *fs)
{
	if (fs->kind == FD_STREAM_FILE) {
		int unread = 0;
		return ioctl(fs->in_fd, FIONREAD, &unread) < 0 ? -errno : unread;
	}
	char byte;
	ssize_t n;
	do {
		n = recv(fs->in_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void on_hangup_while_paused(struct fd_stream *fs)
{
	ssize_t unread = peek(fs);
	if (unread > 0 || unread == -EAGAIN)
		fs->hangup_seen = true;
	else
		end_input(fs, (int)unread);
}

static void tell_writable(struct fd_stream *fs)
{
	if (!fs->want_writable)
		return;
	fs->want_writable = false;
	fs->base.sink->writable(fs->base.consumer);
}

static void on_in_ready(struct loop_poll *poll, int events)
{
	struct fd_stream *fs = container_of(poll, struct fd_stream, in_poll);
	fs->in_callback = true;
	if (events & LOOP_READABLE)
		read_once(fs);
	if ((events & LOOP_HANGUP) && !fs->base.closing && !fs->reading && !fs->input_ended)
		on_hangup_while_paused(fs);
	if ((events & LOOP_GONE) && !fs->base.closing)
		end_output(fs, pending_error(fs));
	if ((events & LOOP_WRITABLE) && !fs->base.closing)
		tell_writable(fs);
	fs->in_callback = false;
	update(fs);
}

static void on_out_ready(struct loop_poll *poll, int events)
{
	struct fd_stream *fs = container_of(poll, struct fd_stream, out_poll);
	fs->in_callback = true;
	if (events & LOOP_GONE)
		end_output(fs, pending_error(fs));
	else
		tell_writable(fs);
	fs->in_callback = false;
	update(fs);
}

static uint64_t unsent(const struct fd_stream *fs)
{
	uint64_t acked;
	int unread = 0;
	if (fs->kind == FD_STREAM_TCP && tcp_acked(fs->out_fd, &acked) == 0) {
		acked -= fs->acked_base;
		return acked < fs->sent ? fs->sent - acked : 0;
	}
	/* What nobody has read from a pipe is lost with it, unless somebody keeps the pipe. */
	if (fs->out_is_pipe && !fs->unread_is_kept && ioctl(fs->out_fd, FIONREAD, &unread) == 0)
		return (uint64_t)unread;
	return 0;
}

static void on_gone(struct loop_task *task)
{
	struct fd_stream *fs = container_of(task, struct fd_stream, gone_task);
	fs->in_callback = true; /* there is nothing left to ask for */
	fs->base.sink->gone(fs->base.consumer, fs->failure, unsent(fs));
}

static void read_start(struct stream *stream)
{
	struct fd_stream *fs = of(stream);
	if (fs->input_ended)
		return;
	fs->reading = true;
	update(fs);
}

static void read_stop(struct stream *stream)
{
	struct fd_stream *fs = of(stream);
	fs->reading = false;
	update(fs);
}

static ssize_t put_to_socket(int fd, const struct iovec *iov, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
	ssize_t n;
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t put_to_file(int fd, const struct iovec *iov, int count)
{
	ssize_t n;
	do {
		n = writev(fd, iov, count);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct fd_stream *fs = of(stream);
	if (fs->output_dead)
		return fs->failure != 0 ? fs->failure : -EPIPE;
	if (fs->want_writable)
		return 0;
	ssize_t n = fs->put(fs->out_fd, iov, count);
	if (n < 0 && n != -EAGAIN) {
		end_output(fs, (int)n);
		update(fs);
		return n;
	}
	if (n < 0)
		n = 0;
	fs->sent += (size_t)n;
	if (n == 0 || (size_t)n < iov_total(iov, count)) {
		fs->want_writable = true;
		update(fs);
	}
	return n;
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void on_poll_closed(struct fd_stream *fs)
{
	if (--fs->closes_pending == 0)
		fs->base.on_closed(&fs->base);
}

static void on_in_closed(struct loop_poll *poll)
{
	on_poll_closed(container_of(poll, struct fd_stream, in_poll));
}

static void on_out_closed(struct loop_poll *poll)
{
	on_poll_closed(container_of(poll, struct fd_stream, out_poll));
}

static void close_stream(struct stream *stream)
{
	struct fd_stream *fs = of(stream);
	bool shared = is_shared(fs);
	loop_task_cancel(&fs->gone_task);
	if (fs->in_fd >= 0) {
		fs->closes_pending++;
		loop_poll_close(&fs->in_poll, on_in_closed);
		fd_close(fs->in_fd);
	}
	if (fs->out_fd >= 0 && !shared) {
		fs->closes_pending++;
		loop_poll_close(&fs->out_poll, on_out_closed);
		fd_close(fs->out_fd);
	}
	fs->in_fd = fs->out_fd = -1;
}

static const struct stream_ops fd_stream_ops = {
	.name = "fd",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_some,
	.signal = no_signal,
	.close = close_stream,
};

/* How bytes get out without a SIGPIPE; a socket that came as a file (stdin) is a socket. */
static int look_at_output(struct fd_stream *fs)
{
	struct stat st;
	if (fstat(fs->out_fd, &st) < 0)
		return -errno;
	fs->out_is_pipe = S_ISFIFO(st.st_mode);
	if (S_ISSOCK(st.st_mode)) {
		fs->put = put_to_socket;
		if (fs->kind == FD_STREAM_FILE && is_shared(fs))
			fs->kind = FD_STREAM_SOCKET;
	} else {
		fs->put = fs->out_is_pipe ? fd_writev_nosigpipe : put_to_file;
	}
	if (fs->kind == FD_STREAM_TCP)
		return tcp_acked(fs->out_fd, &fs->acked_base);
	return 0;
}

static int init_polls(struct fd_stream *fs, struct loop *loop)
{
	bool two = fs->in_fd >= 0 && fs->out_fd >= 0 && !is_shared(fs);
	/* Checked first, because a poll that was made cannot be unmade at once. */
	int rc = two ? loop_poll_check(loop, fs->out_fd) : 0;
	if (rc == 0 && fs->in_fd >= 0)
		rc = loop_poll_init(&fs->in_poll, loop, fs->in_fd, on_in_ready);
	if (rc < 0 || fs->out_fd < 0 || is_shared(fs))
		return rc;
	rc = loop_poll_init(&fs->out_poll, loop, fs->out_fd, on_out_ready);
	if (rc < 0 && two) {
		/* The check did not foresee it: an output that is dead from the start. */
		fd_close(fs->out_fd);
		fs->out_fd = -1;
		end_output(fs, rc);
		rc = 0;
	}
	return rc;
}

int fd_stream_init(struct fd_stream *fs, struct loop *loop, enum fd_stream_kind kind, int in_fd,
	int out_fd, void (*on_closed)(struct stream *stream))
{
	assert(in_fd >= 0 || out_fd >= 0);
	*fs = (struct fd_stream){.kind = kind, .in_fd = in_fd, .out_fd = out_fd};
	stream_init(&fs->base, &fd_stream_ops, on_closed);
	loop_task_init(&fs->gone_task, loop, on_gone);
	fs->input_ended = in_fd < 0;
	fs->output_dead = out_fd < 0;
	int rc = out_fd >= 0 ? look_at_output(fs) : 0;
	if (rc == 0)
		rc = init_polls(fs, loop);
	if (rc < 0)
		return rc;
	update(fs);
	return 0;
}
