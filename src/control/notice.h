/*
 * The payloads of NOTICE and MARK frames as JSON texts; frame.h says what they are. Each is owned
 * by the caller; NULL: no memory. Pure.
 *
 * A text that is longer than NOTICE_TEXT_MAX is cut, so that each fits into a frame, and one that
 * is not UTF-8 has a '?' for each byte that is not ASCII.
 */
#ifndef CHARDEV_CONTROL_NOTICE_H
#define CHARDEV_CONTROL_NOTICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NOTICE_TEXT_MAX = 1024 };

struct notice_who {
	uint64_t id;
	uid_t uid;
	pid_t pid;
};

/* who: NULL: nobody */
char *notice_pen(const struct notice_who *holder, bool yours);
char *notice_asked(const struct notice_who *by);
char *notice_refused(uint64_t bytes);
char *notice_guest(bool attached);
char *notice_viewers(uint64_t count);
char *notice_end(int code, const char *reason);

char *mark_time(int64_t realtime_ms, const char *what);
/* missed 0: nobody knows how many */
char *mark_gap(uint64_t missed);

#endif
