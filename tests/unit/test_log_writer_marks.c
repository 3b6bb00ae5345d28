/* backend/log_writer.c: what stands in the index, and where. */
#include "fail.h"
#include "log_bench.h"

#include "backend/log_index.h"

static void marks_have_their_place(void **state)
{
	char line[LOG_MARK_LINE_SIZE];
	log_open();
	log_put(100);
	log_writer_event(
		bench->writer, log_writer_size(bench->writer), 1100, "connect", "some\nbody");
	log_wait(log_count_marks(" connect some?body\n") == 1);
	log_writer_gap(bench->writer, 100, 1350, 250);
	log_wait(log_count_marks(" gap 250\n") == 1);
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1350, "vm-stop", "");
	log_wait(log_count_marks(" vm-stop\n") == 1);
	assert_int_equal(log_index_line(-1, 0, line), 5);
	assert_int_equal(strncmp(line, "0 1000 ", 7), 0);
	log_index_line(-1, 1, line);
	assert_int_equal(strncmp(line, "0 1000 2", 8), 0);
	assert_int_equal(strcmp(line + strlen(line) - 2, "Z\n"), 0);
	log_index_line(-1, 3, line);
	assert_int_equal(strncmp(line, "100 1350 ", 9), 0);
}

/* The place of the only mark of that kind in the file of that number; UINT64_MAX: it has none. */
static uint64_t place_of_mark(int number, const char *what)
{
	char line[LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	uint64_t place = UINT64_MAX;
	for (unsigned i = 0; i < log_index_line(number, i, line); i++) {
		assert_true(log_mark_parse(line, strlen(line) - 1, &mark));
		if (strcmp(mark.what, what) == 0) {
			assert_true(place == UINT64_MAX);
			place = mark.offset;
		}
	}
	return place;
}

static void a_mark_waits_for_what_comes_before_it(void **state)
{
	log_open();
	log_put(100);
	log_writer_event(bench->writer, 118, 1, "connect", "a");
	log_writer_event(bench->writer, 100, 1, "connect", "b");
	log_wait(place_of_mark(-1, "connect b") == 100);
	assert_int_equal(place_of_mark(-1, "connect a"), UINT64_MAX);
	/* A write ends before the mark, so that a kill never leaves one beyond the end. */
	log_try(50);
	assert_int_equal(bench->count, 18);
	log_wait(place_of_mark(-1, "connect a") == 118);
	/* Bytes that never come: what is behind them comes earlier. */
	log_writer_event(bench->writer, 168, 1, "connect", "c");
	log_writer_event(bench->writer, 218, 1, "connect", "d");
	log_writer_gap(bench->writer, 118, 1, 70);
	log_wait(place_of_mark(-1, "connect c") == 118);
	assert_int_equal(place_of_mark(-1, "gap 70"), 118);
	log_put(40);
	log_wait(place_of_mark(-1, "connect d") == 148);
	/* Nor does anything come after the end. */
	log_writer_event(bench->writer, 1000, 1, "vm-stop", "");
	log_close();
	assert_int_equal(place_of_mark(-1, "vm-stop"), 158);
}

static void a_mark_ahead_stays_in_its_place_when_the_file_is_another(void **state)
{
	log_open();
	log_put(5000);
	uint64_t place = 5000 + 7000;
	log_writer_event(bench->writer, place, 1, "vm-stop", "");
	log_put(8000);
	log_wait(place_of_mark(-1, "vm-stop") != UINT64_MAX);
	assert_int_equal(log_length(0, "") + place_of_mark(-1, "vm-stop"), place);
	/* Cut by others, with what they have written in its place. */
	uint64_t size = log_writer_size(bench->writer);
	log_writer_event(bench->writer, size + 10, 1, "vm-start", "");
	assert_int_equal(truncate(bench->path, 3), 0);
	log_put(30);
	log_wait(place_of_mark(-1, "vm-start") != UINT64_MAX);
	assert_int_equal(place_of_mark(-1, "vm-start"), 13);
}

static void a_write_may_begin_while_marks_are_written(void **state)
{
	char bytes[30];
	struct iovec part = {bytes, sizeof(bytes)};
	log_open();
	log_put(100);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = log_byte(bench->written + i);
	fail_reset();
	fail_nth(FAIL_OPENAT, 1, FAIL_BY_WAITING);
	log_writer_event(bench->writer, 100, 1, "connect", "a");
	log_wait(fail_count(FAIL_OPENAT) == 1);
	bench->done = false;
	log_writer_write(bench->writer, &part, 1);
	fail_release();
	log_wait(bench->done);
	assert_int_equal(bench->count, sizeof(bytes));
	bench->written += sizeof(bytes);
	assert_log_has(0);
}

static void times_are_told_ten_times_a_second_at_most(void **state)
{
	log_open();
	uint64_t before = loop_now_ms(bench->loop);
	for (int i = 0; i < 500; i++)
		log_put(1);
	uint64_t passed = loop_now_ms(bench->loop) - before;
	char line[LOG_MARK_LINE_SIZE];
	assert_in_range(log_index_line(-1, 0, line), 2, 3 + passed / LOG_WRITER_TIME_MS);
	log_close();
	assert_int_equal(unlink(bench->path), 0);
	assert_int_equal(unlink(log_name(-1, ".idx")), 0);
	bench->limits.timestamps = false;
	log_open();
	log_put(10);
	assert_int_equal(log_index_line(-1, 0, line), 1);
}

static void an_index_alone_fills_a_file(void **state)
{
	log_open();
	log_put(1);
	for (int i = 0; i < 1000 && !log_exists(0, ""); i++) {
		log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "connect",
			"somebody with quite a long name");
		log_put(1);
	}
	assert_true(log_exists(0, ""));
	assert_in_range(log_length(0, ".idx"), 9000, 10000);
	assert_log_has(0);
}

