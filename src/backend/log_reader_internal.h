/*
 * log_reader.c and its part log_reader_job.c (what runs on a thread). Nobody else includes this.
 */
#ifndef CHARDEV_BACKEND_LOG_READER_INTERNAL_H
#define CHARDEV_BACKEND_LOG_READER_INTERNAL_H

#include "backend/log_catalog.h"
#include "backend/log_reader.h"
#include "backend/path_wait.h"

enum log_reader_event { EVENT_NONE, EVENT_BYTES, EVENT_MARK, EVENT_GAP, EVENT_LAST };

struct log_reader {
	struct loop *loop;
	const struct log_reader_sink *sink;
	void *user;
	struct log_reader_start start;
	char *path;
	char *directory;
	const char *name; /* in path */

	/* Following: what has happened to the log's files. */
	struct loop_watch watch;
	struct path_wait path_wait; /* for the directory */
	bool changed;
	bool wanted; /* the caller waits for an event */

	/* The job's own while it runs. */
	bool busy;
	struct loop_job job;
	struct loop_task not_started;
	struct log_catalog catalog;
	struct log_source source;
	uint64_t place; /* in the log, of what is to come */
	bool begun;     /* the place is known */
	bool drained;   /* what is open was read to its end after it had left its name */
	enum log_reader_event event;
	char bytes[LOG_READER_PIECE_MAX];
	size_t size;
	struct log_mark mark;
	uint64_t missed;
	int code;

	atomic_bool closing;
	struct loop_task closed_task;
	void (*closed)(void *user);
};

/* log_reader_job.c: the work of `job`, which is the next event. */
void log_reader_produce(struct loop_job *job);

#endif
