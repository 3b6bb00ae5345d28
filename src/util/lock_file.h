/*
 * A file that one process at a time holds: flock(2), which the kernel gives back however its holder
 * ends. The file's text is the holder's process id, for people.
 */
#ifndef CHARDEV_UTIL_LOCK_FILE_H
#define CHARDEV_UTIL_LOCK_FILE_H

#include <sys/types.h>

/*
 * Takes the lock, making the file (0600) if need be: 0 and its descriptor. -EWOULDBLOCK when
 * another process has it: *ret_holder is its id, 0 when the file does not tell. -ENOENT when the
 * file, or its directory, vanished meanwhile: try again. Other negative errnos.
 */
int lock_file_take(const char *path, int *ret_fd, pid_t *ret_holder);

/* Removes the file and gives the lock back. Returns -1: `fd = lock_file_release(path, fd);`. */
int lock_file_release(const char *path, int fd);

#endif
