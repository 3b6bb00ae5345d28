/*
 * What concerns the devices of a domain together: port numbers, default targets, and the rule that
 * ties the first <console> to the first <serial>. All of it is libvirt's; its order matters too.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/device_config.h"
#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

enum { ISA_SERIAL_MAX = 4 };

/* "Not said" is -1; the number after the greatest, or an error when there is none. */
static int next_port(struct parsing *parsing, const xmlNode *element, int greatest)
{
	if (greatest < INT_MAX)
		return greatest + 1;
	parse_error(parsing, element,
		"no port number is left for this device; give it a <target port=>");
	return 0;
}

static void number_parallels(struct parsing *parsing)
{
	struct device_list *list = &parsing->lists[DEVICE_PARALLEL];
	int greatest = -1;
	for (size_t i = 0; i < list->count; i++) {
		int *port = &list->devices[i].target.port;
		if (*port == -1)
			*port = next_port(parsing, list->elements[i], greatest);
		if (*port > greatest)
			greatest = *port;
	}
}

/* The ports of serials that are isa-serial by their own word: 0 to 3, each once. */
static void number_isa_serials(struct parsing *parsing)
{
	struct device_list *list = &parsing->lists[DEVICE_SERIAL];
	bool used[ISA_SERIAL_MAX] = {false};
	for (size_t i = 0; i < list->count; i++) {
		const struct target *target = &list->devices[i].target;
		if (target->serial != SERIAL_TARGET_ISA || target->port == -1)
			continue;
		if (target->port >= ISA_SERIAL_MAX) {
			parse_error(parsing, list->elements[i],
				"an isa-serial has port %d; write one from 0 to 3", target->port);
			continue;
		}
		if (used[target->port])
			parse_error(parsing, list->elements[i],
				"a second isa-serial has port %d; give it another", target->port);
		used[target->port] = true;
	}
	for (size_t i = 0; i < list->count; i++) {
		struct target *target = &list->devices[i].target;
		if (target->serial != SERIAL_TARGET_ISA || target->port != -1)
			continue;
		int port = 0;
		while (port < ISA_SERIAL_MAX && used[port])
			port++;
		if (port == ISA_SERIAL_MAX) {
			parse_error(parsing, list->elements[i],
				"there are more than %d isa-serials; use pci-serial or usb-serial",
				ISA_SERIAL_MAX);
			return;
		}
		used[port] = true;
		target->port = port;
	}
}

static void number_serials(struct parsing *parsing)
{
	struct device_list *list = &parsing->lists[DEVICE_SERIAL];
	int greatest = -1;
	for (size_t i = 0; i < list->count; i++)
		if (list->devices[i].target.port > greatest)
			greatest = list->devices[i].target.port;
	for (size_t i = 0; i < list->count; i++) {
		int *port = &list->devices[i].target.port;
		if (*port == -1)
			*port = greatest = next_port(parsing, list->elements[i], greatest);
	}
}

static bool is_type(const struct domain *domain, const char *type)
{
	return domain->type != NULL && strcmp(domain->type, type) == 0;
}

static bool is_hvm(const struct domain *domain)
{
	return domain->os_type != NULL && strcmp(domain->os_type, "hvm") == 0;
}

static enum console_target default_console_target(const struct domain *domain)
{
	if (is_type(domain, "lxc"))
		return CONSOLE_TARGET_LXC;
	if (is_type(domain, "xen") && !is_hvm(domain))
		return CONSOLE_TARGET_XEN;
	return CONSOLE_TARGET_SERIAL;
}

/* A console's number is its place among the consoles of the document. */
static void number_consoles(struct parsing *parsing)
{
	struct device_list *list = &parsing->lists[DEVICE_CONSOLE];
	for (size_t i = 0; i < list->count; i++) {
		struct target *target = &list->devices[i].target;
		target->port = (int)i;
		if (target->console == CONSOLE_TARGET_NONE)
			target->console = default_console_target(parsing->domain);
		if (i > 0 && target->console == CONSOLE_TARGET_SERIAL)
			parse_error(parsing, list->elements[i],
				"only the first <console> can be a serial port; give this one a "
				"<target type='virtio'/>");
	}
}

/* Does this serial get a <console> beside it that nobody wrote? */
static bool wants_console(const struct target *target)
{
	return target->serial == SERIAL_TARGET_NONE || target->serial == SERIAL_TARGET_ISA ||
	       target->serial == SERIAL_TARGET_SPAPR_VIO ||
	       target->serial == SERIAL_TARGET_SYSTEM || target->serial == SERIAL_TARGET_SCLP;
}

/* Makes `console` the other face of serial 0, whatever it said of itself. */
static void make_alias(struct device_config *console)
{
	char *alias = console->alias;
	bool is_user = console->alias_is_user;
	unsigned line = console->line;
	console->alias = NULL;
	device_config_fini(console);
	device_config_init(console, DEVICE_CONSOLE);
	console->alias = alias;
	console->alias_is_user = is_user;
	console->line = line;
	console->alias_of_serial = 0;
	console->target.console = CONSOLE_TARGET_SERIAL;
}

