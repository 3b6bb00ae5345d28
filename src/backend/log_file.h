/*
 * Opening the plain files that guest output goes into: <serial type='file'>, <log file=>, the
 * domain's log. Only ever a regular file, never through a symbolic link in the last component: a
 * root daemon must not be led elsewhere by whoever may write in the directory.
 */
#ifndef CHARDEV_BACKEND_LOG_FILE_H
#define CHARDEV_BACKEND_LOG_FILE_H

#include "util/error.h"

#include <stdbool.h>

/*
 * Opens `name` in the directory dir_fd (AT_FDCWD: as open(2)) for output, made with mode 0600 (less
 * the umask) if it is missing; emptied unless `append`. `path` is for the sentence. Writes always
 * go to its end, so that others may cut it (logrotate's copytruncate). 0 and a descriptor the
 * caller owns, or a negative errno with a sentence.
 */
int log_file_open(int dir_fd, const char *name, const char *path, bool append, int *ret_fd,
	struct error *err);

/* The sentence for a log that cannot be opened; returns the code. */
int log_file_failed(const char *path, int code, struct error *err);

/* What is wrong with a log that was open: a clause to stand behind its path. */
const char *log_file_trouble(int code);

#endif
