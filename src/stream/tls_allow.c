/* Which clients may come, by the names in their certificates; see tls_credentials.h. */
#include "stream/tls_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How long the next character is: an escape and what it escapes are one. */
static size_t unit(const char *text)
{
	return text[0] == '\\' && text[1] != '\0' ? 2 : 1;
}

/* The first unescaped character of `set`, or the end. */
static const char *find(const char *text, const char *set)
{
	while (*text != '\0' && strchr(set, *text) == NULL)
		text += unit(text);
	return text;
}

static bool fits(const char *pattern, const char *text)
{
	const char *star = NULL; /* what follows the last '*', and where it is tried */
	const char *tried = NULL;
	while (*text != '\0' || *pattern != '\0') {
		size_t n = unit(pattern);
		if (*pattern == '*') {
			star = ++pattern;
			tried = text;
		} else if (*pattern != '\0' && strncmp(pattern, text, n) == 0) {
			pattern += n;
			text += n;
		} else if (star != NULL && *tried != '\0' && *tried != ',' && *tried != '+') {
			tried += unit(tried);
			pattern = star;
			text = tried;
		} else {
			return false;
		}
	}
	return true;
}

/* The value of the only CN= of a distinguished name; false when there is none, or more than one. */
static bool only_common_name(const char *dn, const char **ret, size_t *ret_n)
{
	int count = 0;
	for (const char *at = dn;; at++) {
		const char *end = find(at, ",+");
		if (strncmp(at, "CN=", 3) == 0) {
			*ret = at + 3;
			*ret_n = (size_t)(end - at) - 3;
			count++;
		}
		if (*end == '\0')
			return count == 1;
		at = end;
	}
}

bool tls_allow_matches(const struct strlist *list, const char *dn)
{
	const char *found;
	size_t n;
	char *name = only_common_name(dn, &found, &n) ? strndup(found, n) : NULL;
	bool matches = false;
	for (size_t i = 0; i < list->count && !matches; i++) {
		const char *pattern = list->items[i];
		if (strncmp(pattern, "CN=", 3) != 0 || *find(pattern, ",+") != '\0')
			matches = fits(pattern, dn);
		else if (name != NULL)
			matches = fits(pattern + 3, name);
	}
	free(name);
	return matches;
}

static void add_trimmed(struct strlist *list, const char *from, const char *to)
{
	while (from < to && isspace((unsigned char)*from))
		from++;
	while (from < to && isspace((unsigned char)to[-1]))
		to--;
	if (from < to)
		strlist_take(list, strndup(from, (size_t)(to - from)));
}

int tls_allow_parse(const char *allow, struct strlist *list, struct error *err)
{
	size_t before = list->count;
	for (const char *at = allow;;) {
		const char *end = find(at, ";");
		add_trimmed(list, at, end);
		if (*end == '\0')
			break;
		at = end + 1;
	}
	if (list->failed)
		return error_set(err, -ENOMEM, "out of memory");
	if (list->count == before)
		return error_set(err, -EINVAL,
			"allow='%s' of <chardev:tls> names nobody; write a client as CN=name, or "
			"remove "
			"allow= to let in all whose certificates are verified",
			allow);
	for (size_t i = before; i < list->count; i++)
		if (strchr(list->items[i], '=') == NULL)
			return error_set(err, -EINVAL,
				"\"%s\" in allow= of <chardev:tls> is no name of a certificate; "
				"write "
				"CN=name or a whole distinguished name such as "
				"CN=name,O=organisation",
				list->items[i]);
	return 0;
}
