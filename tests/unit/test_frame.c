/* control/frame.c: tables of bytes and frames, whole and cut everywhere. */
#include "test.h"

#include "control/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What came out, a line for each call, but that DATA in pieces reads as if it came whole. */
struct told {
	char text[1024];
	size_t size;
	bool in_data;
	uint64_t next; /* where DATA goes on */
	unsigned calls;
};

static void tell(struct told *told, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	told->size += (size_t)vsnprintf(
		told->text + told->size, sizeof(told->text) - told->size, format, args);
	va_end(args);
	assert_true(told->size < sizeof(told->text));
}

static void on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct told *told = user;
	assert_true(n > 0);
	if (!told->in_data || offset != told->next)
		tell(told, "D%llu:", (unsigned long long)offset);
	tell(told, "%.*s", (int)n, (const char *)bytes);
	told->in_data = true;
	told->next = offset + n;
	told->calls++;
}

static void on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct told *told = user;
	tell(told, "%c%llu:%.*s;", frame->type, (unsigned long long)frame->offset,
		(int)frame->length, (const char *)payload);
	told->in_data = false;
	told->calls++;
}

static const struct frame_sink sink = {.data = on_data, .frame = on_frame};

/* Decodes pieces of `step` bytes, the first one of `first`. */
static int decode(const uint8_t *bytes, size_t n, size_t first, size_t step, struct told *ret_told)
{
	static struct frame_decoder decoder;
	int rc = 0;
	frame_decoder_init(&decoder);
	*ret_told = (struct told){0};
	for (size_t at = 0, piece = first; at < n && rc == 0; at += piece, piece = step) {
		if (piece > n - at)
			piece = n - at;
		rc = frame_decode(&decoder, bytes + at, piece, &sink, ret_told);
	}
	return rc;
}

#define BYTES(literal)             (const uint8_t *)(literal), sizeof(literal) - 1
#define HEAD(type, length, offset) type "\0\0" length "\0\0\0\0\0\0\0" offset

static const struct {
	const uint8_t *bytes;
	size_t size;
	const char *told;
} table[] = {
	{BYTES(""), ""},
	{BYTES(HEAD("D", "\5", "\7") "hello"), "D7:hello"},
	{BYTES(HEAD("D", "\2", "\7") "he" HEAD("D", "\3", "\11") "llo"), "D7:hello"},
	{BYTES(HEAD("D", "\2", "\7") "he" HEAD("D", "\3", "\12") "llo"), "D7:heD10:llo"},
	{BYTES(HEAD("D", "\0", "\7") HEAD("D", "\1", "\7") "x"), "D7:x"},
	{BYTES(HEAD("B", "\0", "\7")), "B7:;"},
	{BYTES(HEAD("P", "\1", "\0") "a" HEAD("P", "\1", "\0") "g"), "P0:a;P0:g;"},
	{BYTES(HEAD("W", "\4", "\0") "abcd"), "W0:abcd;"},
	{BYTES(HEAD("N", "\2", "\0") "{}" HEAD("M", "\2", "\1") "{}"), "N0:{};M1:{};"},
	/* Unknown ones are skipped. */
	{BYTES(HEAD("?", "\5", "\7") "hello" HEAD("B", "\0", "\3")), "B3:;"},
	{BYTES(HEAD("\0", "\0", "\0") HEAD("d", "\1", "\7") "x" HEAD("B", "\0", "\0")), "B0:;"},
	{BYTES("B\0\0\0\1\2\3\4\5\6\7\10"), "B72623859790382856:;"},
	/* What is not whole has not come. */
	{BYTES("D"), ""},
	{BYTES(HEAD("D", "\5", "\7")), ""},
	{BYTES(HEAD("D", "\5", "\7") "hel"), "D7:hel"},
	{BYTES(HEAD("P", "\2", "\0") "a"), ""},
};

static void frames_are_decoded_however_they_are_cut(void **state)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t first = 0; first <= table[i].size; first++) {
			for (size_t step = 1; step <= table[i].size + 1; step++) {
				struct told told;
				assert_int_equal(
					decode(table[i].bytes, table[i].size, first, step, &told),
					0);
				if (strcmp(told.text, table[i].told) != 0)
					fail_msg("row %zu, cut at %zu, then by %zu: %s", i, first,
						step, told.text);
			}
		}
	}
}

static void what_is_encoded_is_decoded(void **state)
{
	static const struct frame frames[] = {
		{FRAME_BREAK, 0, 0},
		{FRAME_BREAK, 0, UINT64_MAX},
		{FRAME_DATA, FRAME_PAYLOAD_MAX, 0x0102030405060708},
		{FRAME_NOTICE, 0x1234, 1},
	};
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct frame_decoder decoder;
		uint8_t header[FRAME_HEADER_SIZE];
		struct told told = {0};
		frame_decoder_init(&decoder);
		frame_encode(&frames[i], header);
		assert_int_equal(
			frame_decode(&decoder, header, FRAME_HEADER_SIZE - 1, &sink, &told), 0);
		assert_int_equal(
			frame_decode(&decoder, header + FRAME_HEADER_SIZE - 1, 1, &sink, &told), 0);
		assert_int_equal(told.calls, frames[i].length == 0);
		assert_int_equal(decoder.frame.type, frames[i].type);
		assert_int_equal(decoder.frame.length, frames[i].length);
		assert_true(decoder.frame.offset == frames[i].offset);
	}
}

/* A payload of the greatest size passes, one byte more does not, whatever the type. */
static void a_frame_has_a_greatest_size(void **state)
{
	static const char types[] = "DBNMWP?";
	for (size_t i = 0; i < sizeof(types) - 1; i++) {
		static uint8_t bytes[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];
		struct frame frame = {(uint8_t)types[i], FRAME_PAYLOAD_MAX, 0};
		struct told told;
		frame_encode(&frame, bytes);
		assert_int_equal(decode(bytes, sizeof(bytes), 1, sizeof(bytes), &told), 0);
		assert_int_equal(told.calls, types[i] == '?' ? 0 : 1);
		frame.length++;
		frame_encode(&frame, bytes);
		for (size_t step = 1; step <= FRAME_HEADER_SIZE + 1; step++) {
			assert_int_equal(
				decode(bytes, FRAME_HEADER_SIZE, step, step, &told), -EPROTO);
			assert_int_equal(told.calls, 0);
		}
	}
}

/* As a consumer does it that must know beforehand how much room DATA needs. */
static void boundaries_are_known_beforehand(void **state)
{
	static const char stream[] = HEAD("D", "\5", "\7") "hello" HEAD("P", "\1", "\0") "a";
	static struct frame_decoder decoder;
	struct told told = {0};
	size_t at = 0;
	frame_decoder_init(&decoder);
	while (at < sizeof(stream) - 1) {
		size_t n = frame_decoder_wants(&decoder);
		bool in_data = frame_decoder_in_data(&decoder);
		unsigned calls = told.calls;
		assert_true(n > 0 && at + n <= sizeof(stream) - 1);
		assert_int_equal(
			frame_decode(&decoder, (const uint8_t *)stream + at, n, &sink, &told), 0);
		assert_true(told.calls <= calls + 1);
		assert_int_equal(in_data, told.calls == calls + 1 && told.in_data);
		at += n;
	}
	assert_string_equal(told.text, "D7:helloP0:a;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_decoded_however_they_are_cut),
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(a_frame_has_a_greatest_size),
		cmocka_unit_test(boundaries_are_known_beforehand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
