/* Where a viewer begins: offsets in a device's history, by lines and by the clock. */
#include "device/device_internal.h"

#include <string.h>

/* Moves `*end` before the last newline in the part, which begins at `at`. False: there is none. */
static bool step_back(const struct iovec *part, uint64_t at, uint64_t *end)
{
	const char *start = part->iov_base;
	const char *newline = memrchr(start, '\n', (size_t)(*end - at));
	if (newline == NULL)
		return false;
	*end = at + (uint64_t)(newline - start);
	return true;
}

uint64_t device_offset_of_tail(const struct device *device, uint64_t lines)
{
	const struct history *history = &device->history;
	struct iovec parts[STREAM_MAX_PARTS];
	uint64_t end = history->head, at = history->head;
	if (lines == 0)
		return history->head;
	for (int i = history_peek(history, history->oldest, parts); i > 0; i--) {
		const struct iovec *part = &parts[i - 1];
		at -= part->iov_len;
		while (end > at && step_back(part, at, &end)) {
			bool begins_a_line = end + 1 < history->head;
			if (begins_a_line && --lines == 0)
				return end + 1;
		}
		end = at;
	}
	return history->oldest;
}

uint64_t device_offset_since(const struct device *device, int64_t time_ms)
{
	const struct history *history = &device->history;
	uint64_t offset = times_since(&device->times, time_ms, history->head);
	return offset > history->oldest ? offset : history->oldest;
}
