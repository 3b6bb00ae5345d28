/*
 * The index beside a log, FILE.idx: what happened where, so that the log itself holds the guest's
 * bytes and nothing else. Each file of a log has its own, which is rotated with it. One line a
 * mark, at most LOG_MARK_LINE_SIZE bytes, in the order of LOG-OFFSET:
 *
 *     LOG-OFFSET HISTORY-OFFSET TIME [WHAT]
 *
 * LOG-OFFSET is the place in this file; HISTORY-OFFSET that in all that the guest has written, "-"
 * where the log is not one device's or does not know; TIME is RFC 3339 in UTC with milliseconds.
 * WHAT is one of
 *
 *     (nothing)               the bytes from here on came at TIME
 *     start POSITION EPOCH    the first line: POSITION bytes of the log stand in all files before
 *     gap N                   N bytes of the guest's output are missing before this place
 *     connect NAME, disconnect NAME, vm-start, vm-stop
 *
 * Here stand the lines alone, and the file as a whole: reading its ends and adding to it. These
 * block: they are called on a thread.
 */
#ifndef CHARDEV_BACKEND_LOG_INDEX_H
#define CHARDEV_BACKEND_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LOG_MARK_WHAT_SIZE = 160,
	LOG_MARK_LINE_SIZE = 256,
	LOG_INDEX_LAST_LINES = 20,
};

#define LOG_MARK_NO_HISTORY UINT64_MAX

struct log_mark {
	uint64_t offset;  /* in the file */
	uint64_t history; /* LOG_MARK_NO_HISTORY: not known */
	int64_t time_ms;  /* of the real-time clock */
	char what[LOG_MARK_WHAT_SIZE];
};

/* Now, by the real-time clock. */
int64_t log_mark_now_ms(void);

/* WHAT of a mark: "KIND NAME" or, where the name is "", "KIND", of which control characters are
 * replaced and the end is cut. */
void log_mark_name(struct log_mark *mark, const char *kind, const char *name);

/* The line with its newline; returns its length. */
size_t log_mark_format(const struct log_mark *mark, char line[LOG_MARK_LINE_SIZE]);

/* A line of n bytes, without its newline. False: it is no mark. */
bool log_mark_parse(const char *line, size_t n, struct log_mark *ret);

/* Whether WHAT is "gap N", "start POSITION ..."; and N, POSITION. */
bool log_mark_is_gap(const struct log_mark *mark, uint64_t *ret_missed);
bool log_mark_is_start(const struct log_mark *mark, uint64_t *ret_position);

/* What an index says of its file as a whole. */
struct log_index_ends {
	uint64_t size;     /* of the index, whole lines alone */
	uint64_t position; /* of its first line */
	uint64_t last;     /* the greatest LOG-OFFSET, as the last line tells */
};

/*
 * Reads the first and the last line. `name` is the index's own, in the directory dir_fd. 0,
 * -ENODATA when it does not begin with "start" (so does one that is empty), or another negative
 * errno.
 */
int log_index_read_ends(int dir_fd, const char *name, struct log_index_ends *ret);

/*
 * How many bytes the gaps miss that stand at LOG-OFFSET `offset` or behind it, and end in the
 * history behind `history`; among the last LOG_INDEX_LAST_LINES lines. An index that is not there
 * tells of none. 0 or a negative errno.
 */
int log_index_missed(
	int dir_fd, const char *name, uint64_t offset, uint64_t history, uint64_t *ret);

/*
 * Adds text, all or none, behind the first `size` bytes; what stands there is half a line that a
 * kill left. Makes the file if it is missing. 0 or a negative errno.
 */
int log_index_add(int dir_fd, const char *name, uint64_t size, const char *text, size_t n);

#endif
