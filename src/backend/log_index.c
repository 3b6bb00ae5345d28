/* The index beside a log; see log_index.h. */
#include "backend/log_index.h"

#include "util/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- lines ----------------------------------------------------------------------------------- */

int64_t log_mark_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void log_mark_name(struct log_mark *mark, const char *kind, const char *name)
{
	snprintf(mark->what, sizeof(mark->what), "%s%s%s", kind, name[0] != '\0' ? " " : "", name);
	for (char *c = mark->what; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
}

size_t log_mark_format(const struct log_mark *mark, char line[LOG_MARK_LINE_SIZE])
{
	char history[24] = "-", time[24];
	struct tm utc;
	time_t seconds = (time_t)(mark->time_ms / 1000);
	if (mark->history != LOG_MARK_NO_HISTORY)
		snprintf(history, sizeof(history), "%" PRIu64, mark->history);
	gmtime_r(&seconds, &utc);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &utc);
	return (size_t)snprintf(line, LOG_MARK_LINE_SIZE, "%" PRIu64 " %s %s.%03dZ%s%s\n",
		mark->offset, history, time, (int)(mark->time_ms % 1000),
		mark->what[0] != '\0' ? " " : "", mark->what);
}

/* A decimal number without sign and room for 64 bits; moves *at behind it. */
static bool read_number(const char **at, const char *end, uint64_t *ret)
{
	uint64_t number = 0;
	const char *c = *at;
	if (c == end || !isdigit((unsigned char)*c))
		return false;
	for (; c < end && isdigit((unsigned char)*c); c++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
			return false;
	*at = c;
	*ret = number;
	return true;
}

static bool read_space(const char **at, const char *end)
{
	if (*at == end || **at != ' ')
		return false;
	++*at;
	return true;
}

static bool read_history(const char **at, const char *end, uint64_t *ret)
{
	if (*at < end && **at == '-') {
		++*at;
		*ret = LOG_MARK_NO_HISTORY;
		return true;
	}
	return read_number(at, end, ret);
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* "2026-01-31T12:00:00.000Z" and nothing else. */
static bool read_time(const char **at, const char *end, int64_t *ret_ms)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	enum { LENGTH = sizeof(shape) - 1 };
	char text[LENGTH + 1];
	int year, month, day, hour, minute, second, ms;
	if (end - *at < LENGTH)
		return false;
	for (int i = 0; i < LENGTH; i++) {
		text[i] = (*at)[i];
		if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	}
	text[LENGTH] = '\0';
	sscanf(text, "%d-%d-%dT%d:%d:%d.%dZ", &year, &month, &day, &hour, &minute, &second, &ms);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	struct tm utc = {
		.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second,
	};
	*ret_ms = (int64_t)timegm(&utc) * 1000 + ms;
	*at += LENGTH;
	return true;
}

static bool read_what(const char **at, const char *end, char what[LOG_MARK_WHAT_SIZE])
{
	what[0] = '\0';
	if (*at == end)
		return true;
	if (!read_space(at, end))
		return false;
	size_t n = (size_t)(end - *at);
	if (n == 0 || n >= LOG_MARK_WHAT_SIZE)
		return false;
	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)(*at)[i]))
			return false;
	memcpy(what, *at, n);
	what[n] = '\0';
	return true;
}

bool log_mark_parse(const char *line, size_t n, struct log_mark *ret)
{
	const char *at = line, *end = line + n;
	struct log_mark mark;
	if (!read_number(&at, end, &mark.offset) || !read_space(&at, end) ||
		!read_history(&at, end, &mark.history) || !read_space(&at, end) ||
		!read_time(&at, end, &mark.time_ms) || !read_what(&at, end, mark.what))
		return false;
	*ret = mark;
	return true;
}

/* The number after a word that ends in a blank. */
static const char *number_after(const char *what, const char *word, uint64_t *ret)
{
	size_t n = strlen(word);
	if (strncmp(what, word, n) != 0)
		return NULL;
	const char *at = what + n, *end = what + strlen(what);
	return read_number(&at, end, ret) ? at : NULL;
}

bool log_mark_is_gap(const struct log_mark *mark, uint64_t *ret_missed)
{
	const char *end = number_after(mark->what, "gap ", ret_missed);
	return end != NULL && *end == '\0';
}

