/* Directories. */
#ifndef CHARDEV_UTIL_DIR_H
#define CHARDEV_UTIL_DIR_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes a directory with those above it (these with 0755). 0, also when it is there, or a negative
 * errno. *ret_made (unless NULL) is set when the last one was made here.
 */
int dir_make(const char *path, mode_t mode, bool *ret_made);

#endif
