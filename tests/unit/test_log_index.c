/* device/log_index.c: marks in a file beside the log, whatever happens to the disk. */
#include "test.h"

#include "device/log_index.h"
#include "fail.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURN_MS = 5, PATIENCE_MS = 10000 };

static struct loop *loop;
static struct loop_timer timer;
static struct log_index *log_index;
static char directory[64];
static char path[128]; /* of the index */
static char text[16384];

static void on_turn(struct loop_timer *expired)
{
	loop_stop(loop);
}

static int setup(void **state)
{
	char log[96];
	fail_reset();
	snprintf(directory, sizeof(directory), "/tmp/chardev-index-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(log, sizeof(log), "%s/log", directory);
	snprintf(path, sizeof(path), "%s.idx", log);
	assert_int_equal(loop_new(&loop), 0);
	loop_timer_init(&timer, loop, on_turn);
	log_index = log_index_new(loop, log);
	assert_non_null(log_index);
	return 0;
}

static void on_closed(void *user)
{
	loop_stop(user);
}

static int teardown(void **state)
{
	log_index_close(log_index, on_closed, loop);
	loop_run(loop);
	loop_timer_close(&timer, NULL);
	loop_drain(loop);
	loop = loop_free(loop);
	unlink(path);
	rmdir(directory);
	return 0;
}

static size_t read_index(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	fd_close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return (size_t)n;
}

static unsigned count_lines(void)
{
	unsigned n = 0;
	read_index();
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		n++;
	return n;
}

/* Runs the loop until the file has so many lines. */
static void await_lines(unsigned lines)
{
	int waited = 0;
	for (; count_lines() < lines && waited < PATIENCE_MS; waited += TURN_MS) {
		loop_timer_start(&timer, TURN_MS);
		loop_run(loop);
	}
	assert_int_equal(count_lines(), lines);
}

/* Waits without the loop: whoever wrote, or tried to, has not been heard of yet. */
static void await_writes(int count)
{
	time_t until = time(NULL) + PATIENCE_MS / 1000;
	while (fail_count(FAIL_WRITE) < count && time(NULL) < until)
		sched_yield();
	assert_true(fail_count(FAIL_WRITE) >= count);
}

static void a_gap_is_a_line(void **state)
{
	unsigned long long log_offset, history_offset, missed;
	char when[32], rest;
	assert_int_equal(access(path, F_OK), -1);
	log_index_gap(log_index, 100, 350, 250);
	await_lines(1);
	assert_int_equal(sscanf(text, "%llu %llu %31s gap %llu%c", &log_offset, &history_offset,
				 when, &missed, &rest),
		5);
	assert_int_equal(log_offset, 100);
	assert_int_equal(history_offset, 350);
	assert_int_equal(missed, 250);
	assert_int_equal(rest, '\n');
	assert_int_equal(strlen(when), strlen("2026-01-01T00:00:00.000Z"));
	log_index_gap(log_index, 120, 400, 30);
	await_lines(2);
}

static void what_could_not_be_written_is_not_forgotten(void **state)
{
	fail_from(FAIL_WRITE, 1, ENOSPC);
	log_index_gap(log_index, 100, 350, 250);
	await_writes(1);
	/* The failure is not known yet, and its cause is over: this flush must count. */
	fail_reset();
	log_index_flush(log_index);
	await_lines(1);
	assert_non_null(strstr(text, "100 350 "));
}

static void gaps_at_one_place_are_one(void **state)
{
	fail_from(FAIL_WRITE, 1, ENOSPC);
	for (unsigned i = 1; i <= 3; i++)
		log_index_gap(log_index, 100, 100 + 50 * i, 50);
	log_index_gap(log_index, 101, 252, 1);
	await_writes(1);
	assert_int_equal(read_index(), 0);
	fail_reset();
	log_index_flush(log_index);
	await_lines(2);
	assert_int_equal(strncmp(text, "100 250 ", 8), 0);
	assert_non_null(strstr(text, "gap 150\n101 252 "));
	assert_non_null(strstr(text, "gap 1\n"));
}

static void marks_that_wait_are_bounded(void **state)
{
	unsigned long long missed, sum = 0;
	fail_from(FAIL_WRITE, 1, ENOSPC);
	for (unsigned i = 0; i < 3 * LOG_INDEX_MAX_PENDING; i++)
		log_index_gap(log_index, i, 10 * i, 2);
	await_writes(1);
	fail_reset();
	log_index_flush(log_index);
	await_lines(LOG_INDEX_MAX_PENDING);
	for (const char *at = text; (at = strstr(at, "gap ")) != NULL; at++) {
		assert_int_equal(sscanf(at, "gap %llu", &missed), 1);
		sum += missed;
	}
	assert_int_equal(sum, 2 * 3 * LOG_INDEX_MAX_PENDING);
}

static void half_a_line_is_taken_back(void **state)
{
	log_index_gap(log_index, 1, 2, 1);
	await_lines(1);
	size_t before = read_index();
	fail_from(FAIL_WRITE, 1, ENOSPC);
	log_index_gap(log_index, 3, 5, 1);
	await_writes(2);
	fail_reset();
	assert_int_equal(read_index(), before);
	log_index_flush(log_index);
	await_lines(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_gap_is_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_could_not_be_written_is_not_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(gaps_at_one_place_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(marks_that_wait_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(half_a_line_is_taken_back, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
