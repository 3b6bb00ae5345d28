/*
 * A stream on a descriptor that the loop can poll: sockets, FIFOs, ttys, terminals. Reads and
 * writes are readv(2)/writev(2) (sendmsg with MSG_NOSIGNAL on sockets), one per readiness event.
 *
 * Not for regular files and blocking devices: file_stream.h. Nor for a pty master, whose peers
 * come and go: backend/pty_stream.c.
 */
#ifndef CHARDEV_STREAM_FD_STREAM_H
#define CHARDEV_STREAM_FD_STREAM_H

#include "loop/loop.h"
#include "stream/stream.h"

enum fd_stream_kind {
	FD_STREAM_SOCKET, /* stream socket: half-close, MSG_NOSIGNAL */
	FD_STREAM_TCP,    /* likewise; `gone` knows the unacknowledged bytes */
	FD_STREAM_FILE,   /* read(2)/write(2): a tty, a terminal, the end of a pipe */
	FD_STREAM_KIND_COUNT
};

struct fd_stream {
	struct stream base;
	struct loop_poll in_poll; /* also for output when both directions share a descriptor */
	struct loop_poll out_poll;
	struct loop_task gone_task;
	enum fd_stream_kind kind;
	int in_fd;  /* -1: no input (end_of_input is not reported then) */
	int out_fd; /* -1: no output; may equal in_fd */
	ssize_t (*put)(int fd, const struct iovec *iov, int count);
	bool out_is_pipe;
	bool unread_is_kept; /* set by a maker that keeps the pipe for its next reader */
	bool ends_together;  /* set by a maker to whom the end of input is the end of both ways */
	bool in_callback;
	bool reading;
	bool input_ended;
	bool output_dead;
	bool want_writable;
	bool hangup_seen;    /* while paused, with input unread: ask no more */
	int failure;         /* the first error seen, for `gone` */
	uint64_t sent;       /* bytes taken, and */
	uint64_t acked_base; /* TCP's tcpi_bytes_acked at the start, for `unsent` */
	int closes_pending;
};

/*
 * Takes over the descriptors on success (closed before on_closed) and makes them non-blocking. The
 * stream is embedded in its maker's object. 0 or a negative errno (-EPERM: a regular file or
 * another descriptor that cannot be polled, such as /dev/null).
 *
 * End: `gone` comes when every direction that there is has ended. A socket's output survives the
 * end of its input, unless `ends_together`; a tty's (in_fd == out_fd, FD_STREAM_FILE) does not. A
 * TCP peer that closed looks like one that shut down its half, until something is written to it.
 */
int fd_stream_init(struct fd_stream *fs, struct loop *loop, enum fd_stream_kind kind, int in_fd,
	int out_fd, void (*on_closed)(struct stream *stream));

#endif
