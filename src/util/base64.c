/* base64; see base64.h. */
#include "util/base64.h"

#include <errno.h>
#include <string.h>

static int value_of(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

/* Four digits, of which the last `pad` are '='. Bits that stand for nothing must be 0. */
static int decode_quad(const char digits[4], unsigned pad, uint8_t ret[3])
{
	uint32_t bits = 0;
	for (unsigned i = 0; i < 4; i++) {
		int value = i < 4 - pad ? value_of(digits[i]) : 0;
		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
	}
	if (pad > 0 && (bits & ((1U << (8 * pad)) - 1)) != 0)
		return -EINVAL;
	for (unsigned i = 0; i < 3 - pad; i++)
		ret[i] = (uint8_t)(bits >> (16 - 8 * i));
	return 0;
}

int base64_decode(const char *text, size_t n, uint8_t *ret, size_t *ret_n)
{
	size_t filled = 0;
	if (n % 4 != 0)
		return -EINVAL;
	for (size_t at = 0; at < n; at += 4) {
		unsigned pad = 0;
		if (at + 4 == n && text[at + 3] == '=')
			pad = text[at + 2] == '=' ? 2 : 1;
		int rc = decode_quad(text + at, pad, ret + filled);
		if (rc < 0)
			return rc;
		filled += 3 - pad;
	}
	*ret_n = filled;
	return 0;
}

void base64_encode(const uint8_t *bytes, size_t n, char *ret)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	while (n > 0) {
		size_t taken = n < 3 ? n : 3;
		uint32_t group = 0;
		for (size_t i = 0; i < 3; i++)
			group = group << 8 | (i < taken ? bytes[i] : 0);
		for (size_t i = 0; i < 4; i++)
			*ret++ = i <= taken ? digits[group >> (18 - 6 * i) & 63] : '=';
		bytes += taken;
		n -= taken;
	}
	*ret = '\0';
}
