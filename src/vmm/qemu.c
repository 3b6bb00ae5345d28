/*
 * QEMU's arguments; see qemu.h. Written for QEMU 7.2 after its manual and libvirt's mapping; one
 * file for where the bytes go (this), one for what the guest sees (qemu_devices.c).
 *
 * Beyond the devices of the domain:
 *  - QEMU adds a serial port, a parallel port and a human monitor on its own when nobody mentions
 *    one, on the terminal (-nographic) or on a hidden screen. The guest's ttyS0 might then not be
 *    the XML's, and two would fight over the terminal. So `-serial none`, `-parallel none` and
 *    `-monitor none`, each unless the person's arguments have that option. Not -nodefaults: it
 *    would take the network card, too.
 *  - Without a display QEMU opens a window, or a VNC port where it cannot. This is about serial
 *    ports: `-display none` unless the person says what to show.
 *  - A QMP monitor, because that is the only way to send a BREAK.
 *
 * Ids are libvirt's (`charserial0`, `serial0`) unless the person's arguments have taken one.
 */
#include "vmm/qemu.h"

#include "vmm/qemu_build.h"

#include <errno.h>
#include <string.h>

/* ---- chardevs: where the guest ports stand --------------------------------------------------- */

static int add_pipe(struct qemu_build *build, const struct qemu_port *port, struct strbuf *sb)
{
	qemu_add_value(sb, "path", port->path);
	return 0;
}

static int add_socket(struct qemu_build *build, const struct qemu_port *port, struct strbuf *sb)
{
	qemu_add_value(sb, "path", port->path);
	/*
	 * Without reconnect= QEMU would not come back after an end of ours. From 9.2 on it prefers
	 * reconnect-ms=, which 7.2 does not know.
	 */
	strbuf_add(sb, port->listens ? ",server=off,reconnect=1" : ",server=on,wait=off");
	return 0;
}

static int add_pty(struct qemu_build *build, const struct qemu_port *port, struct strbuf *sb)
{
	if (!port->listens)
		return error_set(build->err, -EINVAL,
			"%s: the name of a pty that QEMU makes is not known before; let chardev "
			"make it: write <chardev:guest type='pty'/>",
			port->config->alias);
	qemu_add_value(sb, "path", port->path);
	return 0;
}

static int add_stdio(struct qemu_build *build, const struct qemu_port *port, struct strbuf *sb)
{
	/* A ^C that comes over the port is the guest's. */
	strbuf_add(sb, ",signal=off");
	return 0;
}

static int add_chardev(struct qemu_build *build, const struct qemu_port *port, const char *id)
{
	static const struct {
		const char *type;
		int (*add)(struct qemu_build *, const struct qemu_port *, struct strbuf *);
	} rows[GUEST_PORT_COUNT] = {
		[GUEST_PORT_FIFO] = {"pipe", add_pipe},
		[GUEST_PORT_UNIX] = {"socket", add_socket},
		[GUEST_PORT_PTY] = {"serial", add_pty},
		[GUEST_PORT_STDIO] = {"stdio", add_stdio},
	};
	struct strbuf sb = STRBUF_INIT;
	if (rows[port->type].add == NULL)
		return error_set(build->err, -EINVAL,
			"%s: its guest port is inside this process, where QEMU cannot reach it",
			port->config->alias);
	strbuf_addf(&sb, "%s,id=%s", rows[port->type].type, id);
	int code = rows[port->type].add(build, port, &sb);
	if (code < 0)
		strbuf_fini(&sb);
	else
		qemu_add_built(build, "-chardev", &sb);
	return code;
}

/* ---- beyond the devices ---------------------------------------------------------------------- */

static void add_monitor(struct qemu_build *build)
{
	struct strbuf sb = STRBUF_INIT;
	char id[QEMU_ID_SIZE];
	if (build->params->qmp_path == NULL)
		return;
	qemu_make_id(build, "char", "devqmp", id);
	strbuf_addf(&sb, "socket,id=%s", id);
	qemu_add_value(&sb, "path", build->params->qmp_path);
	strbuf_add(&sb, ",server=on,wait=off");
	qemu_add_built(build, "-chardev", &sb);
	strbuf_addf(&sb, "chardev=%s,mode=control", id);
	qemu_add_built(build, "-mon", &sb);
}

