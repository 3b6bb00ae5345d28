/* backend/log_index.c: lines of an index, written and read, and its last ones. */
#include "test.h"

#include "backend/log_index.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse(const char *line, struct log_mark *ret)
{
	return log_mark_parse(line, strlen(line), ret);
}

static void a_line_is_read_as_it_was_written(void **state)
{
	struct log_mark mark = {100, 350, 1769904000123, "gap 250"}, back;
	char line[LOG_MARK_LINE_SIZE];
	uint64_t number;
	size_t n = log_mark_format(&mark, line);
	assert_string_equal(line, "100 350 2026-02-01T00:00:00.123Z gap 250\n");
	assert_true(log_mark_parse(line, n - 1, &back));
	assert_int_equal(back.offset, 100);
	assert_int_equal(back.history, 350);
	assert_int_equal(back.time_ms, 1769904000123);
	assert_true(log_mark_is_gap(&back, &number));
	assert_int_equal(number, 250);
	assert_false(log_mark_is_start(&back, &number));
	mark = (struct log_mark){UINT64_MAX, LOG_MARK_NO_HISTORY, 0, ""};
	n = log_mark_format(&mark, line);
	assert_string_equal(line, "18446744073709551615 - 1970-01-01T00:00:00.000Z\n");
	assert_true(log_mark_parse(line, n - 1, &back));
	assert_int_equal(back.history, LOG_MARK_NO_HISTORY);
	assert_string_equal(back.what, "");
	assert_true(parse("0 0 2026-02-01T00:00:00.000Z start 17 0000000000000abc", &back));
	assert_true(log_mark_is_start(&back, &number));
	assert_int_equal(number, 17);
}

static void the_longest_name_fits(void **state)
{
	struct log_mark mark = {UINT64_MAX, UINT64_MAX - 1, 1769904000123, ""}, back;
	char name[400], line[LOG_MARK_LINE_SIZE];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name[5] = '\n';
	log_mark_name(&mark, "disconnect", name);
	size_t n = log_mark_format(&mark, line);
	assert_int_equal(line[n - 1], '\n');
	assert_true(log_mark_parse(line, n - 1, &back));
	assert_string_equal(back.what, mark.what);
	assert_int_equal(strncmp(back.what, "disconnect xxxxx?xxx", 20), 0);
}

static void what_is_no_mark_is_refused(void **state)
{
	static const char *const lines[] = {"", "1", "1 2", "1 2 3",
		" 1 2 2026-02-01T00:00:00.000Z", "1 2 2026-02-01T00:00:00.000",
		"1 2 2026-02-30T00:00:00.000Z", "1 2 2026-02-01T24:00:00.000Z",
		"-1 2 2026-02-01T00:00:00.000Z", "1 x 2026-02-01T00:00:00.000Z",
		"18446744073709551616 2 2026-02-01T00:00:00.000Z",
		"1 2 2026-02-01T00:00:00.000Zgap 1", "1 2 2026-02-01T00:00:00.000Z ",
		"1 2 2026-02-01T00:00:00.000Z gap\t1", "1 2 2026-13-01T00:00:00.000Z",
		"1 2 1969-01-01T00:00:00.000Z", "1 2 2025-02-29T00:00:00.000Z"};
	struct log_mark mark;
	uint64_t number;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i], &mark))
			fail_msg("\"%s\" was taken", lines[i]);
	assert_true(parse("1 2 2024-02-29T00:00:00.000Z gap 1x", &mark));
	assert_false(log_mark_is_gap(&mark, &number));
}

static void put_index(const char *path, int times, const char *end)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs("0 0 2026-01-31T12:00:00.000Z start 0 -\n", file);
	for (int i = 0; i < times; i++)
		fputs("100 9000 2026-01-31T12:00:00.000Z\n", file);
	fputs(end, file);
	fclose(file);
}

static void gaps_at_the_end_are_added_up(void **state)
{
	static const char gaps[] = "50 9000 2026-01-31T12:00:00.000Z gap 1\n"
				   "100 500 2026-01-31T12:00:00.000Z gap 10\n"
				   "100 - 2026-01-31T12:00:00.000Z gap 100\n"
				   "100 501 2026-01-31T12:00:00.000Z gap 1000\n"
				   "100 9000 2026-01-31T12:00:00.000Z vm-stop\n"
				   "100 9000 2026-01-31T12:00:00.000Z gap 10000\n"
				   "100 9000 2026-01-31T12:00:00.000Z gap 1000";
	char dir[] = "/tmp/chardev-index-XXXXXX", path[64];
	uint64_t missed;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/idx", dir);
	assert_int_equal(log_index_missed(AT_FDCWD, path, 100, 500, &missed), 0);
	assert_int_equal(missed, 0);
	/* However long it is, and wherever that begins to be read. */
	for (int times = 0; times < 400; times++) {
		put_index(path, times, gaps);
		assert_int_equal(log_index_missed(AT_FDCWD, path, 100, 500, &missed), 0);
		assert_int_equal(missed, 11000);
	}
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_read_as_it_was_written),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(what_is_no_mark_is_refused),
		cmocka_unit_test(gaps_at_the_end_are_added_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
