/*
 * Reading our own elements, those of the namespace urn:chardev:1, from a device. They are a table:
 * element, attribute, how it is read, where it is kept. What the table does not name is an error,
 * so that a slip of the pen never passes for a setting.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"
#include "util/size.h"

enum value_kind { VALUE_WORD, VALUE_TEXT, VALUE_SIZE, VALUE_DURATION, VALUE_NUMBER, VALUE_OCTAL };

struct attribute {
	const char *name;
	enum value_kind kind;
	size_t offset; /* of the field in struct extensions */
	const char *const *names;
	size_t name_count;
	uint64_t min;
	uint64_t max;
	size_t set_offset; /* VALUE_SIZE: of the bool that says that a size was given */
};

struct element {
	const char *name;
	struct attribute attributes[5]; /* ends at the first without a name */
	size_t said_offset; /* of the bool that says that the element is there; 0: nobody asks */
};

static const char *const listens_names[3] = {[TRISTATE_NO] = "connect", [TRISTATE_YES] = "bind"};

#define FIELD(field) offsetof(struct extensions, field)
#define WORD(name, field, words)                                                  \
	{                                                                         \
		name, VALUE_WORD, FIELD(field), words, NAME_COUNT(words), 0, 0, 0 \
	}
#define TEXT(name, field)                                        \
	{                                                        \
		name, VALUE_TEXT, FIELD(field), NULL, 0, 0, 0, 0 \
	}
#define SIZE(name, field, max)                                                      \
	{                                                                           \
		name, VALUE_SIZE, FIELD(field), NULL, 0, 0, max, FIELD(field##_set) \
	}
#define NUMBER(name, field, min, max)                                  \
	{                                                              \
		name, VALUE_NUMBER, FIELD(field), NULL, 0, min, max, 0 \
	}

static const struct element elements[] = {
	{"guest",
		{
			WORD("type", guest.type, guest_port_names),
			TEXT("path", guest.path),
			WORD("mode", guest.listens, listens_names),
		}},
	{"history",
		{
			SIZE("size", history.size, UINT64_C(1) << 30),
			WORD("replay", history.replay, replay_names),
		}},
	{"overflow",
		{
			WORD("policy", overflow.policy, overflow_policy_names),
			{"patience", VALUE_DURATION, FIELD(overflow.patience_ms), NULL, 0, 0,
				3600 * 1000, 0},
		}},
	{"log",
		{
			SIZE("maxSize", log.max_size, UINT64_C(1) << 50),
			NUMBER("maxBackups", log.max_backups, 0, 1000),
			WORD("timestamps", log.timestamps, yes_no_names),
			WORD("compress", log.compress, yes_no_names),
		}},
	{"clients", {NUMBER("max", clients_max, 1, 65535)}},
	{"line",
		{
			NUMBER("speed", line.speed, 50, 4000000),
			NUMBER("bits", line.bits, 5, 8),
			WORD("parity", line.parity, line_parity_names),
			NUMBER("stop", line.stop, 1, 2),
			WORD("flow", line.flow, line_flow_names),
		}},
	{"tls",
		{
			TEXT("dir", tls.dir),
			WORD("verify", tls.verify, yes_no_names),
			TEXT("allow", tls.allow),
		},
		FIELD(tls.said)},
	{"socket",
		{
			{"mode", VALUE_OCTAL, FIELD(socket.mode), NULL, 0, 0, 0777, 0},
			TEXT("group", socket.group),
		}},
};

enum { ELEMENT_COUNT = sizeof(elements) / sizeof(elements[0]) };

/* "1s", "500ms", "2min", "0": milliseconds. */
static bool read_duration(const char *text, uint64_t *ret)
{
	char *end;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	uint64_t factor = strcmp(end, "ms") == 0    ? 1
			  : strcmp(end, "s") == 0   ? 1000
			  : strcmp(end, "min") == 0 ? 60 * 1000
						    : 0;
	if (number == 0 && *end == '\0')
		factor = 1;
	return errno == 0 && factor != 0 && !__builtin_mul_overflow(number, factor, ret);
}

static bool read_number(const char *text, int base, uint64_t *ret)
{
	char *end;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, base);
	return errno == 0 && *end == '\0';
}

static void store_number(const struct attribute *attribute, char *extensions, uint64_t value)
{
	char *field = extensions + attribute->offset;
	int small = (int)value;
	int64_t large = (int64_t)value;
	bool set = true;
	switch (attribute->kind) {
	case VALUE_SIZE:
		memcpy(field, &value, sizeof(value));
		memcpy(extensions + attribute->set_offset, &set, sizeof(set));
		break;
	case VALUE_DURATION:
		memcpy(field, &large, sizeof(large));
		break;
	default:
		memcpy(field, &small, sizeof(small));
		break;
	}
}

