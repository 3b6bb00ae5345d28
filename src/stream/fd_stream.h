/*
 * A stream on a descriptor that the loop can poll: sockets, FIFOs, ttys, terminals. Reads and
 * writes are readv(2)/writev(2) (sendmsg with MSG_NOSIGNAL on sockets), one per readiness event.
 *
 * Not for regular files and blocking devices: file_stream.h. Nor for a pty master, whose peers
 * come and go: backend/pty.c.
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
	enum fd_stream_kind kind;
	int in_fd;  /* -1: no input (end_of_input is not reported then) */
	int out_fd; /* -1: no output; may equal in_fd */
	bool reading;
	bool input_ended;
	bool output_dead;
	bool want_writable;
	bool hangup_seen;
	int failure;         /* the first error seen, for `gone` */
	uint64_t sent;       /* bytes taken, and */
	uint64_t acked_base; /* TCP's tcpi_bytes_acked at the start, for `unsent` */
	int closes_pending;
};

/*
 * Takes over the descriptors on success (closed before on_closed); both non-blocking. The stream
 * is embedded in its maker's object. 0 or a negative errno.
 */
int fd_stream_init(struct fd_stream *fs, struct loop *loop, enum fd_stream_kind kind, int in_fd,
	int out_fd, void (*on_closed)(struct stream *stream));

#endif
