/*
 * The index beside a raw log, FILE.idx: what happened where, so that the log itself holds the
 * guest's bytes and nothing else. One line a mark:
 *
 *     LOG-OFFSET HISTORY-OFFSET TIME WHAT
 *
 * TIME is RFC 3339 in UTC with milliseconds. WHAT is "gap N": N bytes of the guest's output are
 * missing before LOG-OFFSET. The file is made with its first mark and written off the loop.
 */
#ifndef CHARDEV_DEVICE_LOG_INDEX_H
#define CHARDEV_DEVICE_LOG_INDEX_H

#include "loop/loop.h"

#include <stdint.h>

enum { LOG_INDEX_MAX_PENDING = 64 };

struct log_index;

/* `path` is the log's own; ".idx" is added. NULL: no memory. */
struct log_index *log_index_new(struct loop *loop, const char *path);

/*
 * Marks a gap. While the file cannot be written (its disk is full, as the log's) marks wait, at
 * most LOG_INDEX_MAX_PENDING; gaps at one place, and those beyond the limit, become one.
 */
void log_index_gap(
	struct log_index *index, uint64_t log_offset, uint64_t history_offset, uint64_t missed);

/* Tries again to write what waits: the log could be written, so its disk has space again. */
void log_index_flush(struct log_index *index);

/* Releases one that was never used; takes NULL. */
void log_index_free(struct log_index *index);

/* Writes what can be written; `closed` once, later, with the index freed. */
void log_index_close(struct log_index *index, void (*closed)(void *user), void *user);

#endif
