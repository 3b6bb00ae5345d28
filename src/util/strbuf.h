/*
 * A growable string. Allocation failure is remembered instead of returned from every call: add
 * freely, then ask strbuf_steal() once. Not for the data path.
 */
#ifndef CHARDEV_UTIL_STRBUF_H
#define CHARDEV_UTIL_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t length;
	size_t capacity;
	bool failed; /* out of memory: what was added since is missing */
};

#define STRBUF_INIT ((struct strbuf){0})

void strbuf_add(struct strbuf *sb, const char *text);
void strbuf_add_bytes(struct strbuf *sb, const char *bytes, size_t n);
void strbuf_addf(struct strbuf *sb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text ("" when nothing was added), owned by the caller; NULL when memory ran out. Resets. */
char *strbuf_steal(struct strbuf *sb);

/* Releases the text and resets. */
void strbuf_fini(struct strbuf *sb);

#endif
