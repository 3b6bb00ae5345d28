/*
 * The guest's signals (a BREAK, new settings of its line) in their place in the history: each has
 * the offset of the byte that it stands before. A reader passes them on as it comes by.
 *
 * Bounded: the oldest make room for new ones, so that a reader which is more than MARKS_MAX behind
 * misses some, but never the last. A device whose guest never signals has no memory for them.
 */
#ifndef CHARDEV_DEVICE_MARKS_H
#define CHARDEV_DEVICE_MARKS_H

#include "stream/stream.h"

#include <stdint.h>

enum { MARKS_MAX = 64 };

struct mark {
	uint64_t offset;
	struct stream_signal signal;
};

/* Zeroed is empty. Marks are numbered from 0 on. */
struct marks {
	struct mark *ring; /* MARKS_MAX, or NULL */
	uint64_t count;    /* so far; the last MARKS_MAX of them are here */
};

void marks_fini(struct marks *marks);

/* 0 or -ENOMEM. Offsets do not fall. */
int marks_add(struct marks *marks, uint64_t offset, const struct stream_signal *signal);

/*
 * The next mark for a reader that has passed those below *number and stands at `offset`: what it
 * has skipped over is left out. Moves *number to the mark; NULL: there is none yet.
 */
const struct mark *marks_next(const struct marks *marks, uint64_t offset, uint64_t *number);

#endif
