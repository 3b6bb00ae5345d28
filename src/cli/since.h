/* What --since takes: "10m", "2h", "30s", "1d" (so long ago), or a time of RFC 3339. */
#ifndef CHARDEV_CLI_SINCE_H
#define CHARDEV_CLI_SINCE_H

#include "util/error.h"

#include <stdint.h>

/* now_ms and *ret_ms: of the real-time clock. A time before 1970 is 1970. */
int since_parse(const char *text, int64_t now_ms, int64_t *ret_ms, struct error *err);

enum { AGO_SIZE = 32 };

/* How long that is, to two units: "5 s", "3 min 20 s", "4 h 0 min", "12 d 7 h". */
void ago_text(int64_t ms, char ret[AGO_SIZE]);

#endif
