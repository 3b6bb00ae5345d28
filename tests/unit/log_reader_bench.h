/*
 * A reader beside the log of log_bench.h, which puts down in `seen` what it is told, and checks
 * that each byte is the right one of the sequence.
 */
#ifndef CHARDEV_TEST_LOG_READER_BENCH_H
#define CHARDEV_TEST_LOG_READER_BENCH_H

#include "fail.h"
#include "log_bench.h"

#include "backend/log_reader.h"

enum { MARKS = 64 };

static struct {
	struct log_reader *reader;
	uint64_t first; /* the place of the first byte */
	uint64_t place; /* and the one after the last */
	uint64_t bytes;
	uint64_t missed; /* told as gaps */
	unsigned gaps;
	unsigned unknown; /* gaps of which nobody knows how long they are */
	unsigned marks;
	uint64_t mark_at[MARKS];
	int64_t mark_ms[MARKS];
	char mark_what[MARKS][LOG_MARK_WHAT_SIZE];
	bool paused; /* asks for nothing more by itself */
	unsigned events;
	bool ended;
	int code;
	bool closed;
} seen;

static inline void go_on(void)
{
	seen.events++;
	if (!seen.paused)
		log_reader_next(seen.reader);
	loop_stop(bench->loop);
}

static inline void on_bytes(void *user, uint64_t position, const void *bytes, size_t n)
{
	assert_true(n > 0 && n <= LOG_READER_PIECE_MAX);
	if (seen.bytes == 0)
		seen.first = position;
	else if (seen.unknown == 0)
		assert_int_equal(position, seen.place);
	for (size_t i = 0; i < n && seen.unknown == 0; i++)
		if (((const char *)bytes)[i] != log_byte(position + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(position + i));
	seen.place = position + n;
	seen.bytes += n;
	go_on();
}

static inline void on_mark(void *user, uint64_t position, int64_t time_ms, const char *what)
{
	if (seen.marks < MARKS) {
		seen.mark_at[seen.marks] = position;
		seen.mark_ms[seen.marks] = time_ms;
		snprintf(seen.mark_what[seen.marks], LOG_MARK_WHAT_SIZE, "%s", what);
	}
	seen.marks++;
	go_on();
}

static inline void on_gap(void *user, uint64_t position, uint64_t missed)
{
	seen.gaps++;
	seen.missed += missed;
	seen.unknown += missed == 0;
	if (missed != 0)
		assert_int_equal(position, seen.place + missed);
	seen.place = position;
	go_on();
}

static inline void on_end(void *user, int code, const char *message)
{
	assert_true(code == 0 || message[0] != '\0');
	seen.ended = true;
	seen.code = code;
	loop_stop(bench->loop);
}

static const struct log_reader_sink sink = {on_bytes, on_mark, on_gap, on_end};

static inline void begin_reading(const struct log_reader_start *start)
{
	bool paused = seen.paused;
	memset(&seen, 0, sizeof(seen));
	seen.paused = paused;
	assert_int_equal(
		log_reader_new(bench->loop, bench->path, start, &sink, NULL, &seen.reader, NULL),
		0);
	log_reader_next(seen.reader);
}

static inline void on_reader_closed(void *user)
{
	seen.closed = true;
	loop_stop(bench->loop);
}

static inline void end_reading(void)
{
	log_reader_close(seen.reader, on_reader_closed);
	log_wait(seen.closed);
}

static inline void read_all(const struct log_reader_start *start)
{
	begin_reading(start);
	log_wait(seen.ended);
	assert_int_equal(seen.code, 0);
	end_reading();
}

static const struct log_reader_start from_the_oldest = {0};
static const struct log_reader_start following = {.follow = true};

static inline int reset_and_setup(void **state)
{
	fail_reset();
	memset(&seen, 0, sizeof(seen));
	return log_setup(state);
}

#undef with_log
#define with_log(test) cmocka_unit_test_setup_teardown(test, reset_and_setup, log_teardown)

#endif