static void marks_that_could_not_be_written_wait(void **state)
{
	log_open();
	log_put(100);
	fail_from(FAIL_WRITE, 1, ENOSPC);
	for (unsigned i = 1; i <= 3; i++)
		log_writer_gap(bench->writer, 100, 100 + 50 * i, 50);
	for (unsigned i = 0; i < 50; i++)
		log_writer_event(
			bench->writer, log_writer_size(bench->writer), 1, "connect", "somebody");
	for (unsigned i = 0; i < 50; i++)
		log_writer_gap(bench->writer, 101 + i, 300, 2);
	log_wait(fail_count(FAIL_WRITE) > 1);
	/* Nothing comes behind a gap of which nobody knows. */
	log_try(1);
	assert_int_equal(bench->failure, -ENOSPC);
	assert_int_equal(bench->count, 0);
	assert_int_equal(log_count_marks(" gap "), 0);
	fail_reset();
	log_put(1);
	char line[LOG_MARK_LINE_SIZE];
	unsigned long long missed = 0, n;
	unsigned lines = log_index_line(-1, 0, line);
	assert_in_range(lines, 3, 3 + LOG_MARKS_MAX);
	for (unsigned i = 0; i < lines; i++) {
		log_index_line(-1, i, line);
		const char *gap = strstr(line, " gap ");
		if (gap != NULL && sscanf(gap, " gap %llu", &n) == 1)
			missed += n;
	}
	assert_int_equal(missed, 150 + 100);
}

static void half_a_line_is_taken_back(void **state)
{
	log_open();
	log_put(10);
	uint64_t before = log_length(-1, ".idx");
	log_close();
	FILE *file = fopen(log_name(-1, ".idx"), "ae");
	fputs("10 20 2026-01-0", file);
	fclose(file);
	log_open();
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "vm-start", "");
	log_wait(log_count_marks(" vm-start\n") == 1);
	assert_true(log_length(-1, ".idx") > before + 20);
	assert_int_equal(log_count_marks("2026-01-0\n"), 0);
	assert_int_equal(log_count_marks(" start "), 1);
	char line[LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	for (unsigned i = 0; i < log_index_line(-1, i, line); i++)
		assert_true(log_mark_parse(line, strlen(line) - 1, &mark));
}

static int reset_and_setup(void **state)
{
	fail_reset();
	return log_setup(state);
}

#undef with_log
#define with_log(test) cmocka_unit_test_setup_teardown(test, reset_and_setup, log_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_log(marks_have_their_place),
		with_log(a_mark_waits_for_what_comes_before_it),
		with_log(a_mark_ahead_stays_in_its_place_when_the_file_is_another),
		with_log(a_write_may_begin_while_marks_are_written),
		with_log(times_are_told_ten_times_a_second_at_most),
		with_log(an_index_alone_fills_a_file),
		with_log(marks_that_could_not_be_written_wait),
		with_log(half_a_line_is_taken_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
