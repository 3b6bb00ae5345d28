/*
 * Viewers: peers whose streams tell offsets, so that they are told of gaps and may begin anywhere;
 * and where that is, by lines and by the clock.
 */
#include "device/device_internal.h"

#include <string.h>

/*
 * A viewer, or a file, is told of what it has missed before the next byte, and all at once where
 * one gap follows another. A stream that cannot carry it has nobody who counts offsets.
 */
void device_tell_gap(struct peer *peer)
{
	struct reader *reader = &peer->reader;
	const struct stream_signal gap = {.type = STREAM_SIGNAL_GAP, .u.gap = peer->untold_gap};
	if (peer->untold_gap == 0 || reader->ended || reader->waiting || reader->borrowed != 0)
		return;
	reader->waiting = stream_signal(peer->stream, &gap) == -EAGAIN;
	if (!reader->waiting)
		peer->untold_gap = 0;
}

/* Bytes that are not here any more when it begins are nobody's loss: it never asked for them. */
static uint64_t clamp_offset(const struct history *history, uint64_t offset)
{
	if (offset < history->oldest)
		return history->oldest;
	return offset < history->head ? offset : history->head;
}

void device_add_viewer(struct device *device, struct stream *stream, const struct peer_info *info,
	uint64_t offset, bool lossless)
{
	struct peer *peer;
	offset = clamp_offset(&device->history, offset);
	if (device->closing != CLOSE_NOT ||
		device_peer_new(device, stream, info, offset, &peer) < 0) {
		stream_close(stream);
		return;
	}
	if (lossless)
		peer->reader.policy = READER_BLOCK;
	device_welcome(peer);
}

/* ---- where to begin -------------------------------------------------------------------------- */

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
