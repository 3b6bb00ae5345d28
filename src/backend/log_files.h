/*
 * The files of one log on disk: FILE, which is being written, and the rotated ones, FILE.0 the
 * newest, FILE.1 and so on, with ".zst" once they are compressed. Each has its index beside it,
 * FILE.idx, FILE.0.idx ... (log_index.h).
 *
 * All of it blocks: it is called on one thread at a time. Everything happens below the directory
 * as it was found when the log was opened first: its path is resolved then, no link in the resolved
 * path is followed when it is opened again, and each call takes names in that directory. What is
 * there and no regular file is refused.
 *
 * A kill or a failure at any step leaves each byte in exactly one file and the files in order: at
 * most a number is missing, or an index has the number of the file next to it, which the next
 * log_files_open() mends.
 */
#ifndef CHARDEV_BACKEND_LOG_FILES_H
#define CHARDEV_BACKEND_LOG_FILES_H

#include "model/domain.h"
#include "util/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	LOG_MAX_SIZE = 2 * 1024 * 1024, /* where the XML does not say, as virtlogd's */
	LOG_MAX_BACKUPS = 3,
	LOG_MIN_SIZE = 4096, /* what is less is this */
};

struct log_limits {
	uint64_t max_size; /* of FILE and its index together; 0: unbounded */
	unsigned max_backups;
	bool compress;
	bool timestamps; /* the index has plain time marks */
};

/* Fits FILE.1000.idx, or fails with -ENAMETOOLONG. */
struct log_name {
	char text[NAME_MAX + 1];
};

/* What rotated files there are. */
struct log_rotated {
	uint64_t bytes; /* with their indexes */
	unsigned files;
	int oldest;        /* the number of the oldest one; -1: there is none */
	int64_t oldest_ms; /* when it was written last */
	int plain;         /* the number of the newest that is not compressed; -1: there is none */
};

struct log_files {
	char *path;      /* FILE as it was given */
	char *directory; /* resolved */
	const char *name;
	struct log_limits limits;
	int dir_fd;          /* O_PATH; -1 while it cannot be opened */
	int fd;              /* FILE; -1 while there is none */
	uint64_t start;      /* the log's bytes in all files before FILE */
	uint64_t size;       /* of FILE */
	uint64_t index_size; /* 0: it is to be begun */
	bool known;          /* it was open before: what comes next stands at start + size */
	dev_t dev;           /* FILE, as it was seen last */
	ino_t ino;
	struct log_rotated rotated;
};

/* What a device's XML says, or the defaults. */
struct log_limits log_limits_of(const struct extensions *said);

/* Copies the path; opens nothing. A sentence on failure. */
int log_files_init(struct log_files *files, const char *path, const struct log_limits *limits,
	struct error *err);
void log_files_fini(struct log_files *files);

/*
 * Opens FILE, or opens it anew: after a failure, after somebody has moved, cut or removed it. Not
 * `append`: it is emptied. On failure nothing is open.
 */
int log_files_open(struct log_files *files, bool append, struct error *err);

/* The directory alone, to look at what is there: dir_fd. It is opened anew. 0 or a negative errno.
 */
int log_files_open_directory(struct log_files *files);

/* -ESTALE: FILE has been removed or its size changed by others, and has to be opened anew. */
int log_files_check(const struct log_files *files);

/* Whether FILE has no room left, and how many bytes it still takes, at least one. */
bool log_files_is_full(const struct log_files *files);
uint64_t log_files_room(const struct log_files *files);

/* Writes all parts, as far as it comes: *ret_done bytes. 0 or a negative errno. */
int log_files_write(
	struct log_files *files, const struct iovec *parts, int count, size_t *ret_done);

/* Adds lines to FILE's index, all or none. */
int log_files_add_marks(struct log_files *files, const char *text, size_t n);

/*
 * How many bytes the gaps miss that the indexes tell of at the end of the log, and that end in the
 * history behind `history`. 0 or a negative errno.
 */
int log_files_missed(const struct log_files *files, uint64_t history, uint64_t *ret);

/* Shifts the numbers, deletes what is beyond the limit, begins a new FILE. */
int log_files_rotate(struct log_files *files);

/* Deletes the oldest rotated file; where there is none, begins a new FILE without the old one. */
int log_files_drop(struct log_files *files);

/* Counts what is there: `rotated`. */
int log_files_scan(struct log_files *files);

/* The name of a file: FILE for -1, else that with the number, then the suffix. */
int log_files_name(
	const struct log_files *files, int number, const char *suffix, struct log_name *ret);

#endif
