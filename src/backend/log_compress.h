/*
 * Compressing rotated files of a log with zstd, one at a time, in a job of its own: whoever writes
 * the log does not wait for it. It writes FILE.part, which takes the place of what it was made of
 * with log_compress_commit(), by whoever may rename the log's files at that time.
 *
 * The compressed file has the length of its content, a checksum and the time of the plain one, and
 * is on the disk (fdatasync) before the plain one is removed.
 */
#ifndef CHARDEV_BACKEND_LOG_COMPRESS_H
#define CHARDEV_BACKEND_LOG_COMPRESS_H

#include "backend/log_files.h"
#include "loop/loop.h"

#include <stdatomic.h>

struct log_compress {
	struct loop_job job;
	void (*done)(struct log_compress *compress);
	bool running;
	/* The job's own. */
	int dir_fd;
	struct log_name source;
	struct log_name part;
	dev_t dev; /* what was compressed, whatever its name is by now */
	ino_t ino;
	atomic_bool cancelled;
	int failure;
};

/*
 * Begins with the rotated file of that number, on the loop; nothing else may touch `files`
 * meanwhile. `done` follows. 0 or a negative errno.
 */
int log_compress_start(struct log_compress *compress, struct loop *loop,
	const struct log_files *files, int number, void (*done)(struct log_compress *compress));
/* It will end soon, as failed with -ECANCELED; from any thread. */
void log_compress_cancel(struct log_compress *compress);

/* After a success: blocks. What was deleted since is not brought back. 0 or a negative errno. */
int log_compress_commit(const struct log_compress *compress, const struct log_files *files);

/* Removes the FILE.part of a process that was killed. Blocks. */
int log_compress_sweep(const struct log_files *files);

/* How many bytes of the log the rotated file of that number holds, compressed or not. Blocks. */
int log_compress_length(const struct log_files *files, int number, uint64_t *ret);

/* The same of an open compressed file; -EBADMSG when it does not say. */
int log_compress_content(int fd, uint64_t *ret);

#endif
