/*
 * Finds its way among the files of a log: which of them has what place, where the last lines or a
 * time begin. Places count the log's bytes from its first one on: each index says where its file
 * begins, and a file without one lies between its neighbours. Blocks: called on one thread at a
 * time; the log may be rotated meanwhile.
 */
#ifndef CHARDEV_BACKEND_LOG_CATALOG_H
#define CHARDEV_BACKEND_LOG_CATALOG_H

#include "backend/log_source.h"

#include <stdatomic.h>

struct log_catalog {
	struct log_files files; /* for names and the directory alone */
	bool ready;             /* the directory was there */
	const atomic_bool *cancelled;
};

/* Opens nothing. `cancelled` makes what takes long end early, with -ECANCELED. */
int log_catalog_init(struct log_catalog *catalog, const char *path, const atomic_bool *cancelled);
void log_catalog_fini(struct log_catalog *catalog);

/*
 * Opens the file that has what comes at `place`, at the byte of that place or, if that is gone, at
 * the first one after it: source->start + source->offset says which. -ENOENT: there is no file at
 * all. With nothing after `place`, the newest file, at its end.
 */
int log_catalog_open(struct log_catalog *catalog, uint64_t place, struct log_source *source);

/* Whether there is a FILE. */
bool log_catalog_has_current(const struct log_catalog *catalog);

/* Where the last `lines` lines begin; an unfinished one counts. */
int log_catalog_tail(struct log_catalog *catalog, uint64_t lines, uint64_t *ret);

/* Where what came at or after that time begins. */
int log_catalog_since(struct log_catalog *catalog, int64_t time_ms, uint64_t *ret);

#endif
