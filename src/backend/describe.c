/* Filling a backend_description; see describe.h. */
#include "backend/describe.h"

#include <stdio.h>
#include <string.h>

static const char SAFE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "%+,-./:=@_";

static bool put(char *ret, size_t size, size_t *length, const char *text)
{
	size_t n = strlen(text);
	if (*length + n + 1 > size)
		return false;
	memcpy(ret + *length, text, n + 1);
	*length += n;
	return true;
}

static bool put_word(char *ret, size_t size, size_t *length, const char *text)
{
	if (text[0] != '\0' && text[strspn(text, SAFE)] == '\0')
		return put(ret, size, length, text);
	bool fits = put(ret, size, length, "'");
	for (; *text != '\0' && fits; text++) {
		const char one[2] = {*text, '\0'};
		fits = put(ret, size, length, *text == '\'' ? "'\\''" : one);
	}
	return fits && put(ret, size, length, "'");
}

void describe_where(struct backend_description *ret, const char *format, ...)
{
	*ret = (struct backend_description){0};
	va_list args;
	va_start(args, format);
	int n = vsnprintf(ret->where, sizeof(ret->where), format, args);
	va_end(args);
	if (n >= (int)sizeof(ret->where))
		memcpy(ret->where + sizeof(ret->where) - sizeof("..."), "...", sizeof("..."));
}

void describe_command(
	struct backend_description *ret, const char *before, const char *path, const char *after)
{
	size_t length = 0;
	bool fits = put(ret->command, sizeof(ret->command), &length, before) &&
		    put_word(ret->command, sizeof(ret->command), &length, path) &&
		    put(ret->command, sizeof(ret->command), &length, after);
	if (!fits)
		ret->command[0] = '\0';
}
