/* The marks of a tty's input: tables of what goes in and comes out, whole and byte by byte. */
#include "test.h"

#include "stream/parmrk_codec.h"

#include <string.h>

/* "|" in the output is a BREAK; the bytes in these tables are never a '|' themselves. */
static const struct {
	const char *in;
	size_t in_size;
	const char *out;
	size_t out_size;
} table[] = {
#define ROW(in, out)                                     \
	{                                                \
		in, sizeof(in) - 1, out, sizeof(out) - 1 \
	}
	ROW("plain\r\n", "plain\r\n"),
	ROW("a\0b", "a\0b"),
	ROW("\377\377", "\377"),
	ROW("\377\377\377\377", "\377\377"),
	ROW("\377\0\0", "|"),
	ROW("a\377\0\0b", "a|b"),
	ROW("\377\0\0\377\0\0", "||"),
	ROW("\377\0X", "X"),
	ROW("\377\0\377", "\377"),
	ROW("\377\377\0\0", "\377\0\0"),
	ROW("\377\377\377\0\0x", "\377|x"),
	ROW("\377A", "\377A"), /* never sent by the kernel; nothing is lost */
	ROW("\377\0\0\0", "|\0"),
	ROW("ab\377", "ab"), /* the rest of the mark is still to come */
	ROW("ab\377\0", "ab"),
};

enum { ROWS = sizeof(table) / sizeof(table[0]) };

/* Decodes in pieces of `in_step` into an output of `out_step`. */
static size_t decode(const char *in, size_t in_size, size_t in_step, size_t out_step, char *out)
{
	struct parmrk_decoder decoder = {0};
	size_t size = 0;
	for (size_t at = 0; at < in_size;) {
		uint8_t piece[64];
		size_t n = in_size - at < in_step ? in_size - at : in_step;
		struct parmrk_result r =
			parmrk_decode(&decoder, (const uint8_t *)in + at, n, piece, out_step);
		assert_true(r.taken <= n && r.size <= out_step);
		assert_true(r.taken > 0 || r.size > 0);
		memcpy(out + size, piece, r.size);
		size += r.size;
		if (r.is_break)
			out[size++] = '|';
		at += r.taken;
	}
	return size;
}

static void marks_are_decoded(void **state)
{
	static const size_t steps[][2] = {{64, 64}, {1, 64}, {64, 1}, {1, 1}, {2, 64}, {3, 2}};
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		for (size_t i = 0; i < ROWS; i++) {
			char out[64];
			size_t n = decode(
				table[i].in, table[i].in_size, steps[s][0], steps[s][1], out);
			if (n != table[i].out_size || memcmp(out, table[i].out, n) != 0)
				fail_msg("row %zu in pieces of %zu to %zu", i, steps[s][0],
					steps[s][1]);
		}
	}
}

/* As the kernel's line discipline writes it: every byte value comes through. */
static void every_byte_comes_through(void **state)
{
	for (int byte = 0; byte < 256; byte++) {
		char in[2] = {(char)byte, (char)byte}, out[4];
		assert_int_equal(decode(in, byte == 255 ? 2 : 1, 2, 4, out), 1);
		assert_int_equal((unsigned char)out[0], byte);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_are_decoded),
		cmocka_unit_test(every_byte_comes_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
