/* What stands at a path, as a person would say it. */
#ifndef CHARDEV_BACKEND_FILE_KIND_H
#define CHARDEV_BACKEND_FILE_KIND_H

#include <sys/stat.h>

/* "a plain file", "a directory", "a FIFO", "a socket", "a device", "a symbolic link". */
const char *file_kind(mode_t mode);

#endif
