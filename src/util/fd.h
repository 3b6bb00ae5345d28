/*
 * File descriptor and iovec helpers. Every descriptor of this project is close-on-exec and, where
 * the loop reads or writes it, non-blocking.
 */
#ifndef CHARDEV_UTIL_FD_H
#define CHARDEV_UTIL_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Closes fd unless it is negative; keeps errno. Returns -1: `fd = fd_close(fd);`. */
int fd_close(int fd);

/* Sets O_NONBLOCK. 0 or a negative errno. */
int fd_set_nonblocking(int fd);

/*
 * Writes all n bytes, waiting as long as it takes (EINTR and short writes are handled).
 * 0 or a negative errno. For start-up, tests and worker threads; never for the loop.
 */
int fd_write_all(int fd, const void *bytes, size_t n);

/*
 * Reads to the end, at most `limit` bytes and one more, by which the caller tells that there were
 * too many. 0 and a text that the caller frees, or a negative errno. Waits as fd_write_all() does.
 */
int fd_read_all(int fd, size_t limit, char **ret, size_t *ret_n);

/*
 * writev(2) that raises no SIGPIPE in this thread and leaves the process's disposition alone.
 * The number of bytes or a negative errno (-EPIPE when nobody reads).
 */
ssize_t fd_writev_nosigpipe(int fd, const struct iovec *iov, int count);

/* Drops the first n bytes from an array of iovecs, in place; returns how many entries remain. */
int iov_skip(struct iovec *iov, int count, size_t n);
/* Cuts the array to its first n bytes, in place; returns how many entries remain, none empty. */
int iov_limit(struct iovec *iov, int count, size_t n);
size_t iov_total(const struct iovec *iov, int count);

/* The n bytes from `offset` on in a ring of `size` bytes, n <= size, in up to two parts: how many.
 */
int iov_of_ring(char *ring, size_t size, uint64_t offset, size_t n, struct iovec ret[2]);

#endif
