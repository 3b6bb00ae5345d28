/* Points in time as RFC 3339 texts: tables both ways. */
#include "test.h"

#include "util/time_text.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *text;
	int64_t ms;
} texts[] = {
	{"1970-01-01T00:00:00.000Z", 0},
	{"1970-01-01T00:00:00.001Z", 1},
	{"1969-12-31T23:59:59.999Z", -1},
	{"1969-12-31T23:59:59.000Z", -1000},
	{"2026-11-24T17:18:47.123Z", 1795540727123},
	{"2000-02-29T00:00:00.000Z", 951782400000},
	{"9999-12-31T23:59:59.999Z", 253402300799999},
};

/* Of texts that are read, but not written so. */
static const struct {
	const char *text;
	int64_t ms;
} others[] = {
	{"2026-11-24T17:18:47Z", 1795540727000},
	{"2026-11-24t17:18:47z", 1795540727000},
	{"2026-11-24 17:18:47Z", 1795540727000},
	{"2026-11-24T17:18:47.1Z", 1795540727100},
	{"2026-11-24T17:18:47.1239999999Z", 1795540727123},
	{"2026-11-24T18:18:47.123+01:00", 1795540727123},
	{"2026-11-24T11:48:47.123-05:30", 1795540727123},
	{"2026-11-24T17:18:47.123-00:00", 1795540727123},
	{"2016-12-31T23:59:60Z", 1483228800000},
};

static const char *const wrong[] = {
	"",
	"now",
	"2026-11-24",
	"2026-11-24T17:18:47",
	"2026-11-24T17:18Z",
	"2026-11-24T17:18:47.Z",
	"2026-11-24T17:18:47,5Z",
	"2026-11-24T17:18:47Z ",
	"2026-11-24T17:18:47+1:00",
	"2026-11-24T17:18:47+24:00",
	"2026-11-24T24:00:00Z",
	"2026-11-24T17:60:00Z",
	"2026-11-24T17:18:61Z",
	"2026-13-01T00:00:00Z",
	"2026-00-01T00:00:00Z",
	"2026-11-31T00:00:00Z",
	"2026-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"26-11-24T17:18:47Z",
	"+026-11-24T17:18:47Z",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void texts_are_written_and_read(void **state)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		char text[TIME_TEXT_SIZE];
		int64_t ms = 77;
		time_text(texts[i].ms, text);
		assert_string_equal(text, texts[i].text);
		assert_int_equal(time_parse(text, &ms), 0);
		assert_true(ms == texts[i].ms);
	}
}

static void other_texts_are_read(void **state)
{
	for (size_t i = 0; i < COUNT(others); i++) {
		int64_t ms = 77;
		assert_int_equal(time_parse(others[i].text, &ms), 0);
		if (ms != others[i].ms)
			fail_msg("%s: %lld", others[i].text, (long long)ms);
	}
}

static void wrong_texts_are_refused(void **state)
{
	for (size_t i = 0; i < COUNT(wrong); i++) {
		int64_t ms = 77;
		if (time_parse(wrong[i], &ms) != -EINVAL || ms != 77)
			fail_msg("\"%s\" is no time", wrong[i]);
	}
}

static void every_value_has_a_text(void **state)
{
	char text[TIME_TEXT_SIZE];
	time_text(INT64_MAX, text);
	assert_string_equal(text, "292278994-08-17T07:12:55.807Z");
	time_text(INT64_MIN, text);
	assert_non_null(strstr(text, "16:47:04.192Z"));
}

static void now_is_now(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000;
	int64_t now = time_now_ms();
	assert_true(now >= before && now < before + 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_written_and_read),
		cmocka_unit_test(other_texts_are_read),
		cmocka_unit_test(wrong_texts_are_refused),
		cmocka_unit_test(every_value_has_a_text),
		cmocka_unit_test(now_is_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
