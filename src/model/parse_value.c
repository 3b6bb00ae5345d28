/* The pieces that every step of reading a domain shares: errors, attributes, lists; see parse.h. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/device_config.h"
#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"
#include "util/strbuf.h"

static void add(struct parsing *parsing, enum severity severity, const xmlNode *element,
	const char *format, va_list args)
{
	char *message = NULL;
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	diagnostics_add(parsing->diagnostics, severity, element != NULL ? xml_line(element) : 0,
		"%s", message != NULL ? message : "out of memory");
	free(message);
}

void parse_error(struct parsing *parsing, const xmlNode *element, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(parsing, SEVERITY_ERROR, element, format, args);
	va_end(args);
}

void parse_warning(struct parsing *parsing, const xmlNode *element, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(parsing, SEVERITY_WARNING, element, format, args);
	va_end(args);
}

char *parse_strdup(struct parsing *parsing, const char *text)
{
	if (text == NULL)
		return NULL;
	char *copy = strdup(text);
	if (copy == NULL)
		parsing->no_memory = true;
	return copy;
}

void parse_text(
	struct parsing *parsing, const xmlNode *element, const char *attribute, char **field)
{
	const char *text = xml_attribute(element, attribute);
	if (text == NULL)
		return;
	free(*field);
	*field = parse_strdup(parsing, text);
}

static void report_word(struct parsing *parsing, const xmlNode *element, const char *attribute,
	const char *const *names, size_t count, const char *text)
{
	struct strbuf allowed = STRBUF_INIT;
	for (size_t i = 0; i < count; i++)
		if (names[i] != NULL)
			strbuf_addf(&allowed, "%s%s", allowed.length > 0 ? ", " : "", names[i]);
	parse_error(parsing, element, "<%s %s='%.100s'> is not known; write one of: %s",
		(const char *)element->name, attribute, text,
		allowed.data != NULL ? allowed.data : "");
	strbuf_fini(&allowed);
}

int parse_word(struct parsing *parsing, const xmlNode *element, const char *attribute,
	const char *const *names, size_t count, int absent)
{
	const char *text = xml_attribute(element, attribute);
	if (text == NULL)
		return absent;
	int index = name_index(names, count, text);
	if (index >= 0)
		return index;
	report_word(parsing, element, attribute, names, count, text);
	return absent;
}

bool parse_unsigned(const char *text, unsigned *ret)
{
	while (isspace((unsigned char)*text))
		text++;
	if (*text == '+')
		text++;
	if (!isdigit((unsigned char)*text))
		return false;
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || value > UINT_MAX)
		return false;
	*ret = (unsigned)value;
	return true;
}

static bool grow(struct device_list *list)
{
	if (list->count < list->capacity)
		return true;
	size_t capacity = list->capacity != 0 ? list->capacity * 2 : 8;
	struct device_config *devices = realloc(list->devices, capacity * sizeof(list->devices[0]));
	if (devices == NULL)
		return false;
	list->devices = devices;
	xmlNode **elements = realloc(list->elements, capacity * sizeof(list->elements[0]));
	if (elements == NULL)
		return false;
	list->elements = elements;
	list->capacity = capacity;
	return true;
}

static struct device_config *insert(
	struct device_list *list, size_t at, enum device_kind kind, xmlNode *element)
{
	if (!grow(list))
		return NULL;
	size_t after = list->count - at;
	memmove(&list->devices[at + 1], &list->devices[at], after * sizeof(list->devices[0]));
	memmove(&list->elements[at + 1], &list->elements[at], after * sizeof(list->elements[0]));
	list->count++;
	list->elements[at] = element;
	device_config_init(&list->devices[at], kind);
	list->devices[at].line = element != NULL ? xml_line(element) : 0;
	return &list->devices[at];
}

struct device_config *device_list_append(
	struct device_list *list, enum device_kind kind, xmlNode *element)
{
	return insert(list, list->count, kind, element);
}

struct device_config *device_list_prepend(
	struct device_list *list, enum device_kind kind, xmlNode *element)
{
	return insert(list, 0, kind, element);
}
