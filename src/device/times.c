/* When the guest's output came; see times.h. */
#include "device/times.h"

#include <stdlib.h>
#include <string.h>

void times_init(struct times *times, int64_t now_ms)
{
	*times = (struct times){.known_from_ms = now_ms};
}

void times_fini(struct times *times)
{
	free(times->pieces);
	*times = (struct times){0};
}

static void remove_pieces(struct times *times, size_t at, size_t n)
{
	struct times_piece *place = &times->pieces[at];
	memmove(place, place + n, (times->count - at - n) * sizeof(*place));
	times->count -= n;
}

/* How close together a piece and the one after it are, for their age: the smaller, the closer. */
static double distance(const struct times_piece *piece, int64_t now_ms)
{
	double age = (double)(now_ms - piece[1].last_ms) + TIMES_PIECE_MS;
	return (double)(piece[1].last_ms - piece[0].first_ms) / age;
}

/* Two neighbours become one. */
static void make_room(struct times *times, int64_t now_ms)
{
	size_t closest = 0;
	for (size_t i = 1; i + 1 < times->count; i++)
		if (distance(&times->pieces[i], now_ms) < distance(&times->pieces[closest], now_ms))
			closest = i;
	times->pieces[closest].last_ms = times->pieces[closest + 1].last_ms;
	remove_pieces(times, closest + 1, 1);
}

/* The clock was set back: nothing came later than now. */
static void set_back(struct times *times, int64_t now_ms)
{
	if (times->known_from_ms > now_ms)
		times->known_from_ms = now_ms;
	for (size_t i = times->count; i > 0; i--) {
		struct times_piece *piece = &times->pieces[i - 1];
		if (piece->last_ms <= now_ms)
			break;
		piece->last_ms = now_ms;
		if (piece->first_ms > now_ms)
			piece->first_ms = now_ms;
	}
}

void times_note(struct times *times, uint64_t offset, int64_t now_ms)
{
	if (times->pieces == NULL)
		times->pieces = malloc(TIMES_MAX * sizeof(*times->pieces));
	if (times->pieces == NULL) {
		times->known_from_ms = now_ms;
		return;
	}
	struct times_piece *pieces = times->pieces;
	set_back(times, now_ms);
	struct times_piece *last = times->count > 0 ? &pieces[times->count - 1] : NULL;
	if (last != NULL && now_ms - last->first_ms < TIMES_PIECE_MS) {
		last->last_ms = now_ms;
		return;
	}
	if (times->count == TIMES_MAX)
		make_room(times, now_ms);
	pieces[times->count++] = (struct times_piece){offset, now_ms, now_ms};
}

void times_forget(struct times *times, uint64_t oldest)
{
	size_t n = 0;
	while (n + 1 < times->count && times->pieces[n + 1].offset <= oldest)
		n++;
	if (n > 0)
		remove_pieces(times, 0, n);
}

uint64_t times_since(const struct times *times, int64_t time_ms, uint64_t head)
{
	if (time_ms <= times->known_from_ms)
		return 0;
	/* Half of the pieces are before it, or not: they are in order. */
	size_t from = 0, to = times->count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (times->pieces[middle].last_ms < time_ms)
			from = middle + 1;
		else
			to = middle;
	}
	return from < times->count ? times->pieces[from].offset : head;
}
