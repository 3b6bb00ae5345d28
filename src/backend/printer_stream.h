/*
 * Output to a parallel port: byte writes on a thread, as file_stream.h does them, to a device that
 * says "not now" (a printer that is busy, off line or out of paper) in several ways and cannot be
 * polled for readiness. A write waits for the printer however long that takes; closing ends the
 * wait.
 */
#ifndef CHARDEV_BACKEND_PRINTER_STREAM_H
#define CHARDEV_BACKEND_PRINTER_STREAM_H

#include "loop/loop.h"
#include "stream/stream.h"

#include <stdatomic.h>

struct printer_stream {
	struct stream base;
	struct loop *loop;
	int fd; /* borrowed */
	struct loop_job job;
	struct loop_task task; /* ends a write that found no thread, or the close */
	struct iovec iov[STREAM_MAX_PARTS];
	int iov_count;
	size_t done;
	int failure;
	bool in_flight;
	bool want_writable;
	bool told_gone;
	atomic_bool stop; /* read by the thread */
};

/* `fd` stays the caller's, open until on_closed. */
void printer_stream_init(struct printer_stream *ps, struct loop *loop, int fd,
	void (*on_closed)(struct stream *stream));

#endif
