/* File descriptor helpers; see fd.h. */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int fd_close(int fd)
{
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

int fd_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_write_all(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t done = write(fd, at, n);
		if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};
			if (poll(&wait, 1, -1) < 0 && errno != EINTR)
				return -errno;
		} else if (done < 0 && errno != EINTR) {
			return -errno;
		} else if (done > 0) {
			at += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

int fd_read_all(int fd, size_t limit, char **ret, size_t *ret_n)
{
	size_t capacity = 64 * 1024;
	size_t n = 0;
	char *text = malloc(capacity);
	while (text != NULL) {
		ssize_t got = read(fd, text + n, capacity - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int r = -errno;
			free(text);
			return r;
		}
		n += (size_t)got;
		if (got == 0 || n > limit) {
			*ret = text;
			*ret_n = n;
			return 0;
		}
		if (n < capacity)
			continue;
		capacity = capacity * 2 < limit ? capacity * 2 : limit + 1;
		char *larger = realloc(text, capacity);
		if (larger == NULL)
			free(text);
		text = larger;
	}
	return -ENOMEM;
}

ssize_t fd_writev_nosigpipe(int fd, const struct iovec *iov, int count)
{
	sigset_t pipe_only, pending, before;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	/* A SIGPIPE that was pending before is somebody else's and must stay. */
	sigpending(&pending);
	int was_pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	ssize_t n;
	do {
		n = writev(fd, iov, count);
	} while (n < 0 && errno == EINTR);
	int failure = n < 0 ? errno : 0;
	if (failure == EPIPE && was_pending == 0) {
		static const struct timespec at_once;
		while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
			;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failure != 0 ? -failure : n;
}

int iov_skip(struct iovec *iov, int count, size_t n)
{
	int first = 0;
	while (first < count && n >= iov[first].iov_len)
		n -= iov[first++].iov_len;
	for (int i = first; i < count; i++)
		iov[i - first] = iov[i];
	if (first < count) {
		iov[0].iov_base = (char *)iov[0].iov_base + n;
		iov[0].iov_len -= n;
	}
	return count - first;
}

size_t iov_total(const struct iovec *iov, int count)
{
	size_t total = 0;
	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	return total;
}

int iov_limit(struct iovec *iov, int count, size_t n)
{
	int kept = 0;
	for (int i = 0; i < count && n > 0; i++) {
		size_t part = iov[i].iov_len < n ? iov[i].iov_len : n;
		if (part > 0)
			iov[kept++] = (struct iovec){iov[i].iov_base, part};
		n -= part;
	}
	return kept;
}

int iov_of_ring(char *ring, size_t size, uint64_t offset, size_t n, struct iovec ret[2])
{
	if (n == 0)
		return 0;
	size_t at = (size_t)(offset % size);
	size_t to_end = size - at;
	ret[0].iov_base = ring + at;
	ret[0].iov_len = n < to_end ? n : to_end;
	if (n <= to_end)
		return 1;
	ret[1].iov_base = ring;
	ret[1].iov_len = n - to_end;
	return 2;
}
