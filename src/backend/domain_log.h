/*
 * The domain's log file, which all stdio devices of a domain share. Lines of different devices are
 * never torn: while more than one stream is open, each one's unfinished line is held back (in
 * memory, so that its device need not offer it again) until it is whole; one longer than
 * DOMAIN_LOG_MAX_LINE is cut by a newline. A single stream's bytes go into the file at once. What
 * is held when a stream closes is written.
 *
 * One write is in flight at a time, off the loop. Owned by whoever serves the domain; outlives the
 * streams on it.
 */
#ifndef CHARDEV_BACKEND_DOMAIN_LOG_H
#define CHARDEV_BACKEND_DOMAIN_LOG_H

#include "loop/loop.h"
#include "stream/stream.h"
#include "util/error.h"

enum { DOMAIN_LOG_MAX_LINE = 16 * 1024 };

struct domain_log;

/*
 * Opens `path` for appending (made with mode 0600 if missing; not through a symbolic link; a
 * regular file only) when the first stream is made, not before: a domain without stdio devices
 * leaves no file.
 */
int domain_log_new(struct loop *loop, const char *path, struct domain_log **ret, struct error *err);
const char *domain_log_path(const struct domain_log *log);

/*
 * A stream on it, output only; ended with stream_close(), then on_closed, then freed by the maker,
 * who is `owner`.
 */
int domain_log_stream_new(struct domain_log *log, void *owner,
	void (*on_closed)(struct stream *stream), struct stream **ret, struct error *err);
void *domain_log_stream_owner(const struct stream *stream);
void domain_log_stream_free(struct stream *stream);

/* All streams must be closed before. */
struct domain_log *domain_log_free(struct domain_log *log);

#endif
