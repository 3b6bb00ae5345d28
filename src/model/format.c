/*
 * Writing one device into an element, in the order and with the defaults of libvirt's own output:
 * source, protocol, log, target, alias. Which attributes an inactive definition leaves out, and
 * what a live one adds, is in chardev-xml(5).
 */
#include "model/format.h"

#include <stdio.h>

#include "model/names.h"

struct formatting {
	const struct printed_device *device;
	bool no_memory;
};

static xmlNode *add(struct formatting *formatting, xmlNode *parent, const char *name)
{
	xmlNode *child = parent != NULL ? xmlNewChild(parent, NULL, BAD_CAST name, NULL) : NULL;
	if (child == NULL)
		formatting->no_memory = true;
	return child;
}

/* An attribute; NULL: none. */
static void set(
	struct formatting *formatting, xmlNode *element, const char *name, const char *value)
{
	if (element == NULL || value == NULL)
		return;
	if (xmlNewProp(element, BAD_CAST name, BAD_CAST value) == NULL)
		formatting->no_memory = true;
}

static void set_number(
	struct formatting *formatting, xmlNode *element, const char *name, long long value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", value);
	set(formatting, element, name, text);
}

/* A label alone says relabel='yes'; without either there is nothing to print. */
static void format_seclabels(
	struct formatting *formatting, xmlNode *parent, const struct source *source)
{
	for (size_t i = 0; i < source->seclabel_count; i++) {
		const struct seclabel *label = &source->seclabels[i];
		if (label->label == NULL && label->relabel != TRISTATE_NO)
			continue;
		xmlNode *element = add(formatting, parent, "seclabel");
		set(formatting, element, "model", label->model);
		set(formatting, element, "relabel", label->label != NULL ? "yes" : "no");
		if (label->label == NULL)
			continue;
		xmlNode *text = add(formatting, element, "label");
		if (text != NULL)
			xmlNodeAddContent(text, BAD_CAST label->label);
	}
}

static void format_reconnect(
	struct formatting *formatting, xmlNode *parent, const struct reconnect *reconnect)
{
	if (reconnect->enabled == TRISTATE_ABSENT)
		return;
	xmlNode *element = add(formatting, parent, "reconnect");
	set(formatting, element, "enabled", yes_no_names[reconnect->enabled]);
	if (reconnect->enabled == TRISTATE_YES)
		set_number(formatting, element, "timeout", reconnect->timeout);
}

static const char *running_service(const struct formatting *formatting, const char *asked)
{
	const struct device_live *running = formatting->device->running;
	return running != NULL && running->service != NULL ? running->service : asked;
}

static void format_tcp(struct formatting *formatting, xmlNode *parent, const struct tcp_source *tcp)
{
	xmlNode *element = add(formatting, parent, "source");
	set(formatting, element, "mode", socket_mode_names[tcp->mode]);
	set(formatting, element, "host", tcp->host);
	set(formatting, element, "service", running_service(formatting, tcp->service));
	set(formatting, element, "tls", yes_no_names[tcp->tls]);
	format_reconnect(formatting, element, &tcp->reconnect);
	element = add(formatting, parent, "protocol");
	set(formatting, element, "type", tcp_protocol_names[tcp->protocol]);
}

static void format_udp(struct formatting *formatting, xmlNode *parent, const struct udp_source *udp)
{
	if (udp->bind_host != NULL || udp->bind_service != NULL) {
		xmlNode *element = add(formatting, parent, "source");
		set(formatting, element, "mode", "bind");
		set(formatting, element, "host", udp->bind_host);
		set(formatting, element, "service", running_service(formatting, udp->bind_service));
	}
	if (udp->connect_host != NULL || udp->connect_service != NULL) {
		xmlNode *element = add(formatting, parent, "source");
		set(formatting, element, "mode", "connect");
		set(formatting, element, "host", udp->connect_host);
		set(formatting, element, "service", udp->connect_service);
	}
}

/* A path that is generated belongs to the live document, and there we listen. */
static void format_unix(struct formatting *formatting, xmlNode *parent, const struct source *source)
{
	const struct unix_source *from = &source->u.unix_socket;
	const struct device_live *running = formatting->device->running;
	const char *generated = running != NULL ? running->path : NULL;
	const char *path = from->path != NULL ? from->path : generated;
	enum socket_mode mode = from->path != NULL ? from->mode : SOCKET_BIND;
	if (path == NULL)
		return;
	xmlNode *element = add(formatting, parent, "source");
	set(formatting, element, "mode", socket_mode_names[mode]);
	set(formatting, element, "path", path);
	format_seclabels(formatting, element, source);
	if (from->path != NULL)
		format_reconnect(formatting, element, &from->reconnect);
}

