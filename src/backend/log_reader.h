/*
 * Reads a log (its rotated and compressed files, and the one that is being written) as one, from
 * wherever it is, whoever writes it. Positions count the log's bytes from its first one on, rotated
 * and deleted files included, as far as the index tells.
 *
 * File work is done on threads. It is pulled: each log_reader_next() ends in one call of the sink.
 * What is deleted while it is being read is either read to its end or told as a gap.
 */
#ifndef CHARDEV_BACKEND_LOG_READER_H
#define CHARDEV_BACKEND_LOG_READER_H

#include "loop/loop.h"
#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_READER_PIECE_MAX = 16 * 1024 };

struct log_reader;

/* Where to begin: at most one of the two; else with the oldest byte. */
struct log_reader_start {
	bool follow; /* at the end, waits for more, through rotation */
	bool has_tail, has_since;
	uint64_t tail;    /* lines */
	int64_t since_ms; /* real-time clock */
};

struct log_reader_sink {
	/* Bytes, lent until the next log_reader_next() or log_reader_close(). */
	void (*bytes)(void *user, uint64_t position, const void *bytes, size_t n);
	/* At `position` it was `time_ms`; what: "gap 17", "connect NAME" ..., or "": the time
	 * alone. */
	void (*mark)(void *user, uint64_t position, int64_t time_ms, const char *what);
	/* Bytes before `position` were deleted before they could be read; 0: nobody knows how many.
	 */
	void (*gap)(void *user, uint64_t position, uint64_t missed);
	/* Everything was given, or (code < 0) it cannot go on: a sentence. The last call. */
	void (*end)(void *user, int code, const char *message);
};

/* A log that is not there yet is empty (and, followed, waited for). */
int log_reader_new(struct loop *loop, const char *path, const struct log_reader_start *start,
	const struct log_reader_sink *sink, void *user, struct log_reader **ret, struct error *err);
void log_reader_next(struct log_reader *reader);
/* `closed` once, on a later turn, with everything freed; the sink is not called any more. */
void log_reader_close(struct log_reader *reader, void (*closed)(void *user));

#endif
