/*
 * Makes the N-th call of a system or library function fail, in this program's own code (not in its
 * shared libraries). A test that uses it is listed in `failing_tests` of tests/meson.build; the
 * linker's --wrap does the rest.
 *
 *         fail_nth(FAIL_READV, 1, EIO);     the next readv() fails once with EIO
 *         fail_count(FAIL_READV)            how often it was called since fail_reset()
 *
 * The pthread functions return the error instead of setting errno (a failed wait does not wait);
 * calloc() and malloc() return NULL. One more call is a line here, in fail.c and in meson.build.
 */
#ifndef CHARDEV_TEST_FAIL_H
#define CHARDEV_TEST_FAIL_H

#include <stddef.h>

/*
 * Instead of an errno: the process is killed (SIGKILL) before the call or right after it, or the
 * call waits for fail_release().
 */
enum { FAIL_BY_KILL = -1, FAIL_BY_WAITING = -2, FAIL_BY_KILL_AFTER = -3 };

enum fail_call {
	FAIL_ACCEPT4,
	FAIL_BIND,
	FAIL_CALLOC,
	FAIL_CONNECT,
	FAIL_EPOLL_CREATE1,
	FAIL_FSYNC,
	FAIL_FDATASYNC,
	FAIL_FSTAT,
	FAIL_FSTATAT,
	FAIL_FTRUNCATE,
	FAIL_FUTIMENS,
	FAIL_INOTIFY_ADD_WATCH,
	FAIL_INOTIFY_INIT1,
	FAIL_LISTEN,
	FAIL_MALLOC,
	FAIL_OPENAT,
	FAIL_PREAD,
	FAIL_PTHREAD_COND_CLOCKWAIT,
	FAIL_PTHREAD_CREATE,
	FAIL_READ,
	FAIL_READV,
	FAIL_RENAMEAT,
	FAIL_SENDMSG,
	FAIL_SOCKET,
	FAIL_TIMERFD_CREATE,
	FAIL_UNLINKAT,
	FAIL_WRITE,
	FAIL_WRITEV,
	FAIL_CALL_COUNT
};

/* n counts from 1, from now on. 0: nothing fails any more. Safe while threads run. */
void fail_nth(enum fail_call call, int n, int error);
/* Likewise, and every call from the N-th on, until fail_reset(). */
void fail_from(enum fail_call call, int n, int error);
/* Those that wait go on, and succeed. */
void fail_release(void);
int fail_count(enum fail_call call);
/* Each sendmsg() sends at most so many bytes, until fail_reset(); 0: no limit. */
void fail_limit_sends(size_t max);
/* Nothing fails; counts are 0. */
void fail_reset(void);

#endif
