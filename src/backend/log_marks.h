/*
 * Marks of a log that wait to be written into its index, in the order of their places in FILE,
 * which may be ahead of what FILE has; see log_writer.h for what gets lost.
 */
#ifndef CHARDEV_BACKEND_LOG_MARKS_H
#define CHARDEV_BACKEND_LOG_MARKS_H

#include "backend/log_index.h"

enum { LOG_MARKS_MAX = 16 };

/* Zeroed is empty. */
struct log_marks {
	struct log_mark list[LOG_MARKS_MAX];
	unsigned count;
};

/* A gap: what stands behind it comes that much earlier. */
void log_marks_add(struct log_marks *marks, const struct log_mark *mark);

/* Whether there is one at that place or before it; and takes all of these. */
bool log_marks_is_due(const struct log_marks *marks, uint64_t offset);
void log_marks_take_due(struct log_marks *marks, uint64_t offset, struct log_marks *ret);

/* What was to stand at `from` in FILE stands at `to`, for another one has taken its place. */
void log_marks_move(struct log_marks *marks, uint64_t from, uint64_t to);

/* Puts those of `older` before the others. */
void log_marks_put_back(struct log_marks *marks, const struct log_marks *older);

#endif
