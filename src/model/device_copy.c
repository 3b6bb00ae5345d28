/* Copying a device's configuration; see device_config.h. */
#include "model/device_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A borrowed text becomes one of its own; NULL, and false, when there is no memory. */
static bool own(char **text)
{
	if (*text == NULL)
		return true;
	*text = strdup(*text);
	return *text != NULL;
}

static bool own_seclabels(struct source *source)
{
	const struct seclabel *from = source->seclabels;
	size_t count = source->seclabel_count;
	source->seclabels = NULL;
	source->seclabel_count = 0;
	if (count == 0)
		return true;
	source->seclabels = calloc(count, sizeof(*source->seclabels));
	if (source->seclabels == NULL)
		return false;
	bool done = true;
	source->seclabel_count = count;
	for (size_t i = 0; i < count; i++) {
		source->seclabels[i] = from[i];
		done &= own(&source->seclabels[i].model);
		done &= own(&source->seclabels[i].label);
	}
	return done;
}

static bool own_source(struct source *source)
{
	bool done = own_seclabels(source);
	switch (source->type) {
	case SOURCE_DEV:
		done &= own(&source->u.dev.path);
		break;
	case SOURCE_FILE:
		done &= own(&source->u.file.path);
		break;
	case SOURCE_PIPE:
		done &= own(&source->u.pipe.path);
		break;
	case SOURCE_TCP:
		done &= own(&source->u.tcp.host);
		done &= own(&source->u.tcp.service);
		break;
	case SOURCE_UDP:
		done &= own(&source->u.udp.connect_host);
		done &= own(&source->u.udp.connect_service);
		done &= own(&source->u.udp.bind_host);
		done &= own(&source->u.udp.bind_service);
		break;
	case SOURCE_UNIX:
		done &= own(&source->u.unix_socket.path);
		break;
	case SOURCE_SPICEPORT:
		done &= own(&source->u.spiceport.channel);
		break;
	case SOURCE_DBUS:
		done &= own(&source->u.dbus.channel);
		break;
	case SOURCE_NMDM:
		done &= own(&source->u.nmdm.master);
		done &= own(&source->u.nmdm.slave);
		break;
	default:
		break;
	}
	return done;
}

int device_config_copy(const struct device_config *device, struct device_config *ret)
{
	struct device_config copy = *device;
	bool done = own(&copy.alias);
	done &= own_source(&copy.source);
	done &= own(&copy.log.file);
	done &= own(&copy.target.name);
	done &= own(&copy.target.address);
	done &= own(&copy.extensions.guest.path);
	done &= own(&copy.extensions.tls.dir);
	done &= own(&copy.extensions.tls.allow);
	done &= own(&copy.extensions.socket.group);
	if (!done) {
		device_config_fini(&copy);
		return -ENOMEM;
	}
	*ret = copy;
	return 0;
}
