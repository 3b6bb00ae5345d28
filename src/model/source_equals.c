/*
 * Do two sources say the same? As libvirt compares a console with its serial: the type and what
 * belongs to it, but neither tls= nor the log nor the security labels.
 */
#include <string.h>

#include "model/parse.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_reconnect(const struct reconnect *a, const struct reconnect *b)
{
	return a->enabled == b->enabled && a->timeout == b->timeout;
}

static bool same_tcp(const struct tcp_source *a, const struct tcp_source *b)
{
	return a->mode == b->mode && a->protocol == b->protocol && same(a->host, b->host) &&
	       same(a->service, b->service) && same_reconnect(&a->reconnect, &b->reconnect);
}

static bool same_udp(const struct udp_source *a, const struct udp_source *b)
{
	return same(a->bind_host, b->bind_host) && same(a->bind_service, b->bind_service) &&
	       same(a->connect_host, b->connect_host) &&
	       same(a->connect_service, b->connect_service);
}

static bool same_unix(const struct unix_source *a, const struct unix_source *b)
{
	return a->mode == b->mode && same(a->path, b->path) &&
	       same_reconnect(&a->reconnect, &b->reconnect);
}

bool source_equals(const struct source *a, const struct source *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case SOURCE_DEV:
		return same(a->u.dev.path, b->u.dev.path);
	case SOURCE_FILE:
		return same(a->u.file.path, b->u.file.path) && a->u.file.append == b->u.file.append;
	case SOURCE_PIPE:
		return same(a->u.pipe.path, b->u.pipe.path);
	case SOURCE_TCP:
		return same_tcp(&a->u.tcp, &b->u.tcp);
	case SOURCE_UDP:
		return same_udp(&a->u.udp, &b->u.udp);
	case SOURCE_UNIX:
		return same_unix(&a->u.unix_socket, &b->u.unix_socket);
	case SOURCE_SPICEPORT:
		return same(a->u.spiceport.channel, b->u.spiceport.channel);
	case SOURCE_DBUS:
		return same(a->u.dbus.channel, b->u.dbus.channel);
	case SOURCE_NMDM:
		return same(a->u.nmdm.master, b->u.nmdm.master) &&
		       same(a->u.nmdm.slave, b->u.nmdm.slave);
	case SOURCE_QEMU_VDAGENT:
		return a->u.vdagent.clipboard_copypaste == b->u.vdagent.clipboard_copypaste &&
		       a->u.vdagent.mouse == b->u.vdagent.mouse;
	default:
		return true;
	}
}
