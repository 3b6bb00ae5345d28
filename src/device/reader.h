/*
 * A reader: an offset into a history, a stream that takes the bytes from there, and a policy that
 * says how long it may hold up the guest.
 *
 * The bytes go directly out of the ring. What a reader has no room for stays in the ring; when the
 * ring is full the policy decides. It does not know where its stream leads, nor other readers.
 */
#ifndef CHARDEV_DEVICE_READER_H
#define CHARDEV_DEVICE_READER_H

#include "device/history.h"
#include "device/marks.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stdint.h>

enum reader_policy {
	READER_BLOCK, /* the guest waits until this reader has taken its bytes */
	READER_DROP,  /* the guest waits at most `patience_ms` since the reader last caught up */
	READER_FILE,  /* the guest waits, unless one write takes over `patience_ms` or failed */
	READER_POLICY_COUNT
};

struct reader {
	struct history *history;
	const struct marks *marks;
	struct stream *stream;
	enum reader_policy policy;
	uint32_t patience_ms;

	uint64_t offset;   /* the next byte to give */
	uint64_t mark;     /* the number of the next mark to pass on */
	uint64_t borrowed; /* bytes from offset on that the stream has borrowed */
	bool waiting;      /* the stream said "not now": wait for `writable` */
	bool ended;        /* its output direction is dead */

	uint64_t held_ms; /* how long it has held up the guest since it last caught up */
	bool failing;     /* READER_FILE: the last write failed or takes too long */

	uint64_t taken;   /* counters: bytes given, */
	uint64_t dropped; /* bytes it missed, */
	uint64_t gaps;    /* and in how many gaps */
};

/* The marks at `offset` are for it too, unless that is the head: then it comes after them. */
void reader_init(struct reader *reader, struct history *history, const struct marks *marks,
	struct stream *stream, enum reader_policy policy, uint32_t patience_ms, uint64_t offset);

/*
 * Gives the stream what it takes now, and the marks in between. Returns how many bytes were taken
 * (0: none), or a negative errno when the output direction has died; STREAM_BORROWED is not an
 * error here and gives 0.
 */
ssize_t reader_pump(struct reader *reader);

/* The borrowed memory came back: `done` bytes of it were written. */
void reader_written(struct reader *reader, size_t done);

/* The oldest offset that must not be overwritten for this reader's sake; UINT64_MAX: none. */
uint64_t reader_holds(const struct reader *reader);

/* Whether it has taken everything there is. */
bool reader_is_caught_up(const struct reader *reader);

/*
 * Called after the history moved on: if bytes at the reader's offset were overwritten, it skips to
 * half a ring before the head and returns exactly how many bytes it missed (0: none).
 */
uint64_t reader_skip_lost(struct reader *reader);

/*
 * Nothing more will be taken, a write under way counts as failed: returns how many bytes the reader
 * misses (0: none), and it stands at the head.
 */
uint64_t reader_give_up(struct reader *reader);

#endif
