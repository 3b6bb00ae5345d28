/*
 * A serial line as a stream: a layer over a tty's descriptor that takes BREAKs out of the input
 * (the line marks them, tty_line.h) and puts them on the line among the output, as it does
 * with the settings that the guest has made.
 */
#ifndef CHARDEV_BACKEND_TTY_STREAM_H
#define CHARDEV_BACKEND_TTY_STREAM_H

#include "stream/fd_stream.h"
#include "stream/parmrk_codec.h"
#include "stream/stream.h"

struct tty_stream {
	struct stream base;
	struct loop *loop;
	struct fd_stream lower;
	int fd; /* borrowed; the lower stream has a duplicate */
	struct parmrk_decoder decoder;
	uint8_t staged[4096]; /* as read; a tty gives no more at once */
	size_t staged_at;
	size_t staged_end;
	struct loop_task deliver_task;
	bool reading;
	bool hung_up;
	bool told_gone;
	int reason;
	struct loop_job control_job;
	struct stream_signal control; /* a BREAK or settings, */
	bool controlling; /* on its way to the line: it waits for the output before it */
	bool keeps_line;  /* settings are not followed: the owner has set the line */
	bool want_writable;
	bool lower_closed;
};

/*
 * `fd` stays the caller's, open until on_closed. A tty that hangs up is `gone`, with a failure: it
 * has no half-close. 0 or a negative errno.
 */
int tty_stream_init(
	struct tty_stream *ts, struct loop *loop, int fd, void (*on_closed)(struct stream *stream));

#endif
