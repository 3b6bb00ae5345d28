/* cli/log_format.c: a log's frames in, text out. */
#include "test.h"

#include "cli/log_format.h"
#include "util/strbuf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct bench {
	struct log_format format;
	struct strbuf out;
	uint64_t position;
};

static void on_out(void *user, const void *bytes, size_t n)
{
	struct bench *bench = user;
	strbuf_add_bytes(&bench->out, bytes, n);
}

static void on_gap(void *user, uint64_t offset, uint64_t missed)
{
	struct bench *bench = user;
	strbuf_addf(&bench->out, "<%" PRIu64 " before %" PRIu64 ">", missed, offset);
}

static const struct log_format_sink sink = {.out = on_out, .gap = on_gap};

static struct bench bench;

static void begin(enum log_format_mode mode)
{
	strbuf_fini(&bench.out);
	bench.position = 0;
	log_format_init(&bench.format, mode, &sink, &bench);
}

static void data_at(uint64_t offset, const char *text, size_t n)
{
	log_format_frames.data(&bench.format, offset, (const uint8_t *)text, n);
	bench.position = offset + n;
}

static void data(const char *text)
{
	data_at(bench.position, text, strlen(text));
}

static void frame(enum frame_type type, const char *json)
{
	const struct frame head = {
		.type = (uint8_t)type, .length = (uint32_t)strlen(json), .offset = bench.position};
	log_format_frames.frame(&bench.format, &head, (const uint8_t *)json);
}

static void mark(const char *json)
{
	frame(FRAME_MARK, json);
}

static void assert_out(const char *wanted)
{
	log_format_end(&bench.format);
	assert_false(bench.format.failed);
	assert_string_equal(bench.out.length > 0 ? bench.out.data : "", wanted);
	strbuf_fini(&bench.out);
}

#define T1 "2026-01-01T00:00:01.000Z"
#define T2 "2026-01-01T00:00:02.000Z"

static void raw_is_the_bytes_alone(void **state)
{
	begin(LOG_FORMAT_RAW);
	mark("{\"time\":\"" T1 "\",\"what\":\"connect console\"}");
	data("one\r\ntw");
	mark("{\"time\":\"" T2 "\",\"what\":\"\"}");
	data("o");
	assert_out("one\r\ntwo");
}

static void each_line_has_the_time_at_its_beginning(void **state)
{
	begin(LOG_FORMAT_TIMESTAMPS);
	data("before\n");
	mark("{\"time\":\"" T1 "\",\"what\":\"\"}");
	data("one\r\ntw");
	mark("{\"time\":\"" T2 "\",\"what\":\"gap 3\"}");
	data("o\r\n");
	data("\n");
	data("no end");
	assert_out("- before\n" T1 " one\r\n" T1 " two\r\n" T2 " \n" T2 " no end\n");
}

static void json_has_a_line_on_each_line(void **state)
{
	begin(LOG_FORMAT_JSON);
	data("a\r\n\n");
	mark("{\"time\":\"" T1 "\",\"what\":\"connect \\\"x\\\"\"}");
	data("\xc3\xa4\x1b[m\n");
	data_at(bench.position, "\xff\0\n", 3);
	data("end");
	assert_out("{\"time\":null,\"offset\":0,\"text\":\"a\"}\n"
		   "{\"time\":null,\"offset\":3,\"text\":\"\"}\n"
		   "{\"time\":\"" T1 "\",\"offset\":4,\"event\":\"connect \\\"x\\\"\"}\n"
		   "{\"time\":\"" T1 "\",\"offset\":4,\"text\":\"\xc3\xa4\\u001B[m\"}\n"
		   "{\"time\":\"" T1 "\",\"offset\":10,\"data\":\"/wA=\"}\n"
		   "{\"time\":\"" T1 "\",\"offset\":13,\"text\":\"end\"}\n");
}

