/* control/message: calls cut out of a stream of bytes, whatever its pieces; replies. */
#include "test.h"

#include "control/message.h"

#include <errno.h>
#include <string.h>

enum { MAX = 64 * 1024 };

/* Feeds n bytes in pieces of at most `piece`; each message is appended to `got`, with a '|'. */
static void feed(
	struct message_buffer *buffer, const char *bytes, size_t n, size_t piece, char *got)
{
	while (n > 0) {
		char *to;
		size_t room, length;
		assert_int_equal(message_buffer_space(buffer, MAX, &to, &room), 0);
		assert_in_range(room, 1, MESSAGE_READ_SIZE);
		room = room < piece ? room : piece;
		room = room < n ? room : n;
		memcpy(to, bytes, room);
		message_buffer_filled(buffer, room);
		bytes += room;
		n -= room;
		for (const char *text; (text = message_buffer_next(buffer, &length)) != NULL;) {
			assert_int_equal(strlen(text), length);
			strcat(strcat(got, text), "|");
		}
	}
}

static void messages_are_cut_at_every_nul(void **state)
{
	static const char stream[] = "one\0two\0\0three\0fo";
	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		struct message_buffer buffer = {0};
		char got[64] = "";
		size_t n;
		feed(&buffer, stream, sizeof(stream) - 1, piece, got);
		assert_string_equal(got, "one|two||three|");
		const char *rest = message_buffer_rest(&buffer, &n);
		assert_int_equal(n, 2);
		assert_memory_equal(rest, "fo", 2);
		feed(&buffer, "ur", 3, piece, got);
		assert_string_equal(got, "one|two||three|four|");
		message_buffer_trim(&buffer);
		assert_null(buffer.bytes);
	}
}

static void a_message_has_exactly_its_most(void **state)
{
	struct message_buffer buffer = {0};
	char *text = test_calloc(1, MAX + 2), *got = test_calloc(1, MAX + 8), *to;
	size_t room;
	memset(text, 'x', MAX);
	feed(&buffer, text, MAX + 1, MAX, got);
	assert_int_equal(strlen(got), MAX + 1);
	text[MAX] = 'x';
	got[0] = '\0';
	feed(&buffer, text, MAX + 1, MAX, got);
	assert_string_equal(got, "");
	assert_int_equal(message_buffer_space(&buffer, MAX, &to, &room), -EMSGSIZE);
	message_buffer_fini(&buffer);
	test_free(text);
	test_free(got);
}

static void memory_grows_as_needed_and_is_given_back(void **state)
{
	struct message_buffer buffer = {0};
	char *text = test_calloc(1, MAX), *got = test_calloc(1, MAX + 8);
	feed(&buffer, "x", 1, 1, got);
	assert_int_equal(buffer.capacity, MESSAGE_READ_SIZE);
	memset(text, 'x', MAX - 100);
	feed(&buffer, text, MAX - 100, MAX, got);
	assert_in_range(buffer.capacity, MAX - 100, 2 * MAX);
	feed(&buffer, "\0half", 5, 5, got);
	message_buffer_trim(&buffer);
	assert_int_equal(buffer.capacity, MESSAGE_READ_SIZE);
	got[0] = '\0';
	feed(&buffer, "", 1, 1, got);
	assert_string_equal(got, "half|");
	message_buffer_fini(&buffer);
	test_free(text);
	test_free(got);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void a_call_is_read(void **state)
{
	static const char text[] = "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true,"
				   "\"upgrade\":false,\"unknown\":[]}";
	struct message_call call;
	struct error err;
	assert_int_equal(message_read_call(text, strlen(text), &call, &err), 0);
	assert_string_equal(call.method, "a.b.C");
	assert_int_equal(json_integer_value(json_object_get(call.parameters, "x")), 1);
	assert_true(call.more);
	assert_false(call.oneway);
	assert_false(call.upgrade);
	assert_int_equal(json_object_size(call.root), 2); /* what is unknown is not kept */
	message_call_fini(&call);
}

static void what_is_no_call_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "no JSON"},
		{"hello", "no JSON"},
		{"{", "no JSON"},
		{"[]", "text \"method\""},
		{"{}", "text \"method\""},
		{"{\"method\":1}", "text \"method\""},
		{"{\"method\":\"a\",\"method\":\"b\"}", "no JSON"},
		{"{\"method\":\"a\",\"parameters\":[]}", "\"parameters\""},
		{"{\"method\":\"a\",\"parameters\":{\"b\":1,\"b\":2}}", "no JSON"},
		{"{\"method\":\"a\",\"more\":1}", "\"more\""},
		{"{\"method\":\"a\",\"oneway\":\"yes\"}", "\"oneway\""},
		{"{\"method\":\"a\",\"upgrade\":null}", "\"upgrade\""},
		{"{\"method\":\"a\"} x", "no JSON"},
		{"{\"method\":\"\xff\"}", "no JSON"},
		{"{\"method\":\"a\\u0000b\"}", "no JSON"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_call call;
		struct error err;
		int rc = message_read_call(cases[i].text, strlen(cases[i].text), &call, &err);
		assert_int_equal(rc, -EINVAL);
		assert_non_null(strstr(err.message, cases[i].reason));
	}
}

static void depth_is_bounded(void **state)
{
	enum { DEPTH = 100000 };
	struct message_call call;
	struct error err;
	char *text = test_malloc(DEPTH);
	memset(text, '[', DEPTH);
	assert_int_equal(message_read_call(text, DEPTH, &call, &err), -EINVAL);
	test_free(text);
}

/* ---- replies -------------------------------------------------------------------------------- */

static void assert_message(char *text, size_t n, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(n, strlen(expected) + 1);
	free(text);
}

static void replies_are_varlinks(void **state)
{
	size_t n;
	char *text = message_reply(json_object(), false, &n);
	assert_message(text, n, "{\"parameters\":{}}");
	text = message_reply(json_object(), true, &n);
	assert_message(text, n, "{\"parameters\":{},\"continues\":true}");
	text = message_error("a.b.Wrong", json_pack("{s:s}", "message", "so"), &n);
	assert_message(text, n, "{\"error\":\"a.b.Wrong\",\"parameters\":{\"message\":\"so\"}}");
	assert_null(message_reply(NULL, false, &n));
	assert_null(message_error("a.b.Wrong", NULL, &n));
}

static void text_that_is_not_utf_8_is_sent_all_the_same(void **state)
{
	json_t *text = message_text("gr\xc3\xbc\xc3\x9f");
	assert_string_equal(json_string_value(text), "gr\xc3\xbc\xc3\x9f");
	json_decref(text);
	text = message_text("cut \xc3");
	assert_string_equal(json_string_value(text), "cut ?");
	json_decref(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_cut_at_every_nul),
		cmocka_unit_test(a_message_has_exactly_its_most),
		cmocka_unit_test(memory_grows_as_needed_and_is_given_back),
		cmocka_unit_test(a_call_is_read),
		cmocka_unit_test(what_is_no_call_is_refused_with_a_reason),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(replies_are_varlinks),
		cmocka_unit_test(text_that_is_not_utf_8_is_sent_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
