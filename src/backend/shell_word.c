/* One word of a shell; see shell_word.h. */
#include "backend/shell_word.h"

#include <stdbool.h>
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

bool shell_word(const char *text, char *ret, size_t size)
{
	size_t length = 0;
	bool fits = true;
	if (text[0] != '\0' && text[strspn(text, SAFE)] == '\0') {
		fits = put(ret, size, &length, text);
	} else {
		fits = put(ret, size, &length, "'");
		for (; *text != '\0' && fits; text++) {
			const char one[2] = {*text, '\0'};
			fits = put(ret, size, &length, *text == '\'' ? "'\\''" : one);
		}
		fits = fits && put(ret, size, &length, "'");
	}
	if (!fits)
		ret[0] = '\0';
	return fits;
}
