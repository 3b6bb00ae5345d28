/*
 * What a domain that libvirt accepts still cannot have here, device by device; see check.h.
 * Between devices: check_conflicts.c. Whether a path exists, is of the right kind or may be opened
 * is found when the device is opened: nothing here looks at the host, but that a service's name is
 * looked up in the C library's table of services.
 */
#include "model/check.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "model/names.h"

struct check {
	const struct device_config *device;
	struct diagnostics *diagnostics;
};

enum { UNIX_PATH_MAX_BYTES = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };

#define REPORT(check, severity, format, ...)                                                  \
	diagnostics_add((check)->diagnostics, severity, (check)->device->line, "%s: " format, \
		(check)->device->alias, ##__VA_ARGS__)
#define ERROR(check, ...)   REPORT(check, SEVERITY_ERROR, __VA_ARGS__)
#define WARNING(check, ...) REPORT(check, SEVERITY_WARNING, __VA_ARGS__)

/* Absent is libvirt's matter (validate.c); empty is ours. */
static bool check_filled(const struct check *check, const char *value, const char *attribute)
{
	if (value != NULL && value[0] == '\0')
		ERROR(check, "%s='' is empty; give it a value", attribute);
	return value != NULL && value[0] != '\0';
}

static void check_path(const struct check *check, const char *path, const char *attribute)
{
	if (check_filled(check, path, attribute) && path[0] != '/')
		WARNING(check,
			"%s='%.100s' is relative to wherever chardev is started; write an absolute "
			"path",
			attribute, path);
}

static bool is_port(const char *service)
{
	size_t digits = strspn(service, "0123456789");
	return digits > 0 && digits <= 9 && service[digits] == '\0' &&
	       strtoul(service, NULL, 10) <= 65535;
}

static bool is_service_name(const char *service, const char *protocol)
{
	struct servent entry;
	struct servent *found = NULL;
	char buffer[2048];
	if (strlen(service) > 64)
		return false;
	int r = getservbyname_r(service, protocol, &entry, buffer, sizeof(buffer), &found);
	return r == 0 && found != NULL;
}

static void check_service(
	const struct check *check, const char *service, const char *protocol, bool listens)
{
	if (!check_filled(check, service, "service"))
		return;
	if (is_port(service)) {
		if (!listens && strtoul(service, NULL, 10) == 0)
			ERROR(check,
				"service='%s' is no port to connect to; write one from 1 to 65535",
				service);
		return;
	}
	if (!is_service_name(service, protocol))
		ERROR(check,
			"service='%.100s' is neither a port from 0 to 65535 nor a known service; "
			"mend it",
			service);
}

static void check_tcp(const struct check *check, const struct tcp_source *tcp)
{
	bool tls_protocol =
		tcp->protocol == TCP_PROTOCOL_TLS || tcp->protocol == TCP_PROTOCOL_TELNETS;
	check_filled(check, tcp->host, "host");
	check_service(check, tcp->service, "tcp", tcp->mode == SOCKET_BIND);
	if (tls_protocol && tcp->tls == TRISTATE_NO)
		ERROR(check,
			"protocol '%s' is TLS, but the source says tls='no'; remove one of the two",
			tcp_protocol_names[tcp->protocol]);
	else if (check->device->extensions.tls.said && !tls_protocol && tcp->tls != TRISTATE_YES)
		ERROR(check,
			"<chardev:tls> asks for TLS, but protocol '%s' without tls='yes' is plain "
			"TCP; add tls='yes' to <source>, or remove <chardev:tls>",
			tcp_protocol_names[tcp->protocol]);
}

static void check_udp(const struct check *check, const struct udp_source *udp)
{
	check_filled(check, udp->connect_host, "host");
	check_filled(check, udp->bind_host, "host");
	check_service(check, udp->connect_service, "udp", false);
	check_service(check, udp->bind_service, "udp", true);
}

static void check_unix_length(const struct check *check, const char *path)
{
	if (path != NULL && strlen(path) > UNIX_PATH_MAX_BYTES)
		ERROR(check, "a UNIX socket's path has %zu bytes; shorten it to at most %d",
			strlen(path), (int)UNIX_PATH_MAX_BYTES);
}

static void check_source(const struct check *check)
{
	const struct source *source = &check->device->source;
	switch (source->type) {
	case SOURCE_DEV:
		check_path(check, source->u.dev.path, "path");
		break;
	case SOURCE_FILE:
		check_path(check, source->u.file.path, "path");
		break;
	case SOURCE_PIPE:
		check_path(check, source->u.pipe.path, "path");
		break;
	case SOURCE_UNIX:
		check_path(check, source->u.unix_socket.path, "path");
		check_unix_length(check, source->u.unix_socket.path);
		break;
	case SOURCE_TCP:
		check_tcp(check, &source->u.tcp);
		break;
	case SOURCE_UDP:
		check_udp(check, &source->u.udp);
		break;
	case SOURCE_VC:
		WARNING(check,
			"the display of type 'vc' is not there yet; the device is served with its "
			"history and log");
		break;
	case SOURCE_SPICEVMC:
	case SOURCE_SPICEPORT:
	case SOURCE_NMDM:
	case SOURCE_QEMU_VDAGENT:
	case SOURCE_DBUS:
		WARNING(check,
			"type '%s' belongs to another program, so the device is not "
			"presented; choose another type to reach it here",
			source_type_names[source->type]);
		break;
	default:
		break;
	}
}

/* Guest devices whose emulation spins in QEMU, its big lock held, while nobody takes the bytes. */
static const char *freezing_device(const struct device_config *device)
{
	if (device->kind == DEVICE_PARALLEL)
		return "a parallel port";
	if (device->kind == DEVICE_CONSOLE)
		return device->target.console == CONSOLE_TARGET_SCLP ||
				       device->target.console == CONSOLE_TARGET_SCLPLM
			       ? "an sclp console"
			       : NULL;
	if (device->kind != DEVICE_SERIAL)
		return NULL;
	switch (device->target.serial) {
	case SERIAL_TARGET_USB:
		return "a usb-serial";
	case SERIAL_TARGET_SPAPR_VIO:
		return "a spapr-vio-serial";
	case SERIAL_TARGET_SYSTEM:
		return device->target.model == SERIAL_MODEL_16550A ? NULL : "a system-serial";
	case SERIAL_TARGET_SCLP:
		return "an sclp-serial";
	case SERIAL_TARGET_ISA_DEBUG:
		return "an isa-debug";
	default:
		return NULL;
	}
}

static void check_no_effect(
	const struct check *check, bool said, bool heard, const char *element, const char *where)
{
	if (said && !heard)
		WARNING(check, "<chardev:%s> has no effect but on %s; remove it", element, where);
}

static void check_tls(const struct check *check, bool serves)
{
	const struct extensions *said = &check->device->extensions;
	enum source_type type = check->device->source.type;
	bool judges = said->tls.verify != TRISTATE_ABSENT || said->tls.allow != NULL;
	if (said->tls.dir != NULL)
		check_path(check, said->tls.dir, "dir");
	check_no_effect(check, said->tls.said, type == SOURCE_TCP || type == SOURCE_UNIX, "tls",
		"a TCP or UNIX socket");
	if (type != SOURCE_TCP && type != SOURCE_UNIX)
		return;
	if (judges && !serves)
		WARNING(check,
			"verify= and allow= of <chardev:tls> have no effect on a client, which "
			"always verifies its server; remove them");
	if (said->tls.allow != NULL && said->tls.verify == TRISTATE_NO)
		ERROR(check,
			"<chardev:tls allow=> judges certificates, but verify='no' asks for none; "
			"remove one of the two");
}

static void check_extensions(const struct check *check)
{
	const struct device_config *device = check->device;
	const struct extensions *said = &device->extensions;
	const struct source *source = &device->source;
	bool unix_server =
		source->type == SOURCE_UNIX &&
		(source->u.unix_socket.path == NULL || source->u.unix_socket.mode == SOCKET_BIND);
	bool tcp_server = source->type == SOURCE_TCP && source->u.tcp.mode == SOCKET_BIND;
	const char *freezing = freezing_device(device);
	if (said->overflow.policy == OVERFLOW_BLOCK && freezing != NULL)
		WARNING(check,
			"policy='block' on %s can freeze the whole guest: QEMU waits with its lock "
			"held; write policy='drop'",
			freezing);
	if (said->overflow.policy == OVERFLOW_BLOCK && said->overflow.patience_ms >= 0)
		WARNING(check, "patience= has no effect with policy='block'; remove it");
	check_no_effect(check, said->socket.mode >= 0 || said->socket.group != NULL, unix_server,
		"socket", "a UNIX socket that listens");
	check_no_effect(check, said->clients_max >= 0, unix_server || tcp_server, "clients",
		"a TCP or UNIX socket that listens");
	check_no_effect(check,
		said->line.speed != 0 || said->line.bits != 0 || said->line.stop != 0 ||
			said->line.parity != PARITY_DEFAULT || said->line.flow != FLOW_DEFAULT,
		source->type == SOURCE_DEV && device->kind != DEVICE_PARALLEL, "line",
		"a serial line of type 'dev'");
	check_tls(check, tcp_server || unix_server);
	check_no_effect(check,
		said->log.max_size_set || said->log.max_backups >= 0 ||
			said->log.timestamps != TRISTATE_ABSENT ||
			said->log.compress != TRISTATE_ABSENT,
		device->log.file != NULL || source->type == SOURCE_FILE ||
			source->type == SOURCE_STDIO,
		"log", "a device with <log file=>, or of type 'file' or 'stdio'");
	if (said->guest.path != NULL)
		check_path(check, said->guest.path, "path");
	if (said->guest.type == GUEST_PORT_UNIX)
		check_unix_length(check, said->guest.path);
}

void domain_check(const struct domain *domain, struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < domain->device_count; i++) {
		struct check check = {.device = &domain->devices[i], .diagnostics = diagnostics};
		if (check.device->alias_of_serial >= 0)
			continue;
		check_source(&check);
		check_path(&check, check.device->log.file, "file");
		check_extensions(&check);
	}
	check_conflicts(domain, diagnostics);
}
