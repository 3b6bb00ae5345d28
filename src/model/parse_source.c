/*
 * Reading what one device's element says of its host side: <source>, <protocol>, <log>.
 * Which attributes a type looks at is libvirt's; what a type does not look at is not judged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

static enum socket_mode parse_mode(struct parsing *parsing, const xmlNode *source)
{
	return (enum socket_mode)parse_word(
		parsing, source, "mode", socket_mode_names, SOCKET_MODE_COUNT, SOCKET_CONNECT);
}

static void parse_reconnect(
	struct parsing *parsing, const xmlNode *source, struct reconnect *reconnect)
{
	const xmlNode *element = xml_find(source->children, "reconnect");
	if (element == NULL)
		return;
	if (xml_attribute(element, "enabled") == NULL) {
		parse_warning(parsing, element,
			"<reconnect> without enabled= says nothing and is dropped; add "
			"enabled='yes'");
		return;
	}
	reconnect->enabled = (enum tristate)parse_word(parsing, element, "enabled", yes_no_names,
		NAME_COUNT(yes_no_names), TRISTATE_ABSENT);
	if (reconnect->enabled != TRISTATE_YES)
		return;
	const char *timeout = xml_attribute(element, "timeout");
	if (timeout == NULL)
		parse_error(parsing, element,
			"<reconnect enabled='yes'> has no timeout=; add it, in seconds");
	else if (!parse_unsigned(timeout, &reconnect->timeout))
		parse_error(parsing, element,
			"<reconnect timeout='%.100s'> is not a number of seconds; write one from "
			"0 to 4294967295",
			timeout);
}

static void parse_udp(struct parsing *parsing, xmlNode *source, struct udp_source *udp)
{
	bool bind = parse_mode(parsing, source) == SOCKET_BIND;
	char **host = bind ? &udp->bind_host : &udp->connect_host;
	char **service = bind ? &udp->bind_service : &udp->connect_service;
	if (*host != NULL || *service != NULL) {
		parse_warning(parsing, source,
			"a second <source mode='%s'> of a udp device is ignored; remove it",
			socket_mode_names[bind ? SOCKET_BIND : SOCKET_CONNECT]);
		return;
	}
	parse_text(parsing, source, "host", host);
	parse_text(parsing, source, "service", service);
}

static void parse_vdagent(struct parsing *parsing, xmlNode *element, struct source *source)
{
	const xmlNode *clipboard = xml_find(element->children, "clipboard");
	const xmlNode *mouse = xml_find(element->children, "mouse");
	if (clipboard != NULL && xml_attribute(clipboard, "copypaste") == NULL)
		parse_error(parsing, clipboard, "<clipboard> has no copypaste=; add yes or no");
	else if (clipboard != NULL)
		source->u.vdagent.clipboard_copypaste = (enum tristate)parse_word(
			parsing, clipboard, "copypaste", yes_no_names, NAME_COUNT(yes_no_names), 0);
	if (mouse != NULL && xml_attribute(mouse, "mode") == NULL)
		parse_error(parsing, mouse, "<mouse> has no mode=; add server or client");
	else if (mouse != NULL)
		source->u.vdagent.mouse = (enum mouse_mode)parse_word(
			parsing, mouse, "mode", mouse_mode_names, NAME_COUNT(mouse_mode_names), 0);
}

static void parse_tcp(struct parsing *parsing, xmlNode *element, struct tcp_source *tcp)
{
	tcp->mode = parse_mode(parsing, element);
	parse_text(parsing, element, "host", &tcp->host);
	parse_text(parsing, element, "service", &tcp->service);
	tcp->tls = (enum tristate)parse_word(
		parsing, element, "tls", yes_no_names, NAME_COUNT(yes_no_names), TRISTATE_ABSENT);
	parse_reconnect(parsing, element, &tcp->reconnect);
}

/* One <source>, by the device's type. A pty's path belongs to live documents and is dropped. */
static void parse_source_element(struct parsing *parsing, xmlNode *element, struct source *source)
{
	switch (source->type) {
	case SOURCE_DEV:
		parse_text(parsing, element, "path", &source->u.dev.path);
		break;
	case SOURCE_FILE:
		parse_text(parsing, element, "path", &source->u.file.path);
		source->u.file.append = (enum tristate)parse_word(parsing, element, "append",
			on_off_names, NAME_COUNT(on_off_names), TRISTATE_ABSENT);
		break;
	case SOURCE_PIPE:
		parse_text(parsing, element, "path", &source->u.pipe.path);
		break;
	case SOURCE_UNIX:
		source->u.unix_socket.mode = parse_mode(parsing, element);
		parse_text(parsing, element, "path", &source->u.unix_socket.path);
		parse_reconnect(parsing, element, &source->u.unix_socket.reconnect);
		break;
	case SOURCE_TCP:
		parse_tcp(parsing, element, &source->u.tcp);
		break;
	case SOURCE_UDP:
		parse_udp(parsing, element, &source->u.udp);
		break;
	case SOURCE_SPICEPORT:
		parse_text(parsing, element, "channel", &source->u.spiceport.channel);
		break;
	case SOURCE_DBUS:
		parse_text(parsing, element, "channel", &source->u.dbus.channel);
		break;
	case SOURCE_NMDM:
		parse_text(parsing, element, "master", &source->u.nmdm.master);
		parse_text(parsing, element, "slave", &source->u.nmdm.slave);
		break;
	case SOURCE_QEMU_VDAGENT:
		parse_vdagent(parsing, element, source);
		break;
	default:
		break;
	}
}

static void parse_protocol(struct parsing *parsing, xmlNode *element, struct source *source)
{
	if (source->type != SOURCE_TCP)
		return;
	source->u.tcp.protocol = (enum tcp_protocol)parse_word(
		parsing, element, "type", tcp_protocol_names, TCP_PROTOCOL_COUNT, TCP_PROTOCOL_RAW);
}

static void parse_log(struct parsing *parsing, xmlNode *element, struct log_config *log)
{
	parse_text(parsing, element, "file", &log->file);
	enum tristate append = (enum tristate)parse_word(parsing, element, "append", on_off_names,
		NAME_COUNT(on_off_names), TRISTATE_ABSENT);
	if (log->file == NULL)
		parse_warning(parsing, element,
			"<log> without file= says nothing and is dropped; "
			"add file='/...'");
	else
		log->append = append;
}

void parse_source(struct parsing *parsing, xmlNode *element, struct device_config *device)
{
	unsigned sources = 0;
	unsigned protocols = 0;
	unsigned logs = 0;
	unsigned source_limit = device->source.type == SOURCE_UDP ? 2 : 1;
	for (xmlNode *child = element->children; child != NULL; child = child->next) {
		if (xml_is(child, "source")) {
			if (++sources == source_limit + 1)
				parse_error(parsing, child,
					"a device of type '%s' has at most %u <source>; remove "
					"this "
					"one",
					source_type_names[device->source.type], source_limit);
			if (sources > source_limit)
				continue;
			parse_source_element(parsing, child, &device->source);
			if (sources == 1)
				parse_seclabels(parsing, child, &device->source);
		} else if (xml_is(child, "protocol")) {
			if (++protocols == 1)
				parse_protocol(parsing, child, &device->source);
			else if (protocols == 2)
				parse_error(parsing, child,
					"a device has at most one <protocol>; remove this one");
		} else if (xml_is(child, "log")) {
			if (++logs == 1)
				parse_log(parsing, child, &device->log);
			else if (logs == 2)
				parse_error(parsing, child,
					"a device has at most one <log>; remove this one");
		}
	}
}
