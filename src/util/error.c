/* The error value; see error.h. */
#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts a full buffer so that it ends in "..." and never inside a UTF-8 sequence. */
static void mark_cut(char *message, size_t size)
{
	size_t end = size - 4;
	while (end > 0 && ((unsigned char)message[end] & 0xc0) == 0x80)
		end--;
	memcpy(message + end, "...", 4);
}

int error_setv(struct error *err, int code, const char *format, va_list args)
{
	if (err == NULL)
		return code;
	err->code = code;
	int n = vsnprintf(err->message, sizeof(err->message), format, args);
	if (n < 0)
		err->message[0] = '\0';
	else if ((size_t)n >= sizeof(err->message))
		mark_cut(err->message, sizeof(err->message));
	return code;
}

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_setv(err, code, format, args);
	va_end(args);
	return code;
}

int error_prefix(struct error *err, const char *format, ...)
{
	if (err == NULL)
		return 0;
	char rest[ERROR_MESSAGE_SIZE];
	memcpy(rest, err->message, sizeof(rest));
	va_list args;
	va_start(args, format);
	int n = vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	if (n < 0)
		n = 0;
	size_t used = (size_t)n < sizeof(err->message) ? (size_t)n : sizeof(err->message) - 1;
	size_t room = sizeof(err->message) - used;
	if ((size_t)snprintf(err->message + used, room, "%s", rest) >= room)
		mark_cut(err->message, sizeof(err->message));
	return err->code;
}

const char *error_text(int code)
{
	const char *text = strerrordesc_np(abs(code));
	return text != NULL ? text : "Unknown error";
}