/* Keeps away what QEMU would add by itself; see the head of this file. */
static void add_restraints(struct qemu_build *build)
{
	static const char *const serial[] = {"serial", NULL};
	static const char *const parallel[] = {"parallel", NULL};
	static const char *const monitor[] = {"monitor", NULL};
	static const char *const display[] = {
		"display", "nographic", "vnc", "spice", "curses", "full-screen", NULL};
	bool has_serial = qemu_user_says(build, serial);
	for (size_t i = 0; i < build->ret->args.count; i++)
		has_serial |= strcmp(build->ret->args.items[i], "-serial") == 0;
	if (!has_serial)
		qemu_add(build, "-serial", "none");
	if (!qemu_user_says(build, parallel))
		qemu_add(build, "-parallel", "none");
	if (!qemu_user_says(build, monitor))
		qemu_add(build, "-monitor", "none");
	if (!qemu_user_says(build, display))
		qemu_add(build, "-display", "none");
}

/* ---- putting it together --------------------------------------------------------------------- */

static void warn(struct qemu_build *build, const struct device_config *config, const char *why)
{
	if (build->params->diagnostics != NULL)
		diagnostics_add(build->params->diagnostics, SEVERITY_WARNING, config->line,
			"%s: %s; QEMU is started without it", config->alias, why);
}

/* Ids first: the network of the guestfwd channels refers to all of theirs. */
static void choose_ids(struct qemu_build *build)
{
	for (size_t i = 0; i < build->params->port_count; i++) {
		const struct device_config *config = build->params->ports[i].config;
		const char *against = qemu_reason_against(config);
		char id[QEMU_ID_SIZE] = "";
		if (against != NULL)
			warn(build, config, against);
		else
			qemu_make_id(build, "char", config->alias, id);
		strlist_add(&build->ret->chardev_ids, id);
	}
}

static int add_ports(struct qemu_build *build)
{
	for (size_t i = 0; i < build->params->port_count; i++) {
		const struct qemu_port *port = &build->params->ports[i];
		const char *id = build->ret->chardev_ids.items[i];
		if (id[0] == '\0')
			continue;
		int code = add_chardev(build, port, id);
		if (code < 0)
			return code;
		qemu_add_device(build, port->config, id);
	}
	return 0;
}

int qemu_arguments_make(
	const struct qemu_params *params, struct qemu_arguments *ret, struct error *err)
{
	*ret = (struct qemu_arguments){0};
	struct qemu_build build = {.params = params, .ret = ret, .err = err};
	choose_ids(&build);
	if (ret->chardev_ids.failed)
		return error_set(err, -ENOMEM, "out of memory");
	int code = qemu_add_buses(&build);
	if (code == 0)
		code = add_ports(&build);
	if (code < 0)
		return code;
	qemu_add_forwards(&build);
	add_monitor(&build);
	add_restraints(&build);
	return ret->args.failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

void qemu_chardev_id(const struct device_config *config, char ret[QEMU_ID_SIZE])
{
	struct qemu_params params = {0};
	struct qemu_arguments arguments = {0};
	struct qemu_build build = {.params = &params, .ret = &arguments};
	ret[0] = '\0';
	if (qemu_reason_against(config) == NULL)
		qemu_make_id(&build, "char", config->alias, ret);
}

void qemu_arguments_fini(struct qemu_arguments *arguments)
{
	strlist_fini(&arguments->args);
	strlist_fini(&arguments->chardev_ids);
}

bool qemu_is_program(const char *path)
{
	static const char start[] = "qemu-system-";
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	return strncmp(name, start, sizeof(start) - 1) == 0 || strcmp(name, "qemu-kvm") == 0 ||
	       strcmp(name, "kvm") == 0;
}
