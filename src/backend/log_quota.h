/*
 * How many bytes all logs may take, for the host and for each domain: rotated files, compressed or
 * not, those being written, and their indexes. The files of other programs do not count.
 *
 * When a limit is passed, the oldest rotated file of those concerned is deleted; when there are
 * none left, the longest file that is being written is. Deleting is done by each log's own jobs:
 * until it has happened a limit may be passed by what is written meanwhile, and a log whose disk
 * hangs keeps what it has. A file that is being compressed stands there twice until that is done,
 * and counts once.
 */
#ifndef CHARDEV_BACKEND_LOG_QUOTA_H
#define CHARDEV_BACKEND_LOG_QUOTA_H

#include "util/list.h"

#include <stdbool.h>
#include <stdint.h>

/* Of the host; 0: no limit. NULL: no memory. */
struct log_quota *log_quota_new(uint64_t host_limit, uint64_t domain_limit);
/* New limits, from now on. */
void log_quota_limit(struct log_quota *quota, uint64_t host_limit, uint64_t domain_limit);
uint64_t log_quota_bytes(const struct log_quota *quota);
/* Every domain must have been given back before. Takes and returns NULL. */
struct log_quota *log_quota_free(struct log_quota *quota);

/* A domain's part of it, for its logs; each call is to be given back. NULL: no memory. */
struct log_share *log_quota_domain(struct log_quota *quota, const char *name);
uint64_t log_share_bytes(const struct log_share *share);
struct log_share *log_share_free(struct log_share *share);

/* What one log has on disk, as it was seen last. */
struct log_usage {
	uint64_t bytes;    /* of all files */
	uint64_t current;  /* of these: of the one that is being written */
	uint64_t oldest;   /* and of the oldest rotated one, about */
	int64_t oldest_ms; /* when that was written last */
	bool has_rotated;
};

/* One log's place in its share; embedded in its owner. */
struct log_quota_member {
	struct list link;
	struct log_share *share; /* NULL: nobody counts */
	struct log_usage usage;
	uint64_t releasing; /* bytes that it was asked to delete */
	bool asked;
	bool unable; /* it could not; until it says something new */
	/*
	 * Delete the oldest rotated file, or if there is none the current one. Answered later with
	 * log_quota_released(). May be called while the owner calls one of the functions below.
	 */
	void (*release)(struct log_quota_member *member);
};

void log_quota_join(struct log_quota_member *member, struct log_share *share);
void log_quota_leave(struct log_quota_member *member);
/* As it is now: something was written or rotated. */
void log_quota_update(struct log_quota_member *member, const struct log_usage *usage);
/* That many bytes are about to be written: room is asked for, of this log or of others. */
void log_quota_reserve(struct log_quota_member *member, uint64_t bytes);
/* What was asked for is done; failed: not, and would not now. */
void log_quota_released(
	struct log_quota_member *member, const struct log_usage *usage, bool failed);

#endif
