/*
 * The input queue: what the device's peers have typed and the guest has not yet taken. A bounded
 * ring; peers read directly into it, one after the other, and it goes directly out to the guest
 * port. Signals (BREAK) keep their place among the bytes.
 */
#ifndef CHARDEV_DEVICE_INPUT_H
#define CHARDEV_DEVICE_INPUT_H

#include "stream/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { INPUT_SIZE = 64 * 1024, INPUT_MAX_MARKS = 16 };

struct input_mark {
	uint64_t offset; /* stands before the byte at this offset */
	struct stream_signal signal;
};

struct input {
	char *memory; /* INPUT_SIZE bytes, allocated with the first space, freed when idle */
	uint64_t head;
	uint64_t tail;
	struct input_mark marks[INPUT_MAX_MARKS];
	unsigned mark_count;
};

void input_init(struct input *input);
void input_fini(struct input *input);

/* Where a peer's next bytes go, in up to two parts: how many; 0 when the queue is full. */
int input_space(struct input *input, struct iovec iov[2]);
void input_commit(struct input *input, size_t n);

/*
 * n bytes at once, after a signal if it is not NULL: all or nothing. False when there is no room
 * for them, or no memory.
 */
bool input_put(
	struct input *input, const struct stream_signal *before, const void *bytes, size_t n);

/* A signal after the bytes so far. False when there is no room for another mark. */
bool input_mark(struct input *input, const struct stream_signal *signal);

/* The bytes up to the next mark or the end, in up to two parts: how many. */
int input_peek(const struct input *input, struct iovec iov[2]);
void input_consume(struct input *input, size_t n);
/* The mark that stands right here, before the next byte; NULL: none. */
const struct input_mark *input_due_mark(const struct input *input);
void input_drop_mark(struct input *input);

bool input_is_empty(const struct input *input);
/* Throws everything away; returns how many bytes that were. */
size_t input_clear(struct input *input);

#endif
