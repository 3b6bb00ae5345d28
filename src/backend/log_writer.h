/*
 * Writes one log: its files (log_files.h), their index, rotation, compression and its part of the
 * quota. It takes memory on loan, one write at a time, and tells when that is over; what is at the
 * back of it, a device's stream or the domain's log, is its owner's.
 *
 * All file work is done in jobs, one at a time, compression beside them: a disk that hangs holds
 * this log alone. Rotating, and opening FILE anew because it was moved, cut or removed, is a job of
 * its own before the write that needs it, and the owner hears of it in between: whoever keeps note
 * of what FILE has can do so before anything new is in it.
 *
 * A mark has its place in FILE and may be told before FILE has come that far. It is written when
 * FILE has, before the first byte behind it.
 *
 * A write that cannot be done, because of the write itself or because FILE cannot be rotated or
 * opened, has failed; it can be tried again any time. Marks that cannot be written wait for a write
 * that can, at most LOG_MARKS_MAX of them: gaps at one place become one, the last gap takes those
 * that find no room, other marks that find none are left out.
 *
 * What is on the disk after a power failure is up to the kernel, but for compressed files and for
 * what there is at close, which are synced.
 */
#ifndef CHARDEV_BACKEND_LOG_WRITER_H
#define CHARDEV_BACKEND_LOG_WRITER_H

#include "backend/log_files.h"
#include "backend/log_marks.h"
#include "backend/log_quota.h"
#include "loop/loop.h"

enum {
	LOG_WRITER_MAX_WRITE = 256 * 1024, /* bytes at a time */
	LOG_WRITER_PARTS = 6,
	LOG_WRITER_TIME_MS = 100, /* between two marks that tell the time alone */
};

struct log_writer;

struct log_writer_owner {
	/* The loan is over: `done` bytes of it were written. failure: what ended it early, or 0. */
	void (*written)(void *user, size_t done, int failure);
	/* FILE is another one now, or has another size by others' doing: nothing is in flight. */
	void (*moved)(void *user, uint64_t size);
	/* The history's offset of what is about to be written; LOG_MARK_NO_HISTORY. */
	uint64_t (*history)(void *user);
	/* Something beside a write failed: a clause to stand behind the path. */
	void (*trouble)(void *user, int code, const char *clause);
	/* After log_writer_close(): it is freed. */
	void (*closed)(void *user);
};

struct log_writer_params {
	struct loop *loop;
	const char *path;
	struct log_limits limits;
	bool append;             /* else FILE is emptied */
	uint64_t epoch;          /* of the history's offsets; 0: none */
	struct log_share *share; /* NULL: no quota */
	const struct log_writer_owner *owner;
	void *user;
};

/* Where a log stands, for a person. */
struct log_status {
	uint64_t bytes; /* of all files, with their indexes */
	unsigned files;
	bool failing; /* the last write failed */
};

/* Opens FILE, at once. A sentence on failure. */
int log_writer_new(
	const struct log_writer_params *params, struct log_writer **ret, struct error *err);

/*
 * Borrows the parts until `written`: their first bytes, as many as are written at a time. Not
 * before the last one is back.
 */
void log_writer_write(struct log_writer *writer, const struct iovec *parts, int count);

/* How long FILE is, without what is being written. */
uint64_t log_writer_size(const struct log_writer *writer);

/* N bytes are missing: at this place in FILE. What was to come behind them comes earlier. */
void log_writer_gap(struct log_writer *writer, uint64_t offset, uint64_t history, uint64_t missed);
/* Something happened, as of now: "connect" "NAME". FILE may not have come to its place yet. */
void log_writer_event(struct log_writer *writer, uint64_t offset, uint64_t history,
	const char *kind, const char *name);

/* FILE is opened anew at its path: somebody has moved it. */
void log_writer_reopen(struct log_writer *writer);

void log_writer_status(const struct log_writer *writer, struct log_status *ret);

/* Asynchronous; a write that is under way ends first and is not told of any more. */
void log_writer_close(struct log_writer *writer);

#endif
