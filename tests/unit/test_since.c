/* cli/since.c and cli/number.c: times and numbers as people give them. */
#include "test.h"

#include "cli/number.h"
#include "cli/since.h"

#include <errno.h>
#include <string.h>

static const int64_t NOW = 1700000000000;

static int64_t parsed(const char *text)
{
	int64_t ms = -1;
	struct error err = {0};
	assert_int_equal(since_parse(text, NOW, &ms, &err), 0);
	return ms;
}

static void so_long_ago(void **state)
{
	assert_int_equal(parsed("30s"), NOW - 30 * 1000);
	assert_int_equal(parsed("10m"), NOW - 10 * 60 * 1000);
	assert_int_equal(parsed("2h"), NOW - 2 * 3600 * 1000);
	assert_int_equal(parsed("1d"), NOW - 86400 * 1000);
	assert_int_equal(parsed("0s"), NOW);
	/* Before there was time, also where the number itself is too large. */
	assert_int_equal(parsed("99999d"), 0);
	assert_int_equal(parsed("99999999999999999999d"), 0);
	assert_int_equal(parsed("9223372036854775807s"), 0);
}

static void a_time_with_its_zone(void **state)
{
	assert_int_equal(parsed("2023-11-14T22:13:20Z"), NOW);
	assert_int_equal(parsed("2023-11-14T23:13:20.5+01:00"), NOW + 500);
	assert_int_equal(parsed("1969-12-31T23:59:59Z"), 0);
}

static void what_is_no_time(void **state)
{
	static const char *const texts[] = {"", "10", "m", "-10m", "10 m", "10mm", "+10m", "1w",
		"yesterday", "2023-11-14", "2023-11-14T22:13:20", "2023-02-30T00:00:00Z", "0x10m"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t ms = -1;
		struct error err = {0};
		assert_int_equal(since_parse(texts[i], NOW, &ms, &err), -EINVAL);
		assert_int_equal(ms, -1);
		assert_non_null(strstr(err.message, "is no time: give how long ago"));
	}
}

static void how_long(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{-5, "0 s"}, {0, "0 s"}, {59999, "59 s"}, {60000, "1 min 0 s"},
		{3599999, "59 min 59 s"}, {3600000, "1 h 0 min"}, {86399999, "23 h 59 min"},
		{86400000, "1 d 0 h"}, {(int64_t)INT32_MAX * 1000, "24855 d 3 h"}};
	char text[AGO_SIZE];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ago_text(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void numbers(void **state)
{
	static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "1k", "0x1"};
	uint64_t number = 0;
	struct error err = {0};
	assert_int_equal(number_parse("9223372036854775807", "--tail", &number, &err), 0);
	assert_true(number == INT64_MAX);
	assert_int_equal(number_parse("9223372036854775808", "--tail", &number, &err), -ERANGE);
	assert_int_equal(number_parse("99999999999999999999", "--tail", &number, &err), -ERANGE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(number_looks_like(wrong[i]));
		assert_int_equal(number_parse(wrong[i], "--tail", &number, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_long_ago),
		cmocka_unit_test(a_time_with_its_zone),
		cmocka_unit_test(what_is_no_time),
		cmocka_unit_test(how_long),
		cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