static bool has_our_elements(const xmlNode *element)
{
	for (const xmlNode *child = element->children; child != NULL; child = child->next)
		if (xml_is_ours(child))
			return true;
	return false;
}

/* The first console and a serial: one backend, the serial's. */
static void fold_console(struct parsing *parsing)
{
	struct device_config *console = &parsing->lists[DEVICE_CONSOLE].devices[0];
	const struct device_config *serial = &parsing->lists[DEVICE_SERIAL].devices[0];
	const xmlNode *element = parsing->lists[DEVICE_CONSOLE].elements[0];
	bool keeps_alias = console->alias != NULL &&
			   (serial->alias == NULL || strcmp(console->alias, serial->alias) != 0);
	if (!source_equals(&console->source, &serial->source)) {
		parse_warning(parsing, element,
			"the first <console> is the first <serial> seen from the guest, so what it "
			"says of its host side is ignored; make the two equal, or give it a "
			"<target type='virtio'/>");
		keeps_alias = false;
	} else if (has_our_elements(element)) {
		parse_warning(parsing, element,
			"settings in a <console> that is the first "
			"<serial> are ignored; move them into the <serial>");
	}
	if (!keeps_alias) { /* printed documents repeat the serial's */
		free(console->alias);
		console->alias = NULL;
		console->alias_is_user = false;
	}
	make_alias(console);
}

/* A console without any serial becomes the serial; a new console stands for it. */
static void turn_into_serial(struct parsing *parsing)
{
	struct device_list *consoles = &parsing->lists[DEVICE_CONSOLE];
	struct device_list *serials = &parsing->lists[DEVICE_SERIAL];
	struct device_config *serial =
		device_list_append(serials, DEVICE_SERIAL, consoles->elements[0]);
	if (serial == NULL) {
		parsing->no_memory = true;
		return;
	}
	struct device_config *console = &consoles->devices[0];
	*serial = *console;
	serial->kind = DEVICE_SERIAL;
	serial->target.port = 0;
	serial->target.console = CONSOLE_TARGET_NONE;
	unsigned line = console->line;
	device_config_init(console, DEVICE_CONSOLE);
	console->line = line;
	make_alias(console);
	consoles->elements[0] = NULL;
}

static void tie_first_console(struct parsing *parsing)
{
	struct device_list *consoles = &parsing->lists[DEVICE_CONSOLE];
	struct device_list *serials = &parsing->lists[DEVICE_SERIAL];
	if (!is_hvm(parsing->domain))
		return;
	if (consoles->count > 0 && consoles->devices[0].target.console == CONSOLE_TARGET_SERIAL) {
		if (serials->count > 0)
			fold_console(parsing);
		else
			turn_into_serial(parsing);
	} else if (serials->count > 0 && wants_console(&serials->devices[0].target)) {
		struct device_config *console = device_list_prepend(consoles, DEVICE_CONSOLE, NULL);
		if (console == NULL) {
			parsing->no_memory = true;
			return;
		}
		console->line = serials->devices[0].line;
		make_alias(console);
	}
}

/*
 * Serials that are isa-serial by default are not counted by number_isa_serials(); libvirt takes
 * them and QEMU then does not start.
 */
static void check_isa_ports(struct parsing *parsing)
{
	const struct device_list *list = &parsing->lists[DEVICE_SERIAL];
	bool used[ISA_SERIAL_MAX] = {false};
	if (parsing->diagnostics->errors > 0)
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct target *target = &list->devices[i].target;
		if (target->serial != SERIAL_TARGET_ISA)
			continue;
		if (target->port >= ISA_SERIAL_MAX || used[target->port])
			parse_error(parsing, list->elements[i],
				"this serial would be isa-serial %d, of which QEMU has one each "
				"from 0 to 3; give it <target type='pci-serial'/> or another port",
				target->port);
		else
			used[target->port] = true;
	}
}

void number_devices(struct parsing *parsing)
{
	struct device_list *serials = &parsing->lists[DEVICE_SERIAL];
	struct device_list *consoles = &parsing->lists[DEVICE_CONSOLE];
	number_parallels(parsing);
	number_isa_serials(parsing);
	number_consoles(parsing);
	tie_first_console(parsing);
	if (domain_is_qemu(parsing->domain))
		for (size_t i = 0; i < serials->count; i++)
			qemu_default_target(parsing->domain, &serials->devices[i].target);
	number_serials(parsing);
	if (domain_is_qemu(parsing->domain))
		check_isa_ports(parsing);
	if (consoles->count > 0 && consoles->devices[0].alias_of_serial == 0 && serials->count > 0)
		consoles->devices[0].target.port = serials->devices[0].target.port;
}
