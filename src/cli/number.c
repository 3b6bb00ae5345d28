/* Numbers that people give; see number.h. */
#include "cli/number.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

bool number_looks_like(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

int number_parse(const char *text, const char *option, uint64_t *ret, struct error *err)
{
	if (!number_looks_like(text))
		return error_set(
			err, -EINVAL, "%s takes a number, and \"%.40s\" is none", option, text);
	errno = 0;
	uintmax_t number = strtoumax(text, NULL, 10);
	if (errno != 0 || number > INT64_MAX)
		return error_set(err, -ERANGE, "%s: %.40s is too large", option, text);
	*ret = number;
	return 0;
}
