/* Marks of a log that wait to be written into its index; see log_writer.h for what gets lost. */
#ifndef CHARDEV_BACKEND_LOG_MARKS_H
#define CHARDEV_BACKEND_LOG_MARKS_H

#include "backend/log_index.h"

enum { LOG_MARKS_MAX = 16 };

/* Zeroed is empty. */
struct log_marks {
	struct log_mark list[LOG_MARKS_MAX];
	unsigned count;
};

void log_marks_add(struct log_marks *marks, const struct log_mark *mark);

/* Puts those of `older` before the others. */
void log_marks_put_back(struct log_marks *marks, const struct log_marks *older);

#endif