bool log_mark_is_start(const struct log_mark *mark, uint64_t *ret_position)
{
	const char *end = number_after(mark->what, "start ", ret_position);
	return end != NULL && (*end == '\0' || *end == ' ');
}

/* ---- the file -------------------------------------------------------------------------------- */

static int open_index(int dir_fd, const char *name, int flags)
{
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct stat st;
	if (fd < 0)
		return -errno;
	int code = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (code == 0)
		return fd;
	fd_close(fd);
	return code;
}

static ssize_t read_at(int fd, char *text, size_t n, off_t at)
{
	ssize_t got;
	do
		got = pread(fd, text, n, at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int read_first(int fd, struct log_index_ends *ends)
{
	char text[LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	ssize_t n = read_at(fd, text, sizeof(text), 0);
	if (n < 0)
		return (int)n;
	const char *end = memchr(text, '\n', (size_t)n);
	if (end == NULL || !log_mark_parse(text, (size_t)(end - text), &mark) ||
		!log_mark_is_start(&mark, &ends->position))
		return -ENODATA;
	return 0;
}

/* The last whole line stands in the last two lines' room. */
static int read_last(int fd, struct log_index_ends *ends)
{
	char text[2 * LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	off_t at = st.st_size > (off_t)sizeof(text) ? st.st_size - (off_t)sizeof(text) : 0;
	ssize_t n = read_at(fd, text, sizeof(text), at);
	if (n < 0)
		return (int)n;
	const char *end = memrchr(text, '\n', (size_t)n);
	if (end == NULL)
		return -ENODATA;
	const char *before = memrchr(text, '\n', (size_t)(end - text));
	const char *line = before != NULL ? before + 1 : text;
	if (!log_mark_parse(line, (size_t)(end - line), &mark))
		return -ENODATA;
	ends->last = mark.offset;
	ends->size = (uint64_t)at + (uint64_t)(end + 1 - text);
	return 0;
}

int log_index_read_ends(int dir_fd, const char *name, struct log_index_ends *ret)
{
	struct log_index_ends ends = {0};
	int fd = open_index(dir_fd, name, O_RDONLY);
	if (fd < 0)
		return fd;
	int code = read_first(fd, &ends);
	if (code == 0)
		code = read_last(fd, &ends);
	fd_close(fd);
	if (code == 0)
		*ret = ends;
	return code;
}

static uint64_t missed_by(const char *line, size_t n, uint64_t offset, uint64_t history)
{
	struct log_mark mark;
	uint64_t missed;
	bool counts = log_mark_parse(line, n, &mark) && mark.offset >= offset &&
		      mark.history != LOG_MARK_NO_HISTORY && mark.history > history &&
		      log_mark_is_gap(&mark, &missed);
	return counts ? missed : 0;
}

/* The first line may be half of one: that is no mark, or one of which only digits are missing, and
 * so too small. */
int log_index_missed(int dir_fd, const char *name, uint64_t offset, uint64_t history, uint64_t *ret)
{
	char text[LOG_INDEX_LAST_LINES * LOG_MARK_LINE_SIZE];
	struct stat st;
	*ret = 0;
	int fd = open_index(dir_fd, name, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	int code = fstat(fd, &st) < 0 ? -errno : 0;
	off_t at = code == 0 && st.st_size > (off_t)sizeof(text) ? st.st_size - (off_t)sizeof(text)
								 : 0;
	ssize_t n = code == 0 ? read_at(fd, text, sizeof(text), at) : code;
	fd_close(fd);
	if (n < 0)
		return (int)n;
	const char *line = text, *end;
	while ((end = memchr(line, '\n', (size_t)(text + n - line))) != NULL) {
		*ret += missed_by(line, (size_t)(end - line), offset, history);
		line = end + 1;
	}
	return 0;
}

int log_index_add(int dir_fd, const char *name, uint64_t size, const char *text, size_t n)
{
	struct stat st;
	int fd = open_index(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT);
	if (fd < 0)
		return fd;
	int code = fstat(fd, &st) < 0 ? -errno : 0;
	if (code == 0 && (uint64_t)st.st_size > size && ftruncate(fd, (off_t)size) < 0)
		code = -errno;
	if (code == 0)
		code = fd_write_all(fd, text, n);
	/* What cannot be taken back now is by the next one. */
	if (code < 0 && ftruncate(fd, (off_t)size) < 0)
		code = -errno;
	fd_close(fd);
	return code;
}
