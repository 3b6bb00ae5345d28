/*
 * A stream without a descriptor, under what is tested: its input are given bytes, in pieces of a
 * size, and its output is counted, kept and taken a few bytes at a time.
 */
#ifndef CHARDEV_TEST_MEMORY_STREAM_H
#define CHARDEV_TEST_MEMORY_STREAM_H

#include "loop/loop.h"
#include "stream/stream.h"

struct memory_stream {
	struct stream base;
	struct loop_task task;
	const uint8_t *input; /* borrowed; after it the input ends, then both ways do */
	size_t size;
	size_t at;
	size_t piece;  /* how much comes, or is taken, at once; 0: as much as there is room for */
	size_t output; /* taken so far */
	uint8_t *kept; /* NULL: the output is not kept */
	size_t kept_size;
	bool ends; /* the input has an end */
	bool reading;
	bool want_writable;
	bool told_end;
	bool told_gone;
};

/* `ms` is zeroed but for what the input is and how it comes. */
void memory_stream_init(
	struct memory_stream *ms, struct loop *loop, void (*on_closed)(struct stream *stream));
/* More input was added, or the end is set. */
void memory_stream_kick(struct memory_stream *ms);

#endif
