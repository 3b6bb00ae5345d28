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
 * Opens `path` for output, made with mode 0600 (less the umask) if it is missing; emptied unless
 * `append`. Writes always go to its end, so that others may cut it (logrotate's copytruncate).
 * 0 and a descriptor the caller owns, or a negative errno with a sentence.
 */
int log_file_open(const char *path, bool append, int *ret_fd, struct error *err);

#endif
