/* Points in time as RFC 3339 texts; see time_text.h. */
#include "util/time_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t time_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void time_text(int64_t realtime_ms, char ret[TIME_TEXT_SIZE])
{
	int ms = (int)(realtime_ms % 1000);
	time_t seconds = (time_t)(realtime_ms / 1000);
	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	struct tm tm;
	gmtime_r(&seconds, &tm);
	size_t n = strftime(ret, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, TIME_TEXT_SIZE - n, ".%03dZ", ms);
}

/* Exactly `digits` digits, of a number from `min` to `max`. */
static bool take_number(const char **at, int digits, int min, int max, int *ret)
{
	int value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		value = value * 10 + (**at - '0');
	}
	*ret = value;
	return value >= min && value <= max;
}

static bool take_one_of(const char **at, const char *set)
{
	if (**at == '\0' || strchr(set, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && is_leap);
}

static bool take_date(const char **at, struct tm *tm)
{
	int year, month;
	if (!take_number(at, 4, 0, 9999, &year) || !take_one_of(at, "-") ||
		!take_number(at, 2, 1, 12, &month) || !take_one_of(at, "-"))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return take_number(at, 2, 1, days_of(year, month), &tm->tm_mday);
}

/* A 60th second is a leap second: the first one of the next minute. */
static bool take_clock(const char **at, struct tm *tm)
{
	return take_number(at, 2, 0, 23, &tm->tm_hour) && take_one_of(at, ":") &&
	       take_number(at, 2, 0, 59, &tm->tm_min) && take_one_of(at, ":") &&
	       take_number(at, 2, 0, 60, &tm->tm_sec);
}

/* What is finer than a millisecond is left out. */
static bool take_fraction(const char **at, int *ret_ms)
{
	*ret_ms = 0;
	if (!take_one_of(at, "."))
		return true;
	if (!isdigit((unsigned char)**at))
		return false;
	for (int worth = 100; isdigit((unsigned char)**at); (*at)++, worth /= 10)
		*ret_ms += worth * (**at - '0');
	return true;
}

static bool take_zone(const char **at, int *ret_minutes)
{
	int hours, minutes;
	*ret_minutes = 0;
	if (take_one_of(at, "Zz"))
		return true;
	bool is_west = **at == '-';
	if (!take_one_of(at, "+-") || !take_number(at, 2, 0, 23, &hours) || !take_one_of(at, ":") ||
		!take_number(at, 2, 0, 59, &minutes))
		return false;
	*ret_minutes = (is_west ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

int time_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	int ms, zone;
	if (!take_date(&text, &tm) || !take_one_of(&text, "Tt ") || !take_clock(&text, &tm) ||
		!take_fraction(&text, &ms) || !take_zone(&text, &zone) || *text != '\0')
		return -EINVAL;
	*ret_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + ms;
	return 0;
}
