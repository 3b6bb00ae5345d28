/*
 * A stream onto a log (log_writer.h), output only: what a device's raw log and <serial type='file'>
 * are. Each write borrows the caller's memory. A write that fails reports how far it came, and the
 * stream stays usable: a full disk may empty, a directory that was deleted may come back. Input
 * never comes, and neither does `gone`. A STREAM_SIGNAL_GAP is a mark in the index.
 */
#ifndef CHARDEV_BACKEND_LOG_STREAM_H
#define CHARDEV_BACKEND_LOG_STREAM_H

#include "backend/log_writer.h"
#include "stream/stream.h"

struct log_stream {
	struct stream base;
	struct log_writer *writer;
	const struct log_writer_owner *owner;
	void *user; /* the owner's */
	bool in_flight;
	bool want_writable;
};

/*
 * As log_writer_new(): of params->owner, `written` and `closed` are not called. After on_closed the
 * memory is the maker's.
 */
int log_stream_init(struct log_stream *log, const struct log_writer_params *params,
	void (*on_closed)(struct stream *stream), struct error *err);

#endif
