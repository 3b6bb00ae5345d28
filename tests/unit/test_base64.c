/* util/base64: the vectors of RFC 4648, and everything that is not base64. */
#include "test.h"

#include "util/base64.h"

#include <errno.h>
#include <string.h>

static void what_is_base64_is_decoded(void **state)
{
	static const struct {
		const char *text, *bytes;
	} cases[] = {
		{"", ""},
		{"Zg==", "f"},
		{"Zm8=", "fo"},
		{"Zm9v", "foo"},
		{"Zm9vYg==", "foob"},
		{"Zm9vYmE=", "fooba"},
		{"Zm9vYmFy", "foobar"},
		{"+/+/", "\xfb\xff\xbf"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t got[16];
		size_t n = 99;
		size_t length = strlen(cases[i].text);
		assert_int_equal(base64_decode(cases[i].text, length, got, &n), 0);
		assert_int_equal(n, strlen(cases[i].bytes));
		assert_memory_equal(got, cases[i].bytes, n);
	}
}

static void every_byte_comes_through(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned i = 0; i < 1U << 16; i++) {
		const char text[4] = {
			digits[i >> 10], digits[i >> 4 & 63], digits[(i & 15) << 2], '='};
		uint8_t got[3];
		size_t n;
		assert_int_equal(base64_decode(text, 4, got, &n), 0);
		assert_int_equal(n, 2);
		assert_int_equal((unsigned)got[0] << 8 | got[1], i);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const cases[] = {"Z", "Zg", "Zg=", "Zg==Zg==", "Zm8=Zg==", "Zm9v\n",
		"Zm 9", "Zm9_", "Zh==", "Zm9=", "====", "Z===", "=Zm9", "Zm=v", "\xff\xff\xff\xff"};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t got[16];
		size_t n;
		assert_int_equal(base64_decode(cases[i], strlen(cases[i]), got, &n), -EINVAL);
	}
}

static void bytes_are_encoded(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "+/+/"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[16];
		size_t n = strlen(cases[i].bytes);
		base64_encode((const uint8_t *)cases[i].bytes, n, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(strlen(text), BASE64_ENCODED_SIZE(n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_base64_is_decoded),
		cmocka_unit_test(every_byte_comes_through),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(bytes_are_encoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
