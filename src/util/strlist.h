/*
 * A list of strings that ends in NULL, as execvp(3) wants it. As in a strbuf, allocation failure is
 * remembered: add freely, then look at `failed` once.
 */
#ifndef CHARDEV_UTIL_STRLIST_H
#define CHARDEV_UTIL_STRLIST_H

#include <stdbool.h>
#include <stddef.h>

struct strlist {
	char **items; /* NULL-terminated once anything was added; NULL before */
	size_t count;
	size_t capacity;
	bool failed; /* out of memory: something that was added is missing */
};

#define STRLIST_INIT ((struct strlist){0})

void strlist_add(struct strlist *list, const char *text);
/* Takes `text` over (free()d by the list); NULL counts as a failed allocation. */
void strlist_take(struct strlist *list, char *text);

/* Releases everything and resets. */
void strlist_fini(struct strlist *list);

#endif
