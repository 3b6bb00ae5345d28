/*
 * Devices of one domain that want the same thing of the host: one alias, one path, one listening
 * port, the VMM's one stdin and stdout. Claims are gathered and sorted, so that a document with
 * very many devices costs no more than a sort. Two clients of one server are no conflict.
 */
#include "model/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"

enum claim_kind { CLAIM_ALIAS, CLAIM_PATH, CLAIM_TCP_PORT, CLAIM_UDP_PORT, CLAIM_STDIO };

struct claim {
	enum claim_kind kind;
	unsigned order;   /* of the devices in the document */
	const char *what; /* alias, path, or service */
	const char *host; /* of a port; "" is every address */
	const struct device_config *device;
};

struct claims {
	struct claim *entries;
	size_t count;
};

enum { CLAIMS_PER_DEVICE = 5 };

static void claim(struct claims *claims, enum claim_kind kind, const char *what, const char *host,
	const struct device_config *device)
{
	if (what == NULL || what[0] == '\0')
		return;
	claims->entries[claims->count] = (struct claim){
		.kind = kind,
		.order = (unsigned)claims->count,
		.what = what,
		.host = host != NULL ? host : "",
		.device = device,
	};
	claims->count++;
}

/* "0" is any free port; leading zeros are not part of a number. */
static void claim_port(struct claims *claims, enum claim_kind kind, const char *service,
	const char *host, const struct device_config *device)
{
	static const char *const everywhere[] = {"0.0.0.0", "::", "*"};
	if (service == NULL)
		return;
	size_t zeros = strspn(service, "0");
	if (service[zeros] >= '0' && service[zeros] <= '9')
		service += zeros;
	if (strcmp(service, "0") == 0 || service[zeros] == '\0')
		return;
	if (host != NULL && name_index(everywhere, NAME_COUNT(everywhere), host) >= 0)
		host = "";
	claim(claims, kind, service, host, device);
}

static void claim_source(struct claims *claims, const struct device_config *device)
{
	const struct source *source = &device->source;
	switch (source->type) {
	case SOURCE_DEV:
		claim(claims, CLAIM_PATH, source->u.dev.path, NULL, device);
		break;
	case SOURCE_FILE:
		claim(claims, CLAIM_PATH, source->u.file.path, NULL, device);
		break;
	case SOURCE_PIPE:
		claim(claims, CLAIM_PATH, source->u.pipe.path, NULL, device);
		break;
	case SOURCE_UNIX:
		if (source->u.unix_socket.mode == SOCKET_BIND)
			claim(claims, CLAIM_PATH, source->u.unix_socket.path, NULL, device);
		break;
	case SOURCE_TCP:
		if (source->u.tcp.mode == SOCKET_BIND)
			claim_port(claims, CLAIM_TCP_PORT, source->u.tcp.service,
				source->u.tcp.host, device);
		break;
	case SOURCE_UDP:
		claim_port(claims, CLAIM_UDP_PORT, source->u.udp.bind_service,
			source->u.udp.bind_host, device);
		break;
	default:
		break;
	}
}

static int compare(const void *left, const void *right)
{
	const struct claim *a = left;
	const struct claim *b = right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	int r = strcmp(a->what, b->what);
	if (r == 0)
		r = strcmp(a->host, b->host);
	return r != 0 ? r : a->order < b->order ? -1 : 1;
}

/* In document order, so that the complaint stands at the later device. */
static void report(const struct claim *a, const struct claim *b, struct diagnostics *diagnostics)
{
	const struct device_config *first = a->device;
	const struct device_config *second = b->device;
	if (first->line > second->line || (first->line == second->line && a->order > b->order)) {
		first = b->device;
		second = a->device;
	}
	char what[256];
	switch (a->kind) {
	case CLAIM_ALIAS:
		snprintf(what, sizeof(what), "the alias '%.200s'", a->what);
		break;
	case CLAIM_PATH:
		snprintf(what, sizeof(what), "the path '%.200s'", a->what);
		break;
	case CLAIM_TCP_PORT:
		snprintf(what, sizeof(what), "TCP port %.200s", a->what);
		break;
	case CLAIM_UDP_PORT:
		snprintf(what, sizeof(what), "UDP port %.200s", a->what);
		break;
	default:
		snprintf(what, sizeof(what), "the VMM's stdin and stdout");
		break;
	}
	diagnostics_add(diagnostics, SEVERITY_ERROR, second->line,
		"%s: %s is already used by the %s on line %u; choose another", second->alias, what,
		device_kind_names[first->kind], first->line);
}

static void report_conflicts(const struct claims *claims, struct diagnostics *diagnostics)
{
	const struct claim *first = claims->entries; /* of those with this kind and text */
	for (size_t i = 1; i < claims->count; i++) {
		const struct claim *before = &claims->entries[i - 1];
		const struct claim *at = &claims->entries[i];
		if (at->kind != first->kind || strcmp(at->what, first->what) != 0) {
			first = at;
			continue;
		}
		if (strcmp(at->host, before->host) == 0)
			report(before, at, diagnostics);
		else if (first->host[0] == '\0')
			report(first, at, diagnostics);
	}
}

void check_conflicts(const struct domain *domain, struct diagnostics *diagnostics)
{
	struct claims claims = {0};
	if (domain->device_count == 0)
		return;
	claims.entries = calloc(domain->device_count * CLAIMS_PER_DEVICE, sizeof(struct claim));
	if (claims.entries == NULL)
		return;
	for (size_t i = 0; i < domain->device_count; i++) {
		const struct device_config *device = &domain->devices[i];
		claim(&claims, CLAIM_ALIAS, device->alias, NULL, device);
		if (device->alias_of_serial >= 0)
			continue;
		claim_source(&claims, device);
		claim(&claims, CLAIM_PATH, device->log.file, NULL, device);
		claim(&claims, CLAIM_PATH, device->extensions.guest.path, NULL, device);
		if (device->extensions.guest.type == GUEST_PORT_STDIO)
			claim(&claims, CLAIM_STDIO, "stdio", NULL, device);
	}
	qsort(claims.entries, claims.count, sizeof(claims.entries[0]), compare);
	report_conflicts(&claims, diagnostics);
	free(claims.entries);
}
