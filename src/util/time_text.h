/*
 * Points in time as people and JSON have them: RFC 3339, "2026-11-24T17:18:47.123Z". Inside they
 * are milliseconds of the real-time clock (CLOCK_REALTIME), which may be set back and forth: for
 * deadlines there is loop_now_ms().
 */
#ifndef CHARDEV_UTIL_TIME_TEXT_H
#define CHARDEV_UTIL_TIME_TEXT_H

#include <stdint.h>

enum { TIME_TEXT_SIZE = 40 };

int64_t time_now_ms(void);

/* In UTC, with milliseconds. Every value has a text; RFC 3339's own end with the year 9999. */
void time_text(int64_t realtime_ms, char ret[TIME_TEXT_SIZE]);

/*
 * Any time of RFC 3339: with an offset or Z, with or without a fraction, of which milliseconds
 * count; a blank may stand for the T. 0, or -EINVAL.
 */
int time_parse(const char *text, int64_t *ret_ms);

#endif
