/* Releasing and searching a domain; see domain.h. Reading one is parse.c. */
#include "model/domain.h"

#include <stdlib.h>
#include <string.h>

#include "model/device_config.h"

static void source_fini(struct source *source)
{
	switch (source->type) {
	case SOURCE_DEV:
		free(source->u.dev.path);
		break;
	case SOURCE_FILE:
		free(source->u.file.path);
		break;
	case SOURCE_PIPE:
		free(source->u.pipe.path);
		break;
	case SOURCE_TCP:
		free(source->u.tcp.host);
		free(source->u.tcp.service);
		break;
	case SOURCE_UDP:
		free(source->u.udp.connect_host);
		free(source->u.udp.connect_service);
		free(source->u.udp.bind_host);
		free(source->u.udp.bind_service);
		break;
	case SOURCE_UNIX:
		free(source->u.unix_socket.path);
		break;
	case SOURCE_SPICEPORT:
		free(source->u.spiceport.channel);
		break;
	case SOURCE_DBUS:
		free(source->u.dbus.channel);
		break;
	case SOURCE_NMDM:
		free(source->u.nmdm.master);
		free(source->u.nmdm.slave);
		break;
	default:
		break;
	}
	for (size_t i = 0; i < source->seclabel_count; i++) {
		free(source->seclabels[i].model);
		free(source->seclabels[i].label);
	}
	free(source->seclabels);
}

void device_config_init(struct device_config *device, enum device_kind kind)
{
	*device = (struct device_config){
		.kind = kind,
		.alias_of_serial = -1,
		.target.port = -1,
		.extensions =
			{
				.overflow.patience_ms = -1,
				.log.max_backups = -1,
				.clients_max = -1,
				.socket.mode = -1,
			},
	};
}

void device_config_fini(struct device_config *device)
{
	free(device->alias);
	source_fini(&device->source);
	free(device->log.file);
	free(device->target.name);
	free(device->target.address);
	free(device->extensions.guest.path);
	free(device->extensions.tls.dir);
	free(device->extensions.tls.allow);
	free(device->extensions.socket.group);
	*device = (struct device_config){0};
}

struct domain *domain_free(struct domain *domain)
{
	if (domain == NULL)
		return NULL;
	for (size_t i = 0; i < domain->device_count; i++)
		device_config_fini(&domain->devices[i]);
	free(domain->devices);
	free(domain->name);
	free(domain->uuid);
	free(domain->type);
	free(domain->os_type);
	free(domain->arch);
	free(domain->machine);
	free(domain);
	return NULL;
}

const struct device_config *domain_find_device(const struct domain *domain, const char *alias)
{
	for (size_t i = 0; i < domain->device_count; i++)
		if (strcmp(domain->devices[i].alias, alias) == 0)
			return &domain->devices[i];
	return NULL;
}

/* The serials come first among a domain's devices. */
const struct device_config *domain_resolve_alias(
	const struct domain *domain, const struct device_config *device)
{
	return device->alias_of_serial >= 0 ? &domain->devices[device->alias_of_serial] : device;
}
