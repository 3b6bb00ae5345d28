/*
 * The history: a device's ring of guest output, addressed by absolute 64-bit offsets that never
 * repeat and never move back within an epoch. A new ring is a new epoch.
 *
 * It knows memory and offsets, nothing of readers, policies or streams: the device decides how far
 * old bytes may be overwritten. The memory is a file in the domain's runtime directory (or an
 * anonymous one), mapped once at its full size; pages are allocated as the ring grows, 64 KiB at
 * first and doubling up to `size`, before its first wrap only. An idle device costs no page.
 */
#ifndef CHARDEV_DEVICE_HISTORY_H
#define CHARDEV_DEVICE_HISTORY_H

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	HISTORY_DEFAULT_SIZE = 1024 * 1024,
	HISTORY_MIN_SIZE = 4096,
	HISTORY_FIRST_SIZE = 64 * 1024,
};
#define HISTORY_MAX_SIZE ((uint64_t)1024 * 1024 * 1024)

struct history {
	char *memory;       /* mapping of `size` bytes, of which `capacity` are allocated */
	size_t size;        /* configured, a power of two */
	size_t capacity;    /* allocated: 0, or a power of two up to size */
	uint64_t head;      /* the offset of the next byte to come */
	uint64_t oldest;    /* the offset of the oldest byte still here */
	bool fixed;         /* cannot grow any more: wrapped, or memory was refused */
	int growth_failure; /* the errno (negative) that fixed a ring below its size, else 0 */
	int fd;
};

/*
 * A ring of `size` bytes (rounded up to a power of two within the limits above). `path`: a file
 * made for it, or taken over when `head` is not 0 (after a crash: its bytes up to `head` count,
 * with `capacity` as it was); NULL: anonymous memory. 0, or a negative errno and a sentence.
 */
int history_open(struct history *history, uint64_t size, const char *path, uint64_t head,
	size_t capacity, struct error *err);

/* Releases memory and descriptor; the file stays (its owner unlinks it). A zeroed one is ignored.
 */
void history_close(struct history *history);

/*
 * Where the next bytes go: at most `limit` bytes, in up to two parts, growing the ring if that
 * is possible. Returns how many parts, 0 when limit is 0. Bytes that history_commit() then covers
 * overwrite the oldest: the caller has checked with its readers.
 */
int history_space(struct history *history, size_t limit, struct iovec iov[2]);

/* n bytes came into that space: head moves forward, and oldest where they were overwritten. */
void history_commit(struct history *history, size_t n);

/* The bytes from `offset` (oldest <= offset <= head) to head, in up to two parts: how many. */
int history_peek(const struct history *history, uint64_t offset, struct iovec iov[2]);

/* One byte's place, head included: where a witness is left. NULL while nothing is allocated. */
unsigned char *history_at(struct history *history, uint64_t offset);

/*
 * Moves the ring to other memory, leaving `old` (the mapping and its bytes) to a borrower who does
 * not give it back: a disk that hangs must not pin the ring. The caller unmaps old (size bytes)
 * when the borrower is done. 0 or a negative errno (nothing changed).
 */
int history_abandon_memory(struct history *history, char **ret_old);

#endif
