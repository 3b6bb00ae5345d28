/*
 * Reading a domain from a tree of XML: its identity, then every device of the four kinds, then what
 * concerns them together (numbers, defaults). Elements other than the character devices are none of
 * our business and are not judged.
 */
#include "model/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/device_config.h"
#include "model/document.h"
#include "model/names.h"
#include "model/xml.h"

static void parse_alias(struct parsing *parsing, xmlNode *element, struct device_config *device)
{
	const xmlNode *alias = xml_find(element->children, "alias");
	const char *name = alias != NULL ? xml_attribute(alias, "name") : NULL;
	if (name == NULL)
		return;
	bool user = strncmp(name, "ua-", 3) == 0;
	size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_-");
	if (user && name[good] == '\0') {
		device->alias = parse_strdup(parsing, name);
		device->alias_is_user = device->alias != NULL;
	} else if (user) {
		parse_warning(parsing, alias,
			"the alias '%.100s' is dropped; use only letters, digits, \"_\" and \"-\"",
			name);
	}
}

static void parse_device(struct parsing *parsing, enum device_kind kind, xmlNode *element)
{
	struct device_config *device = device_list_append(&parsing->lists[kind], kind, element);
	if (device == NULL) {
		parsing->no_memory = true;
		return;
	}
	device->source.type = (enum source_type)parse_word(
		parsing, element, "type", source_type_names, SOURCE_TYPE_COUNT, SOURCE_PTY);
	parse_source(parsing, element, device);
	parse_target(parsing, element, device);
	parse_alias(parsing, element, device);
	parse_extensions(parsing, element, device);
	validate_target(parsing, element, device);
}

static void parse_devices(struct parsing *parsing, const xmlNode *root)
{
	unsigned count = 0;
	xmlNode *devices = xml_find(root->children, "devices");
	for (; devices != NULL; devices = xml_find(devices->next, "devices")) {
		for (xmlNode *child = devices->children; child != NULL; child = child->next) {
			int kind = 0;
			while (kind < DEVICE_KIND_COUNT && !xml_is(child, device_kind_names[kind]))
				kind++;
			if (kind == DEVICE_KIND_COUNT)
				continue;
			if (++count > DOCUMENT_MAX_DEVICES) {
				parse_error(parsing, child,
					"the domain has more than %d character devices; remove "
					"some",
					DOCUMENT_MAX_DEVICES);
				return;
			}
			parse_device(parsing, (enum device_kind)kind, child);
		}
	}
}

/* The text of the first child element of that name, or NULL when it is absent. */
static char *child_text(struct parsing *parsing, const xmlNode *parent, const char *name)
{
	const xmlNode *child = xml_find(parent->children, name);
	if (child == NULL)
		return NULL;
	char *text = xml_text(child);
	if (text == NULL)
		parsing->no_memory = true;
	return text;
}

static void parse_os(struct parsing *parsing, const xmlNode *root, struct domain *domain)
{
	const xmlNode *os = xml_find(root->children, "os");
	const xmlNode *type = os != NULL ? xml_find(os->children, "type") : NULL;
	if (type != NULL) {
		domain->os_type = child_text(parsing, os, "type");
		parse_text(parsing, type, "arch", &domain->arch);
		parse_text(parsing, type, "machine", &domain->machine);
	} else if (xml_find(root->children, "bootloader") != NULL) {
		domain->os_type = parse_strdup(parsing, "xen");
	} else {
		parse_error(parsing, root,
			"the domain has no <os><type>; add one such as "
			"<os><type arch='x86_64'>hvm</type></os>");
	}
}

static void parse_identity(struct parsing *parsing, const xmlNode *root, struct domain *domain)
{
	domain->name = child_text(parsing, root, "name");
	if (domain->name == NULL || domain->name[0] == '\0')
		parse_error(parsing, root, "the domain has no <name>; add one");
	else if (strpbrk(domain->name, "/\n") != NULL)
		parse_error(parsing, xml_find(root->children, "name"),
			"the domain's <name> has a \"/\" or a line break; remove it");
	domain->uuid = child_text(parsing, root, "uuid");
	parse_text(parsing, root, "type", &domain->type);
	if (domain->type == NULL)
		parse_error(parsing, root,
			"the <domain> has no type=; add one such as type='kvm' or type='qemu'");
	parse_os(parsing, root, domain);
}

/* Moves the devices of all lists into the domain, in the order of enum device_kind. */
static void gather_devices(struct parsing *parsing)
{
	struct domain *domain = parsing->domain;
	size_t total = 0;
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++)
		total += parsing->lists[kind].count;
	if (total == 0)
		return;
	domain->devices = calloc(total, sizeof(domain->devices[0]));
	if (domain->devices == NULL) {
		parsing->no_memory = true;
		return;
	}
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
		struct device_list *list = &parsing->lists[kind];
		for (size_t i = 0; i < list->count; i++)
			domain->devices[domain->device_count++] = list->devices[i];
		free(list->devices);
		list->devices = NULL;
	}
}

static void name_devices(struct parsing *parsing)
{
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
		struct device_list *list = &parsing->lists[kind];
		for (size_t i = 0; i < list->count; i++) {
			struct device_config *device = &list->devices[i];
			if (device->alias != NULL)
				continue;
			if (asprintf(&device->alias, "%s%zu", device_kind_names[kind], i) < 0) {
				device->alias = NULL;
				parsing->no_memory = true;
			}
		}
	}
}

/* Where a channel's path is generated we listen, whatever the mode; libvirt's QEMU driver does so.
 */
static void settle_generated_path(struct device_config *device)
{
	struct unix_source *from = &device->source.u.unix_socket;
	if (device->source.type != SOURCE_UNIX || from->path != NULL)
		return;
	from->mode = SOCKET_BIND;
	from->reconnect = (struct reconnect){0};
}

static void validate_devices(struct parsing *parsing)
{
	bool qemu = domain_is_qemu(parsing->domain);
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
		struct device_list *list = &parsing->lists[kind];
		for (size_t i = 0; i < list->count; i++) {
			if (list->devices[i].alias_of_serial >= 0)
				continue;
			if (qemu)
				qemu_drop_generated_path(&list->devices[i]);
			validate_source(parsing, list->elements[i], &list->devices[i]);
			if (qemu)
				qemu_validate(parsing, list->elements[i], &list->devices[i]);
			settle_generated_path(&list->devices[i]);
		}
	}
}

int parse_domain(struct parsing *parsing, xmlDoc *doc)
{
	const xmlNode *root = xmlDocGetRootElement(doc);
	if (!xml_is(root, "domain")) {
		parse_error(parsing, root,
			"the document is a <%.100s>, not a <domain>; give a domain's XML",
			(const char *)root->name);
		return 0;
	}
	parse_identity(parsing, root, parsing->domain);
	parse_devices(parsing, root);
	parse_check_namespace(parsing, root);
	if (!parsing->no_memory)
		number_devices(parsing);
	if (!parsing->no_memory)
		validate_devices(parsing);
	name_devices(parsing);
	gather_devices(parsing);
	return parsing->no_memory ? -ENOMEM : 0;
}
