/* Marks that wait; see log_marks.h. */
#include "backend/log_marks.h"

#include <inttypes.h>
#include <stdio.h>

/* A gap whose bytes are added to an earlier one that it stands beside, or has no room beside. */
static void merge(struct log_mark *into, const struct log_mark *gap, uint64_t missed)
{
	uint64_t before = 0;
	bool is_gap = log_mark_is_gap(into, &before);
	if (!is_gap)
		into->offset = gap->offset;
	into->history = gap->history;
	snprintf(into->what, sizeof(into->what), "gap %" PRIu64, before + missed);
}

static struct log_mark *last_gap(struct log_marks *marks)
{
	uint64_t missed;
	for (unsigned i = marks->count; i > 0; i--)
		if (log_mark_is_gap(&marks->list[i - 1], &missed))
			return &marks->list[i - 1];
	return NULL;
}

void log_marks_add(struct log_marks *marks, const struct log_mark *mark)
{
	uint64_t missed;
	bool is_full = marks->count == LOG_MARKS_MAX;
	if (!log_mark_is_gap(mark, &missed)) {
		if (!is_full)
			marks->list[marks->count++] = *mark;
		return;
	}
	struct log_mark *gap = last_gap(marks);
	if (gap != NULL && (is_full || gap->offset == mark->offset))
		merge(gap, mark, missed);
	else if (is_full)
		merge(&marks->list[LOG_MARKS_MAX - 1], mark, missed);
	else
		marks->list[marks->count++] = *mark;
}

void log_marks_put_back(struct log_marks *marks, const struct log_marks *older)
{
	struct log_marks newer = *marks;
	*marks = *older;
	for (unsigned i = 0; i < newer.count; i++)
		log_marks_add(marks, &newer.list[i]);
}