static void bytes_may_come_cut_anywhere(void **state)
{
	static const char text[] = "one\r\ntwo\nthree";
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		begin(LOG_FORMAT_JSON);
		data_at(0, text, cut);
		data_at(cut, text + cut, sizeof(text) - 1 - cut);
		assert_out("{\"time\":null,\"offset\":0,\"text\":\"one\"}\n"
			   "{\"time\":null,\"offset\":5,\"text\":\"two\"}\n"
			   "{\"time\":null,\"offset\":9,\"text\":\"three\"}\n");
	}
}

static void a_gap_is_told_where_it_is(void **state)
{
	begin(LOG_FORMAT_TIMESTAMPS);
	data("one\nhal");
	data_at(100, "f\n", 2);
	bench.position = 200;
	mark("{\"gap\":98}");
	data("two\n");
	mark("{\"gap\":null}");
	data("three\n");
	assert_out(
		"- one\n- hal\n<93 before 100>- f\n<98 before 200>- two\n<0 before 204>- three\n");

	begin(LOG_FORMAT_JSON);
	data("x\n");
	data_at(10, "y\n", 2);
	mark("{\"gap\":null}");
	assert_out("{\"time\":null,\"offset\":0,\"text\":\"x\"}\n"
		   "{\"time\":null,\"offset\":10,\"gap\":8}\n"
		   "{\"time\":null,\"offset\":10,\"text\":\"y\"}\n"
		   "{\"time\":null,\"offset\":12,\"gap\":null}\n");
}

static void a_log_may_begin_anywhere(void **state)
{
	begin(LOG_FORMAT_RAW);
	data_at(1000, "x", 1);
	assert_out("x");
}

static void the_end_says_why_and_what_is_missing(void **state)
{
	begin(LOG_FORMAT_RAW);
	data("x");
	bench.position = 5;
	frame(FRAME_NOTICE, "{\"notice\":\"end\",\"code\":-5,\"reason\":\"the disk fails\"}");
	assert_true(bench.format.ended);
	assert_string_equal(bench.format.end_reason, "the disk fails");
	assert_out("x<4 before 5>");

	begin(LOG_FORMAT_RAW);
	frame(FRAME_NOTICE, "{\"notice\":\"another\"}");
	assert_false(bench.format.ended);
	frame(FRAME_NOTICE, "{\"notice\":\"end\",\"code\":0,\"reason\":\"\"}");
	assert_true(bench.format.ended);
	assert_string_equal(bench.format.end_reason, "");
}

static void a_line_without_end_is_cut(void **state)
{
	enum { SIZE = LOG_FORMAT_LINE_MAX + 10 };
	char *text = malloc(SIZE);
	assert_non_null(text);
	memset(text, 'x', SIZE);
	begin(LOG_FORMAT_JSON);
	data_at(0, text, SIZE);
	log_format_end(&bench.format);
	assert_false(bench.format.failed);
	assert_non_null(
		strstr(bench.out.data, "x\",\"continues\":true}\n{\"time\":null,\"offset\":65536,"
				       "\"text\":\"xxxxxxxxxx\"}\n"));
	assert_int_equal(bench.out.length - SIZE,
		strlen("{\"time\":null,\"offset\":0,\"text\":\"\",\"continues\":true}\n"
		       "{\"time\":null,\"offset\":65536,\"text\":\"\"}\n"));
	free(text);
	strbuf_fini(&bench.out);
}

static void a_mark_that_is_none_is_noted(void **state)
{
	begin(LOG_FORMAT_RAW);
	mark("{\"time\":");
	assert_true(bench.format.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_is_the_bytes_alone),
		cmocka_unit_test(each_line_has_the_time_at_its_beginning),
		cmocka_unit_test(json_has_a_line_on_each_line),
		cmocka_unit_test(bytes_may_come_cut_anywhere),
		cmocka_unit_test(a_gap_is_told_where_it_is),
		cmocka_unit_test(a_log_may_begin_anywhere),
		cmocka_unit_test(the_end_says_why_and_what_is_missing),
		cmocka_unit_test(a_line_without_end_is_cut),
		cmocka_unit_test(a_mark_that_is_none_is_noted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
