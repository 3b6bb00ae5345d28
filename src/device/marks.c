/* The guest's signals in their place; see marks.h. */
#include "device/marks.h"

#include <errno.h>
#include <stdlib.h>

void marks_fini(struct marks *marks)
{
	free(marks->ring);
	*marks = (struct marks){0};
}

int marks_add(struct marks *marks, uint64_t offset, const struct stream_signal *signal)
{
	if (marks->ring == NULL && (marks->ring = calloc(MARKS_MAX, sizeof(*marks->ring))) == NULL)
		return -ENOMEM;
	marks->ring[marks->count++ % MARKS_MAX] = (struct mark){offset, *signal};
	return 0;
}

const struct mark *marks_next(const struct marks *marks, uint64_t offset, uint64_t *number)
{
	if (marks->count > MARKS_MAX && *number < marks->count - MARKS_MAX)
		*number = marks->count - MARKS_MAX;
	for (; *number < marks->count; ++*number) {
		const struct mark *mark = &marks->ring[*number % MARKS_MAX];
		if (mark->offset >= offset)
			return mark;
	}
	return NULL;
}
