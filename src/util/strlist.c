/* A NULL-terminated list of strings; see strlist.h. */
#include "util/strlist.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct strlist *list)
{
	if (list->count + 1 < list->capacity)
		return true;
	size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
	char **items = realloc(list->items, capacity * sizeof(*items));
	if (items == NULL)
		return false;
	list->items = items;
	list->capacity = capacity;
	return true;
}

void strlist_take(struct strlist *list, char *text)
{
	if (text == NULL || !make_room(list)) {
		free(text);
		list->failed = true;
		return;
	}
	list->items[list->count++] = text;
	list->items[list->count] = NULL;
}

void strlist_add(struct strlist *list, const char *text)
{
	strlist_take(list, strdup(text));
}

void strlist_fini(struct strlist *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = STRLIST_INIT;
}
