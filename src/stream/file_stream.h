/*
 * An output-only stream onto a descriptor whose write(2) may block: a regular file, a parallel
 * port. Each write borrows the caller's memory and runs on a thread of the loop, one at a time, so
 * that a slow disk stops nobody but its own reader and small writes gather while one runs.
 *
 * A write that fails (or for which no thread could be had) reports how far it came; the stream
 * stays usable (a full disk may empty). Input never comes; `gone` comes only after an error that
 * `is_fatal` says ends the device.
 */
#ifndef CHARDEV_STREAM_FILE_STREAM_H
#define CHARDEV_STREAM_FILE_STREAM_H

#include "loop/loop.h"
#include "stream/stream.h"

enum { FILE_STREAM_MAX_WRITE = 256 * 1024 }; /* bytes borrowed at a time */

struct file_stream {
	struct stream base;
	struct loop *loop;
	struct loop_job job;
	struct loop_task not_started;
	struct loop_task close_task;
	int fd; /* owned */
	struct iovec iov[STREAM_MAX_PARTS];
	int iov_count;
	size_t done;
	int failure;
	int64_t size; /* of the file, after the last write; -1: unknown */
	int dead;     /* the fatal error that came */
	bool in_flight;
	bool want_writable;
	bool (*is_fatal)(int code); /* NULL: no error is */
};

/* Takes over fd on success (closed before on_closed). 0 or a negative errno. */
int file_stream_init(struct file_stream *fs, struct loop *loop, int fd,
	void (*on_closed)(struct stream *stream));

#endif
