/*
 * The domain's log file, which all stdio devices of a domain share. Lines of different devices are
 * never torn: while more than one stream is open, each one's unfinished line is held back (in
 * memory, so that its device need not offer it again) until it is whole; one longer than
 * DOMAIN_LOG_MAX_LINE is cut by a newline. A single stream's bytes go into the file at once. What
 * is held when a stream closes is written.
 *
 * It is rotated as any log (log_writer.h), by what the domain's first stdio device with
 * <chardev:log> says; a line is torn then only if it is long. One write is in flight at a time, off
 * the loop. Owned by whoever serves the domain; outlives the streams on it.
 */
#ifndef CHARDEV_BACKEND_DOMAIN_LOG_H
#define CHARDEV_BACKEND_DOMAIN_LOG_H

#include "backend/log_writer.h"
#include "loop/loop.h"
#include "stream/stream.h"
#include "util/error.h"

enum { DOMAIN_LOG_MAX_LINE = 16 * 1024 };

struct domain_log;

struct domain_log_params {
	struct loop *loop;
	const char *path;
	struct log_limits limits;
	struct log_share *share; /* NULL: no quota */
};

/* What the document says of it, or the defaults. */
struct log_limits domain_log_limits(const struct domain *domain);

/*
 * Opens the file for appending (made with mode 0600 if missing; not through a symbolic link; a
 * regular file only) when the first stream is made, not before: a domain without stdio devices
 * leaves no file.
 */
int domain_log_new(
	const struct domain_log_params *params, struct domain_log **ret, struct error *err);
const char *domain_log_path(const struct domain_log *log);

struct domain_log_owner {
	/* Something beside a write failed: a clause to stand behind the path. */
	void (*trouble)(void *user, int code, const char *clause);
};

/*
 * A stream on it, output only; ended with stream_close(), then on_closed, then freed by the maker,
 * who is `user`. -EBUSY while the file is being closed, before the last stream's on_closed.
 */
int domain_log_stream_new(struct domain_log *log, const struct domain_log_owner *owner, void *user,
	void (*on_closed)(struct stream *stream), struct stream **ret, struct error *err);
void *domain_log_stream_owner(const struct stream *stream);
void domain_log_stream_free(struct stream *stream);

/* The file is opened anew at its path: somebody has moved it. */
void domain_log_reopen(struct domain_log *log);

/* All streams must be closed before. */
struct domain_log *domain_log_free(struct domain_log *log);

#endif
