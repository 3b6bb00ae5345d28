/*
 * One file of a log, open for reading, compressed or not, with its index: bytes and marks from any
 * place on. It stays readable when it is renamed or deleted. Blocks: called on one thread at a
 * time.
 */
#ifndef CHARDEV_BACKEND_LOG_SOURCE_H
#define CHARDEV_BACKEND_LOG_SOURCE_H

#include "backend/log_files.h"
#include "backend/log_index.h"

enum { LOG_SOURCE_INDEX_PIECE = 4096 };

struct log_inflater;

struct log_source {
	int number; /* when it was found; -1: FILE */
	int fd;     /* -1: nothing is open */
	dev_t dev;
	ino_t ino;
	uint64_t start;                /* the log's bytes in all files before it */
	uint64_t length;               /* of its content, when it was found; FILE may grow */
	uint64_t offset;               /* of the next byte */
	int64_t time_ms;               /* when it was written last */
	bool has_start;                /* its index says so; else `start` is its finder's guess */
	struct log_inflater *inflater; /* NULL: it is plain */
	int index_fd;                  /* -1: there is none, or not yet */
	uint64_t index_at;             /* where the next line begins */
	size_t index_held;             /* bytes of the index that were read from there on */
	char index_text[LOG_SOURCE_INDEX_PIECE];
};

/*
 * Finds and opens what has that number. -ENOENT: nothing. files->dir_fd is the directory. A
 * rotation at the same time is noticed: what is open belongs together.
 */
int log_source_open(struct log_source *source, const struct log_files *files, int number);
void log_source_close(struct log_source *source);

/* Up to n bytes; 0: there are no more now. */
ssize_t log_source_read(struct log_source *source, char *bytes, size_t n);

/* Goes to that place in its content, from where it is or from the beginning. */
int log_source_seek(struct log_source *source, uint64_t offset);

/* How long it is now: FILE grows. 0 or a negative errno. */
int log_source_refresh(struct log_source *source);

/* The next mark, which stays the next one until it is passed. False: there is none now. */
bool log_source_mark(struct log_source *source, struct log_mark *ret);
void log_source_pass_mark(struct log_source *source);

/* The index of one that had none yet: where it stands by now. */
void log_source_find_index(struct log_source *source, const struct log_files *files);

/* Whether FILE still is this file. */
bool log_source_is_current(const struct log_source *source, const struct log_files *files);

#endif
