/* Reading a domain from a tree of XML, in steps that share one state; internal to model/. */
#ifndef CHARDEV_MODEL_PARSE_H
#define CHARDEV_MODEL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <libxml/tree.h>

#include "model/diagnostics.h"
#include "model/domain.h"

/* The devices of one kind in document order, each with its element; NULL: none in the document. */
struct device_list {
	struct device_config *devices;
	xmlNode **elements;
	size_t count;
	size_t capacity;
};

struct parsing {
	struct diagnostics *diagnostics;
	struct domain *domain;
	struct device_list lists[DEVICE_KIND_COUNT];
	bool no_memory;
};

/* An error or a warning at the line of an element. */
void parse_error(struct parsing *parsing, const xmlNode *element, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void parse_warning(struct parsing *parsing, const xmlNode *element, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* strdup() that takes NULL and remembers a failure. */
char *parse_strdup(struct parsing *parsing, const char *text);

/* The attribute's value into *field, replacing nothing when it is absent. */
void parse_text(
	struct parsing *parsing, const xmlNode *element, const char *attribute, char **field);

/*
 * The attribute as an index of `names`; an error names the words that are allowed. Returns `absent`
 * when the attribute is absent or wrong.
 */
int parse_word(struct parsing *parsing, const xmlNode *element, const char *attribute,
	const char *const *names, size_t count, int absent);

/* libvirt's reading of an unsigned number: blanks, then "+", then decimal digits up to 2^32 - 1. */
bool parse_unsigned(const char *text, unsigned *ret);

/*
 * Appends a device of that kind (its element may be NULL) or puts it in front; NULL: no memory.
 * The pointer is good until the next insertion into the list.
 */
struct device_config *device_list_append(
	struct device_list *list, enum device_kind kind, xmlNode *element);
struct device_config *device_list_prepend(
	struct device_list *list, enum device_kind kind, xmlNode *element);

/* The whole of the domain: identity, devices, defaults and numbers. 0 or -ENOMEM. */
int parse_domain(struct parsing *parsing, xmlDoc *doc);

/* One device's host side, its log, and our own elements. */
void parse_source(struct parsing *parsing, xmlNode *element, struct device_config *device);
void parse_seclabels(struct parsing *parsing, xmlNode *source, struct source *ret);
void parse_target(struct parsing *parsing, xmlNode *element, struct device_config *device);
void parse_extensions(struct parsing *parsing, xmlNode *element, struct device_config *device);

/* Anything of our namespace that stands where nothing would read it is an error. */
void parse_check_namespace(struct parsing *parsing, const xmlNode *root);

/*
 * What libvirt refuses in a device: a target at odds with the rest at once; a source that lacks
 * attributes only when the device is not folded into another.
 */
void validate_target(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device);
void validate_source(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device);

/* Port numbers, default targets, the rule that ties the first console to the first serial. */
void number_devices(struct parsing *parsing);

bool source_equals(const struct source *a, const struct source *b);

/* What libvirt's QEMU driver adds to and refuses in the domains that are its own. */
bool domain_is_qemu(const struct domain *domain);
bool domain_is_x86(const struct domain *domain);
void qemu_default_target(const struct domain *domain, struct target *target);
void qemu_drop_generated_path(struct device_config *device);
void qemu_validate(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device);

#endif
