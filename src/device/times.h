/*
 * When the guest's output came: pieces of the history, each with its first offset and the times of
 * its first and its last byte, so that "since ten minutes ago" is an offset.
 *
 * Bounded, and without memory until there is output. Output within a second is one piece. When
 * there is no room for one more, the two neighbours become one that are the closest together for
 * their age: what is recent is told to about a second, older times to a few hundredths of their
 * age. Whoever asks is never given less than there was.
 *
 * Pure: times are given, in milliseconds of the real-time clock. When it was set back, what came
 * before counts as having come just now at the latest.
 */
#ifndef CHARDEV_DEVICE_TIMES_H
#define CHARDEV_DEVICE_TIMES_H

#include <stddef.h>
#include <stdint.h>

enum {
	TIMES_MAX = 320,      /* pieces: 7.5 KiB */
	TIMES_PIECE_MS = 1000 /* a piece of its own begins after so long */
};

struct times_piece {
	uint64_t offset;
	int64_t first_ms;
	int64_t last_ms;
};

struct times {
	struct times_piece *pieces; /* TIMES_MAX, or NULL */
	size_t count;
	int64_t known_from_ms; /* what came up to then, nobody knows when */
};

/* Nothing is known of what came before `now_ms`. */
void times_init(struct times *times, int64_t now_ms);
void times_fini(struct times *times);

/*
 * Output has come, now, from `offset` on; offsets do not fall. Without memory nothing is known up
 * to now: it is tried again with the next output.
 */
void times_note(struct times *times, uint64_t offset, int64_t now_ms);

/* Pieces that lie wholly before `oldest` are forgotten. */
void times_forget(struct times *times, uint64_t oldest);

/* The first offset of what came at or after `time_ms`; 0 where that is not known, `head` if none
 * did. */
uint64_t times_since(const struct times *times, int64_t time_ms, uint64_t head);

#endif
