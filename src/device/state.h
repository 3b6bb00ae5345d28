/*
 * The state file of a domain: one 128-byte slot per device, mapped, beside the rings. With it a
 * process that was killed at any moment is continued by its successor: no byte of the guest's
 * output between FIFO and history is lost or doubled.
 *
 * The scheme (intent and witness): before read(2) moves bytes out of the FIFO, the slot says how
 * many are about to come and at which offset, and the ring's byte at that place holds the
 * complement of the first one. After a kill, ring[head] == witness says that the read happened.
 *
 * Without a runtime directory the state is anonymous memory: the same code, no promise.
 */
#ifndef CHARDEV_DEVICE_STATE_H
#define CHARDEV_DEVICE_STATE_H

#include "device/history.h"
#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STATE_VERSION = 1,
	STATE_ALIAS_SIZE = 48,
	STATE_MAX_SLOTS = 2 * 16384, /* as far as a file grows: a domain has half as many devices */
};

struct state_slot {
	char alias[STATE_ALIAS_SIZE]; /* "" : free; a longer alias is stored as prefix and hash */
	uint64_t epoch;               /* of the history, random */
	uint64_t head;
	uint64_t delivered; /* the furthest offset that any backend peer took */
	uint64_t capacity;  /* of the ring, as allocated */
	uint64_t log_base;  /* history offset minus log size: where the raw log goes on */
	uint32_t intent;    /* bytes about to be read at head; 0: none */
	uint8_t witness;    /* the first of them */
	uint8_t reserved[3];
	uint64_t log_at; /* the log was seen to be written up to this history offset; 0: unknown */
	uint8_t reserved2[24];
};

_Static_assert(sizeof(struct state_slot) == 128, "the state file's format is 128-byte slots");

struct state {
	void *memory;
	size_t bytes; /* mapped: as far as it may grow, so that no slot ever moves */
	int fd;
	struct state_slot *slots;
	size_t slot_count;
};

/* `path` NULL: anonymous. An existing file of this version is taken over, another is refused. */
int state_open(struct state *state, const char *path, size_t slot_count, struct error *err);
void state_close(struct state *state);

/* Makes sure that `count` slots are free; those in use stay where they are. */
int state_make_room(struct state *state, size_t count, struct error *err);

/* Whether an earlier process left any device's slot. */
bool state_is_continued(const struct state *state);

/* Frees the slots of devices that the domain no longer has. */
void state_keep_only(struct state *state, const char *const *aliases, size_t count);

/* The device's slot, a fresh one if there is none; `*ret_found` says which. NULL: none is free. */
struct state_slot *state_slot_for(struct state *state, const char *alias, bool *ret_found);

/* A history begins in this slot, whose alias stays: everything is zero, but for a new epoch. */
void state_slot_renew(struct state_slot *slot);

/* The three steps of a crash-safe read; history is the slot's. */
void state_intend(struct state_slot *slot, struct history *history, size_t n, uint8_t witness);
void state_received(struct state_slot *slot, struct history *history, size_t n);
/* After a restart: finishes a read that had happened; returns how many bytes it had moved. */
size_t state_recover(struct state_slot *slot, struct history *history);

#endif
