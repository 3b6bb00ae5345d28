/*
 * What libvirt refuses in one device that reads well word by word: attributes that are missing or
 * at odds. What only we refuse is check.c.
 */
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

static void require(struct parsing *parsing, const xmlNode *element,
	const struct device_config *device, const char *value, const char *attribute)
{
	if (value == NULL)
		parse_error(parsing, element, "a %s of type '%s' has no <source %s=>; add it",
			device_kind_names[device->kind], source_type_names[device->source.type],
			attribute);
}

static void check_reconnect(struct parsing *parsing, const xmlNode *element, enum socket_mode mode,
	const struct reconnect *reconnect)
{
	if (mode == SOCKET_BIND && reconnect->enabled != TRISTATE_ABSENT)
		parse_error(parsing, element,
			"<reconnect> stands in a source that listens; "
			"remove it, or write mode='connect'");
}

/* A channel's path may be left out: it is generated in the runtime directory. */
static bool has_generated_path(const struct device_config *device)
{
	return device->kind == DEVICE_CHANNEL &&
	       (device->target.channel == CHANNEL_TARGET_VIRTIO ||
		       device->target.channel == CHANNEL_TARGET_XEN);
}

static void check_channel_name(struct parsing *parsing, const xmlNode *element,
	const struct device_config *device, const char *name)
{
	require(parsing, element, device, name, "channel");
	if (name == NULL)
		return;
	size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789_.-");
	if (name[good] != '\0')
		parse_error(parsing, element,
			"<source channel='%.100s'> has a character that is not allowed; use "
			"letters, digits, \"_\", \".\" and \"-\"",
			name);
}

void validate_source(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device)
{
	const struct source *source = &device->source;
	switch (source->type) {
	case SOURCE_DEV:
		require(parsing, element, device, source->u.dev.path, "path");
		break;
	case SOURCE_FILE:
		require(parsing, element, device, source->u.file.path, "path");
		break;
	case SOURCE_PIPE:
		require(parsing, element, device, source->u.pipe.path, "path");
		break;
	case SOURCE_UNIX:
		if (!has_generated_path(device))
			require(parsing, element, device, source->u.unix_socket.path, "path");
		check_reconnect(parsing, element, source->u.unix_socket.mode,
			&source->u.unix_socket.reconnect);
		break;
	case SOURCE_TCP:
		require(parsing, element, device, source->u.tcp.host, "host");
		require(parsing, element, device, source->u.tcp.service, "service");
		check_reconnect(parsing, element, source->u.tcp.mode, &source->u.tcp.reconnect);
		break;
	case SOURCE_UDP:
		if (source->u.udp.connect_service == NULL)
			parse_error(parsing, element,
				"a %s of type 'udp' has no <source "
				"mode='connect' service=>; add it",
				device_kind_names[device->kind]);
		break;
	case SOURCE_SPICEPORT:
		check_channel_name(parsing, element, device, source->u.spiceport.channel);
		break;
	case SOURCE_DBUS:
		check_channel_name(parsing, element, device, source->u.dbus.channel);
		break;
	case SOURCE_NMDM:
		if ((source->u.nmdm.master == NULL) != (source->u.nmdm.slave == NULL))
			parse_error(parsing, element,
				"a <source> of type 'nmdm' has only one of "
				"master= and slave=; give both");
		break;
	default:
		break;
	}
}

void validate_target(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device)
{
	const struct target *target = &device->target;
	if (device->source.type == SOURCE_SPICEVMC &&
		(device->kind != DEVICE_CHANNEL || target->channel != CHANNEL_TARGET_VIRTIO))
		parse_error(parsing, element,
			"the type 'spicevmc' is only for a <channel> with "
			"<target type='virtio'>");
	if (target->serial == SERIAL_TARGET_ISA_DEBUG && !domain_is_x86(parsing->domain))
		parse_error(parsing, element,
			"<target type='isa-debug'> is only for x86 guests; "
			"choose another");
	const xmlNode *address = xml_find(element->children, "address");
	if (target->serial != SERIAL_TARGET_USB || address == NULL)
		return;
	const char *type = xml_attribute(address, "type");
	if (type != NULL && strcmp(type, "usb") != 0)
		parse_error(parsing, address,
			"a usb-serial has an <address type='%.100s'>; write "
			"type='usb', or remove it",
			type);
}
