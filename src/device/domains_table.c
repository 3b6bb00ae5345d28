/* The table of a process's domains, in the order of their names; see domains_internal.h. */
#include "device/domains_internal.h"

#include <stdlib.h>
#include <string.h>

/* Where the name stands, or would. */
static size_t place_of(const struct domains *domains, const char *name)
{
	size_t from = 0, to = domains->count;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (strcmp(domains->items[middle]->name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct served *domains_find(const struct domains *domains, const char *name)
{
	size_t at = place_of(domains, name);
	bool found = at < domains->count && strcmp(domains->items[at]->name, name) == 0;
	return found ? domains->items[at] : NULL;
}

size_t domains_count(const struct domains *domains)
{
	return domains->count;
}

struct served *domains_at(const struct domains *domains, size_t index)
{
	return domains->items[index];
}

static bool make_place(struct domains *domains)
{
	if (domains->count < domains->size)
		return true;
	size_t size = domains->size != 0 ? 2 * domains->size : 16;
	struct served **items = realloc(domains->items, size * sizeof(*items));
	if (items == NULL)
		return false;
	domains->items = items;
	domains->size = size;
	return true;
}

struct served *served_free(struct served *served)
{
	document_free(served->document);
	document_free(served->next);
	free(served->next_origin);
	free(served->origin);
	free(served->name);
	free(served);
	return NULL;
}

struct served *domains_add(struct domains *domains, struct document *document, const char *origin)
{
	const char *name = document_domain(document)->name;
	struct served *served = calloc(1, sizeof(*served));
	if (served == NULL)
		return NULL;
	served->domains = domains;
	served->name = strdup(name);
	served->origin = origin != NULL ? strdup(origin) : NULL;
	if (served->name == NULL || (origin != NULL && served->origin == NULL) ||
		!make_place(domains))
		return served_free(served);
	size_t at = place_of(domains, name);
	memmove(&domains->items[at + 1], &domains->items[at],
		(domains->count - at) * sizeof(*domains->items));
	domains->items[at] = served;
	domains->count++;
	served->document = document;
	return served;
}

void domains_remove(struct served *served)
{
	struct domains *domains = served->domains;
	size_t at = place_of(domains, served->name);
	domains->count--;
	memmove(&domains->items[at], &domains->items[at + 1],
		(domains->count - at) * sizeof(*domains->items));
	served_free(served);
}
