/* Times that people give and read; see since.h. */
#include "cli/since.h"

#include "util/time_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };

static const int64_t DAY_MS = (int64_t)24 * HOUR_MS;

static int64_t unit_ms(char unit)
{
	switch (unit) {
	case 's':
		return SECOND_MS;
	case 'm':
		return MINUTE_MS;
	case 'h':
		return HOUR_MS;
	case 'd':
		return DAY_MS;
	default:
		return 0;
	}
}

/* A number and a unit, and nothing else. */
static bool parse_duration(const char *text, int64_t *ret_ms)
{
	char *end = NULL;
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	uintmax_t number = strtoumax(text, &end, 10);
	int64_t unit = unit_ms(*end);
	if (unit == 0 || end[1] != '\0')
		return false;
	bool is_huge = errno != 0 || number > (uintmax_t)(INT64_MAX / unit);
	*ret_ms = is_huge ? INT64_MAX : (int64_t)number * unit;
	return true;
}

int since_parse(const char *text, int64_t now_ms, int64_t *ret_ms, struct error *err)
{
	int64_t ms;
	if (parse_duration(text, &ms))
		ms = ms < now_ms ? now_ms - ms : 0;
	else if (time_parse(text, &ms) < 0)
		return error_set(err, -EINVAL,
			"\"%.60s\" is no time: give how long ago (30s, 10m, 2h, 1d) or a time with "
			"its "
			"zone (2026-11-24T17:30:00Z)",
			text);
	*ret_ms = ms > 0 ? ms : 0;
	return 0;
}

void ago_text(int64_t ms, char ret[AGO_SIZE])
{
	if (ms < MINUTE_MS)
		snprintf(ret, AGO_SIZE, "%" PRId64 " s", ms > 0 ? ms / SECOND_MS : 0);
	else if (ms < HOUR_MS)
		snprintf(ret, AGO_SIZE, "%" PRId64 " min %" PRId64 " s", ms / MINUTE_MS,
			ms % MINUTE_MS / SECOND_MS);
	else if (ms < DAY_MS)
		snprintf(ret, AGO_SIZE, "%" PRId64 " h %" PRId64 " min", ms / HOUR_MS,
			ms % HOUR_MS / MINUTE_MS);
	else
		snprintf(ret, AGO_SIZE, "%" PRId64 " d %" PRId64 " h", ms / DAY_MS,
			ms % DAY_MS / HOUR_MS);
}
