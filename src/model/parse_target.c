/* Reading <target>, the guest's side of a device, as far as numbering and VMMs need it. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

/* libvirt reads the port as unsigned and keeps it in an int: 2^32 - 1, and so -1, is "not said". */
static void parse_port(struct parsing *parsing, const xmlNode *target, int *ret)
{
	unsigned port;
	const char *text = xml_attribute(target, "port");
	if (text == NULL || strcmp(text, "-1") == 0)
		return;
	if (!parse_unsigned(text, &port) || (port > INT_MAX && port != UINT_MAX))
		parse_error(parsing, target,
			"<target port='%.100s'> is not a port number; write one from 0 to %d", text,
			INT_MAX);
	else if (port != UINT_MAX)
		*ret = (int)port;
}

static void parse_serial_target(
	struct parsing *parsing, const xmlNode *element, struct target *target)
{
	target->serial = (enum serial_target)parse_word(parsing, element, "type",
		serial_target_names, SERIAL_TARGET_COUNT, SERIAL_TARGET_NONE);
	parse_port(parsing, element, &target->port);
	const xmlNode *model = xml_find(element->children, "model");
	const char *name = model != NULL ? xml_attribute(model, "name") : NULL;
	if (name != NULL && name[0] != '\0') /* an empty model is none, an empty type is wrong */
		target->model = (enum serial_model)parse_word(parsing, model, "name",
			serial_model_names, SERIAL_MODEL_COUNT, SERIAL_MODEL_NONE);
}

/* The port is read for its errors only: a console's number is its place among the consoles. */
static void parse_console_target(
	struct parsing *parsing, const xmlNode *element, struct target *target)
{
	int ignored;
	target->console = (enum console_target)parse_word(parsing, element, "type",
		console_target_names, CONSOLE_TARGET_COUNT, CONSOLE_TARGET_NONE);
	parse_port(parsing, element, &ignored);
}

/* Kept in dotted form, whichever of the old notations was written, as libvirt prints it. */
static void parse_guestfwd(struct parsing *parsing, const xmlNode *element, struct target *target)
{
	const char *address = xml_attribute(element, "address");
	const char *port = xml_attribute(element, "port");
	struct in_addr in;
	if (address == NULL) {
		parse_error(parsing, element,
			"a guestfwd channel has no <target address=>; add "
			"the guest's IPv4 address");
	} else if (strpbrk(address, " \t\r\n") != NULL || inet_aton(address, &in) == 0) {
		parse_error(parsing, element,
			"<target address='%.100s'> is not an IPv4 address; write one such as "
			"10.0.2.1",
			address);
	} else {
		char text[INET_ADDRSTRLEN];
		target->address =
			parse_strdup(parsing, inet_ntop(AF_INET, &in, text, sizeof(text)));
	}
	if (port == NULL)
		parse_error(parsing, element, "a guestfwd channel has no <target port=>; add it");
	else if (!parse_unsigned(port, &target->guestfwd_port) || target->guestfwd_port > 65535)
		parse_error(parsing, element,
			"<target port='%.100s'> is not a port; write a number from 0 to 65535",
			port);
}

static void parse_channel_target(
	struct parsing *parsing, const xmlNode *element, struct target *target)
{
	if (xml_attribute(element, "type") == NULL) {
		parse_error(parsing, element,
			"a channel's <target> has no type=; add virtio, xen "
			"or guestfwd");
		return;
	}
	target->channel = (enum channel_target)parse_word(parsing, element, "type",
		channel_target_names, CHANNEL_TARGET_COUNT, CHANNEL_TARGET_NONE);
	if (target->channel == CHANNEL_TARGET_GUESTFWD)
		parse_guestfwd(parsing, element, target);
	else if (target->channel != CHANNEL_TARGET_NONE)
		parse_text(parsing, element, "name", &target->name);
}

/* Hexadecimal, with or without 0x, as libvirt reads it. */
static void parse_isa_number(
	struct parsing *parsing, const xmlNode *address, const char *name, unsigned *ret)
{
	const char *text = xml_attribute(address, name);
	char *end;
	if (text == NULL)
		return;
	const char *digits = text + strspn(text, " \t\r\n");
	digits += *digits == '+';
	errno = 0;
	unsigned long value = strtoul(digits, &end, 16);
	if (!isxdigit((unsigned char)digits[0]) || *end != '\0' || errno != 0 || value > UINT_MAX)
		parse_error(parsing, address,
			"<address %s='%.100s'> is not a number; write one such as 0x3f8", name,
			text);
	else
		*ret = (unsigned)value;
}

/* Of the guest's addresses only this one is looked at: a debug console is where it says. */
static void parse_isa_address(struct parsing *parsing, xmlNode *element, struct target *target)
{
	const xmlNode *address = xml_find(element->children, "address");
	const char *type = address != NULL ? xml_attribute(address, "type") : NULL;
	if (type == NULL || strcmp(type, "isa") != 0)
		return;
	parse_isa_number(parsing, address, "iobase", &target->iobase);
	parse_isa_number(parsing, address, "irq", &target->irq);
}

void parse_target(struct parsing *parsing, xmlNode *element, struct device_config *device)
{
	const xmlNode *target = xml_find(element->children, "target");
	if (device->kind == DEVICE_SERIAL || device->kind == DEVICE_PARALLEL)
		parse_isa_address(parsing, element, &device->target);
	if (target == NULL) {
		if (device->kind == DEVICE_CHANNEL)
			parse_error(parsing, element,
				"a <channel> has no <target>; add one such "
				"as <target type='virtio' name='...'/>");
		return;
	}
	switch (device->kind) {
	case DEVICE_SERIAL:
		parse_serial_target(parsing, target, &device->target);
		break;
	case DEVICE_PARALLEL:
		parse_port(parsing, target, &device->target.port);
		break;
	case DEVICE_CONSOLE:
		parse_console_target(parsing, target, &device->target);
		break;
	default:
		parse_channel_target(parsing, target, &device->target);
		break;
	}
}
