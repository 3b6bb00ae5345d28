/* Marks that wait; see log_marks.h. */
#include "backend/log_marks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void insert(struct log_marks *marks, const struct log_mark *mark)
{
	unsigned at = marks->count++;
	for (; at > 0 && marks->list[at - 1].offset > mark->offset; at--)
		marks->list[at] = marks->list[at - 1];
	marks->list[at] = *mark;
}

static struct log_mark *last_gap(struct log_marks *marks)
{
	uint64_t missed;
	for (unsigned i = marks->count; i > 0; i--)
		if (log_mark_is_gap(&marks->list[i - 1], &missed))
			return &marks->list[i - 1];
	return NULL;
}

/* Into an earlier gap that this one stands beside, or has no room beside. */
static void merge(struct log_mark *into, const struct log_mark *gap, uint64_t missed)
{
	uint64_t before = 0;
	log_mark_is_gap(into, &before);
	into->history = gap->history;
	snprintf(into->what, sizeof(into->what), "gap %" PRIu64, before + missed);
}

/* The bytes that are missing are those before what waits behind. */
static void close_up(struct log_marks *marks, uint64_t offset, uint64_t missed)
{
	for (unsigned i = 0; i < marks->count; i++) {
		struct log_mark *mark = &marks->list[i];
		if (mark->offset > offset)
			mark->offset =
				mark->offset - offset > missed ? mark->offset - missed : offset;
	}
}

static void add_gap(struct log_marks *marks, const struct log_mark *mark, uint64_t missed)
{
	bool is_full = marks->count == LOG_MARKS_MAX;
	struct log_mark *gap = last_gap(marks);
	if (gap != NULL && (is_full || gap->offset == mark->offset)) {
		merge(gap, mark, missed);
		return;
	}
	if (is_full)
		marks->count--;
	insert(marks, mark);
}

void log_marks_add(struct log_marks *marks, const struct log_mark *mark)
{
	uint64_t missed;
	if (log_mark_is_gap(mark, &missed)) {
		close_up(marks, mark->offset, missed);
		add_gap(marks, mark, missed);
	} else if (marks->count < LOG_MARKS_MAX) {
		insert(marks, mark);
	}
}

bool log_marks_is_due(const struct log_marks *marks, uint64_t offset)
{
	return marks->count > 0 && marks->list[0].offset <= offset;
}

void log_marks_take_due(struct log_marks *marks, uint64_t offset, struct log_marks *ret)
{
	unsigned n = 0;
	while (n < marks->count && marks->list[n].offset <= offset)
		n++;
	memcpy(ret->list, marks->list, n * sizeof(*ret->list));
	ret->count = n;
	marks->count -= n;
	memmove(marks->list, marks->list + n, marks->count * sizeof(*marks->list));
}

void log_marks_move(struct log_marks *marks, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < marks->count; i++) {
		struct log_mark *mark = &marks->list[i];
		mark->offset = to + (mark->offset > from ? mark->offset - from : 0);
	}
}

void log_marks_put_back(struct log_marks *marks, const struct log_marks *older)
{
	struct log_marks newer = *marks;
	*marks = *older;
	for (unsigned i = 0; i < newer.count; i++)
		log_marks_add(marks, &newer.list[i]);
}
