/* A growable string; see strbuf.h. */
#include "util/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct strbuf *sb, size_t extra)
{
	size_t need = sb->length + extra + 1;
	if (sb->failed)
		return false;
	if (need <= sb->capacity)
		return true;
	size_t capacity = sb->capacity != 0 ? sb->capacity : 128;
	while (capacity < need)
		capacity *= 2;
	char *data = realloc(sb->data, capacity);
	if (data == NULL) {
		sb->failed = true;
		return false;
	}
	sb->data = data;
	sb->capacity = capacity;
	return true;
}

void strbuf_add_bytes(struct strbuf *sb, const char *bytes, size_t n)
{
	if (!reserve(sb, n))
		return;
	memcpy(sb->data + sb->length, bytes, n);
	sb->length += n;
	sb->data[sb->length] = '\0';
}

void strbuf_add(struct strbuf *sb, const char *text)
{
	strbuf_add_bytes(sb, text, strlen(text));
}

void strbuf_addf(struct strbuf *sb, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !reserve(sb, (size_t)n))
		return;
	va_start(args, format);
	vsnprintf(sb->data + sb->length, (size_t)n + 1, format, args);
	va_end(args);
	sb->length += (size_t)n;
}

char *strbuf_steal(struct strbuf *sb)
{
	strbuf_add_bytes(sb, "", 0);
	if (sb->failed) {
		strbuf_fini(sb);
		return NULL;
	}
	char *data = sb->data;
	*sb = STRBUF_INIT;
	return data;
}

void strbuf_fini(struct strbuf *sb)
{
	free(sb->data);
	*sb = STRBUF_INIT;
}
