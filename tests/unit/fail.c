/* Calls that fail when told to; see fail.h. */
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct plan {
	atomic_int calls;
	atomic_int fails_at; /* compared with calls; 0: never */
	atomic_bool and_after;
	atomic_int error;
};

enum { LIMITED_PARTS = 4 };

static struct plan plans[FAIL_CALL_COUNT];
static atomic_size_t send_limit; /* 0: none */

void fail_nth(enum fail_call call, int n, int error)
{
	plans[call].error = error;
	plans[call].and_after = false;
	plans[call].fails_at = n == 0 ? 0 : plans[call].calls + n;
}

void fail_from(enum fail_call call, int n, int error)
{
	fail_nth(call, n, error);
	plans[call].and_after = true;
}

void fail_limit_sends(size_t max)
{
	send_limit = max;
}

int fail_count(enum fail_call call)
{
	return plans[call].calls;
}

void fail_reset(void)
{
	for (int i = 0; i < FAIL_CALL_COUNT; i++) {
		plans[i].fails_at = 0;
		plans[i].calls = 0;
	}
	send_limit = 0;
}

static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static unsigned releases;

static void wait_for_release(void)
{
	pthread_mutex_lock(&hold);
	for (unsigned before = releases; releases == before;)
		pthread_cond_wait(&released, &hold);
	pthread_mutex_unlock(&hold);
}

void fail_release(void)
{
	pthread_mutex_lock(&hold);
	releases++;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&hold);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

/* The errno to fail with, or 0. */
static int planned(enum fail_call call)
{
	struct plan *plan = &plans[call];
	int number = ++plan->calls;
	int at = plan->fails_at;
	if (at == 0 || number < at || (number > at && !plan->and_after))
		return 0;
	if (plan->error == FAIL_BY_KILL)
		die();
	if (plan->error != FAIL_BY_WAITING)
		return plan->error;
	wait_for_release();
	return 0;
}

struct limited {
	struct msghdr message;
	struct iovec iov[LIMITED_PARTS];
};

/* What of the message may be sent at once. */
static const struct msghdr *limited(const struct msghdr *message, struct limited *ret)
{
	size_t left = send_limit;
	if (left == 0 || message->msg_iovlen > LIMITED_PARTS)
		return message;
	ret->message = *message;
	ret->message.msg_iov = ret->iov;
	ret->message.msg_iovlen = 0;
	for (size_t i = 0; i < message->msg_iovlen && left > 0; i++) {
		struct iovec part = message->msg_iov[i];
		part.iov_len = part.iov_len < left ? part.iov_len : left;
		left -= part.iov_len;
		ret->iov[ret->message.msg_iovlen++] = part;
	}
	return &ret->message;
}

#define WRAP(call, type, name, parameters, arguments, failed) \
	type __real_##name parameters;                        \
	type __wrap_##name parameters;                        \
	type __wrap_##name parameters                         \
	{                                                     \
		int error = planned(call);                    \
		if (error == 0)                               \
			return __real_##name arguments;       \
		if (error == FAIL_BY_KILL_AFTER) {            \
			__real_##name arguments;              \
			die();                                \
		}                                             \
		errno = error;                                \
		return failed;                                \
	}

/* With 64 in their names: as they are called where offsets have 64 bits on every machine. */
WRAP(FAIL_ACCEPT4, int, accept4, (int fd, struct sockaddr *sa, socklen_t *n, int flags),
	(fd, sa, n, flags), -1)
WRAP(FAIL_BIND, int, bind, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n), -1)
WRAP(FAIL_CALLOC, void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(FAIL_CONNECT, int, connect, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n), -1)
WRAP(FAIL_EPOLL_CREATE1, int, epoll_create1, (int flags), (flags), -1)
WRAP(FAIL_FSYNC, int, fsync, (int fd), (fd), -1)
WRAP(FAIL_FDATASYNC, int, fdatasync, (int fd), (fd), -1)
WRAP(FAIL_FSTAT, int, fstat64, (int fd, struct stat *st), (fd, st), -1)
WRAP(FAIL_FSTATAT, int, fstatat64, (int fd, const char *path, struct stat *st, int flags),
	(fd, path, st, flags), -1)
WRAP(FAIL_FTRUNCATE, int, ftruncate64, (int fd, off_t size), (fd, size), -1)
WRAP(FAIL_FUTIMENS, int, futimens, (int fd, const struct timespec times[2]), (fd, times), -1)
WRAP(FAIL_INOTIFY_ADD_WATCH, int, inotify_add_watch, (int fd, const char *path, uint32_t mask),
	(fd, path, mask), -1)
WRAP(FAIL_INOTIFY_INIT1, int, inotify_init1, (int flags), (flags), -1)
WRAP(FAIL_LISTEN, int, listen, (int fd, int backlog), (fd, backlog), -1)
WRAP(FAIL_MALLOC, void *, malloc, (size_t size), (size), NULL)
/* The mode is passed on whether there is one or not: without O_CREAT nobody looks at it. */
WRAP(FAIL_OPENAT, int, openat64, (int fd, const char *path, int flags, mode_t mode),
	(fd, path, flags, mode), -1)
WRAP(FAIL_PREAD, ssize_t, pread64, (int fd, void *bytes, size_t n, off_t at), (fd, bytes, n, at),
	-1)
WRAP(FAIL_PTHREAD_COND_CLOCKWAIT, int, pthread_cond_clockwait,
	(pthread_cond_t * cond, pthread_mutex_t *mutex, clockid_t clock,
		const struct timespec *until),
	(cond, mutex, clock, until), error)
WRAP(FAIL_PTHREAD_CREATE, int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg),
	(thread, attr, start, arg), error)
WRAP(FAIL_READ, ssize_t, read, (int fd, void *bytes, size_t n), (fd, bytes, n), -1)
WRAP(FAIL_READV, ssize_t, readv, (int fd, const struct iovec *iov, int n), (fd, iov, n), -1)
WRAP(FAIL_RENAMEAT, int, renameat, (int from_fd, const char *from, int to_fd, const char *to),
	(from_fd, from, to_fd, to), -1)
WRAP(FAIL_SENDMSG, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
	(fd, limited(message, &(struct limited){0}), flags), -1)
WRAP(FAIL_SOCKET, int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
WRAP(FAIL_TIMERFD_CREATE, int, timerfd_create, (int clock, int flags), (clock, flags), -1)
WRAP(FAIL_UNLINKAT, int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1)
WRAP(FAIL_WRITE, ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n), -1)
WRAP(FAIL_WRITEV, ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), -1)