static void parse_quantity(struct parsing *parsing, const xmlNode *element,
	const struct attribute *attribute, char *extensions, const char *text)
{
	static const char *const expected[] = {
		[VALUE_SIZE] = "a size such as 1MiB, 64KiB or 4096, at most 1GiB for a history",
		[VALUE_DURATION] = "a time such as 1s, 500ms or 0, at most an hour",
		[VALUE_OCTAL] = "permission bits in octal such as 0660",
	};
	uint64_t value = 0;
	bool good = attribute->kind == VALUE_SIZE ? size_parse(text, &value)
		    : attribute->kind == VALUE_DURATION
			    ? read_duration(text, &value)
			    : read_number(text, attribute->kind == VALUE_OCTAL ? 8 : 10, &value);
	if (good && value >= attribute->min && value <= attribute->max)
		store_number(attribute, extensions, value);
	else if (attribute->kind == VALUE_NUMBER)
		parse_error(parsing, element,
			"<chardev:%s %s='%.100s'> is out of range; write a number from %llu to "
			"%llu",
			(const char *)element->name, attribute->name, text,
			(unsigned long long)attribute->min, (unsigned long long)attribute->max);
	else
		parse_error(parsing, element, "<chardev:%s %s='%.100s'> is wrong; write %s",
			(const char *)element->name, attribute->name, text,
			expected[attribute->kind]);
}

static void parse_attribute(struct parsing *parsing, const xmlNode *element,
	const struct attribute *attribute, struct extensions *extensions, const char *text)
{
	char *base = (char *)extensions;
	if (attribute->kind == VALUE_TEXT) {
		char *copy = NULL;
		if (text[0] == '\0')
			parse_error(parsing, element,
				"<chardev:%s %s=''> is empty; give it a value, or remove it",
				(const char *)element->name, attribute->name);
		else
			copy = parse_strdup(parsing, text);
		memcpy(base + attribute->offset, &copy, sizeof(copy));
	} else if (attribute->kind == VALUE_WORD) {
		int word = parse_word(parsing, element, attribute->name, attribute->names,
			attribute->name_count, 0);
		memcpy(base + attribute->offset, &word, sizeof(word));
	} else {
		parse_quantity(parsing, element, attribute, base, text);
	}
}

static const struct attribute *find_attribute(const struct element *row, const xmlAttr *wanted)
{
	size_t count = sizeof(row->attributes) / sizeof(row->attributes[0]);
	for (size_t i = 0; i < count && row->attributes[i].name != NULL; i++)
		if (wanted->ns == NULL &&
			strcmp(row->attributes[i].name, (const char *)wanted->name) == 0)
			return &row->attributes[i];
	return NULL;
}

static void parse_element(struct parsing *parsing, const xmlNode *element,
	const struct element *row, struct extensions *extensions)
{
	if (row->said_offset != 0)
		*(bool *)((char *)extensions + row->said_offset) = true;
	for (const xmlAttr *at = element->properties; at != NULL; at = at->next) {
		const struct attribute *attribute = find_attribute(row, at);
		if (attribute != NULL)
			parse_attribute(parsing, element, attribute, extensions,
				xml_attribute(element, attribute->name));
		else
			parse_error(parsing, element,
				"<chardev:%s> has no attribute %.100s; see chardev-xml(5)",
				row->name, (const char *)at->name);
	}
	for (const xmlNode *child = element->children; child != NULL; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			parse_error(parsing, child,
				"<chardev:%s> holds no elements; remove <%.100s>", row->name,
				(const char *)child->name);
}

void parse_extensions(struct parsing *parsing, xmlNode *element, struct device_config *device)
{
	bool seen[ELEMENT_COUNT] = {false};
	for (xmlNode *child = element->children; child != NULL; child = child->next) {
		if (!xml_is_ours(child))
			continue;
		size_t i = 0;
		while (i < ELEMENT_COUNT &&
			strcmp(elements[i].name, (const char *)child->name) != 0)
			i++;
		if (i == ELEMENT_COUNT) {
			parse_error(parsing, child,
				"<chardev:%.100s> is not known; see chardev-xml(5)",
				(const char *)child->name);
		} else if (seen[i]) {
			parse_error(parsing, child,
				"a second <chardev:%s> in one device; remove one",
				elements[i].name);
		} else {
			seen[i] = true;
			parse_element(parsing, child, &elements[i], &device->extensions);
		}
	}
}

static bool is_device(const xmlNode *node)
{
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++)
		if (xml_is(node, device_kind_names[kind]))
			return node->parent != NULL && xml_is(node->parent, "devices");
	return false;
}

static void check_node(struct parsing *parsing, const xmlNode *node)
{
	if (xml_is_ours(node)) {
		if (!is_device(node->parent) && !xml_is_ours(node->parent))
			parse_error(parsing, node,
				"<chardev:%.100s> stands outside a device; move it into a "
				"<serial>, <parallel>, <console> or <channel>",
				(const char *)node->name);
		return;
	}
	for (const xmlAttr *at = node->properties; at != NULL; at = at->next)
		if (at->ns != NULL && strcmp((const char *)at->ns->href, CHARDEV_NAMESPACE) == 0)
			parse_error(parsing, node,
				"the attribute chardev:%.100s is not known; settings stand in "
				"elements, see chardev-xml(5)",
				(const char *)at->name);
}

void parse_check_namespace(struct parsing *parsing, const xmlNode *root)
{
	for (const xmlNode *node = root; node != NULL; node = xml_next(root, node))
		if (node->type == XML_ELEMENT_NODE)
			check_node(parsing, node);
}