static void format_vdagent(
	struct formatting *formatting, xmlNode *parent, const struct source *source)
{
	enum tristate clipboard = source->u.vdagent.clipboard_copypaste;
	enum mouse_mode mouse = source->u.vdagent.mouse;
	if (clipboard == TRISTATE_ABSENT && mouse == MOUSE_ABSENT)
		return;
	xmlNode *element = add(formatting, parent, "source");
	if (clipboard != TRISTATE_ABSENT)
		set(formatting, add(formatting, element, "clipboard"), "copypaste",
			yes_no_names[clipboard]);
	if (mouse != MOUSE_ABSENT)
		set(formatting, add(formatting, element, "mouse"), "mode", mouse_mode_names[mouse]);
}

/* A source that is one path, with its labels. */
static xmlNode *format_path(struct formatting *formatting, xmlNode *parent, const char *path,
	const struct source *source)
{
	if (path == NULL)
		return NULL;
	xmlNode *element = add(formatting, parent, "source");
	set(formatting, element, "path", path);
	format_seclabels(formatting, element, source);
	return element;
}

static void format_channel_name(struct formatting *formatting, xmlNode *parent, const char *name)
{
	set(formatting, add(formatting, parent, "source"), "channel", name);
}

static void format_nmdm(struct formatting *formatting, xmlNode *parent, const struct source *source)
{
	if (source->u.nmdm.master == NULL)
		return;
	xmlNode *element = add(formatting, parent, "source");
	set(formatting, element, "master", source->u.nmdm.master);
	set(formatting, element, "slave", source->u.nmdm.slave);
}

static void format_source(
	struct formatting *formatting, xmlNode *parent, const struct source *source)
{
	const struct device_live *running = formatting->device->running;
	switch (source->type) {
	case SOURCE_PTY:
		format_path(formatting, parent, running != NULL ? running->pty_path : NULL, source);
		break;
	case SOURCE_DEV:
		format_path(formatting, parent, source->u.dev.path, source);
		break;
	case SOURCE_FILE:
		set(formatting, format_path(formatting, parent, source->u.file.path, source),
			"append", on_off_names[source->u.file.append]);
		break;
	case SOURCE_PIPE:
		format_path(formatting, parent, source->u.pipe.path, source);
		break;
	case SOURCE_UNIX:
		format_unix(formatting, parent, source);
		break;
	case SOURCE_TCP:
		format_tcp(formatting, parent, &source->u.tcp);
		break;
	case SOURCE_UDP:
		format_udp(formatting, parent, &source->u.udp);
		break;
	case SOURCE_SPICEPORT:
		format_channel_name(formatting, parent, source->u.spiceport.channel);
		break;
	case SOURCE_DBUS:
		format_channel_name(formatting, parent, source->u.dbus.channel);
		break;
	case SOURCE_NMDM:
		format_nmdm(formatting, parent, source);
		break;
	case SOURCE_QEMU_VDAGENT:
		format_vdagent(formatting, parent, source);
		break;
	default:
		break;
	}
}

static void format_channel_target(
	struct formatting *formatting, xmlNode *element, const struct target *target)
{
	set(formatting, element, "type", channel_target_names[target->channel]);
	set(formatting, element, "address", target->address);
	set(formatting, element, "name", target->name);
	if (target->channel == CHANNEL_TARGET_GUESTFWD)
		set_number(formatting, element, "port", target->guestfwd_port);
}

static void format_target(struct formatting *formatting, xmlNode *parent)
{
	const struct device_config *face = formatting->device->face;
	const struct target *target = &face->target;
	xmlNode *element = add(formatting, parent, "target");
	if (face->kind == DEVICE_CHANNEL) {
		format_channel_target(formatting, element, target);
		return;
	}
	if (face->kind == DEVICE_SERIAL && target->serial != SERIAL_TARGET_NONE)
		set(formatting, element, "type", serial_target_names[target->serial]);
	if (face->kind == DEVICE_CONSOLE)
		set(formatting, element, "type", console_target_names[target->console]);
	set_number(formatting, element, "port", target->port);
	if (face->kind == DEVICE_SERIAL && target->model != SERIAL_MODEL_NONE)
		set(formatting, add(formatting, element, "model"), "name",
			serial_model_names[target->model]);
}

static void format_log(struct formatting *formatting, xmlNode *parent, const struct log_config *log)
{
	if (log->file == NULL)
		return;
	xmlNode *element = add(formatting, parent, "log");
	set(formatting, element, "file", log->file);
	set(formatting, element, "append", on_off_names[log->append]);
}

bool format_device(xmlNode *element, const struct printed_device *device)
{
	struct formatting formatting = {.device = device};
	const struct device_config *face = device->face;
	const struct device_config *content = device->content;
	xmlNodeSetName(element, BAD_CAST device_kind_names[face->kind]);
	set(&formatting, element, "type", source_type_names[content->source.type]);
	if (face->kind == DEVICE_CONSOLE && face->target.port == 0 &&
		content->source.type == SOURCE_PTY && device->running != NULL)
		set(&formatting, element, "tty", device->running->pty_path);
	format_source(&formatting, element, &content->source);
	format_log(&formatting, element, &content->log);
	format_target(&formatting, element);
	if (device->live || content->alias_is_user)
		set(&formatting, add(&formatting, element, "alias"), "name", content->alias);
	return !formatting.no_memory;
}
