/*
 * What the guest sees: QEMU's `-device` for each device of a domain, and the controllers that they
 * hang on, each only when needed and with a bus of its own, so that the person's do not matter.
 */
#include "vmm/qemu_build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	VIRTIO_DEFAULT_PORTS = 31, /* virtio-serial's max_ports when it is not said */
	VIRTIO_MAX_PORTS = 511,
	USB_DEFAULT_PORTS = 4, /* qemu-xhci's p2 likewise */
	USB_MAX_PORTS = 15,
};

/* ---- kinds ----------------------------------------------------------------------------------- */

static bool is_virtio_console(const struct device_config *config)
{
	return config->kind == DEVICE_CONSOLE && config->target.console == CONSOLE_TARGET_VIRTIO;
}

static bool is_virtio(const struct device_config *config)
{
	return is_virtio_console(config) ||
	       (config->kind == DEVICE_CHANNEL && config->target.channel == CHANNEL_TARGET_VIRTIO);
}

static bool is_usb(const struct device_config *config)
{
	return config->kind == DEVICE_SERIAL && config->target.serial == SERIAL_TARGET_USB;
}

static bool is_forward(const struct device_config *config)
{
	return config->kind == DEVICE_CHANNEL && config->target.channel == CHANNEL_TARGET_GUESTFWD;
}

static unsigned count(
	const struct qemu_build *build, bool (*is)(const struct device_config *config))
{
	unsigned n = 0;
	for (size_t i = 0; i < build->params->port_count; i++)
		n += is(build->params->ports[i].config);
	return n;
}

const char *qemu_reason_against(const struct device_config *config)
{
	static const bool foreign[CONSOLE_TARGET_COUNT] = {
		[CONSOLE_TARGET_XEN] = true,
		[CONSOLE_TARGET_UML] = true,
		[CONSOLE_TARGET_LXC] = true,
		[CONSOLE_TARGET_OPENVZ] = true,
	};
	if (config->kind == DEVICE_CHANNEL && config->target.channel == CHANNEL_TARGET_XEN)
		return "QEMU has no channel of target type 'xen'";
	if (config->kind == DEVICE_CONSOLE && foreign[config->target.console])
		return "QEMU has no console of this target type";
	return NULL;
}

/* ---- controllers ----------------------------------------------------------------------------- */

/* How virtio devices are attached: most machines have PCI. */
static const char *virtio_transport(const struct domain *domain)
{
	if (domain->arch != NULL && strncmp(domain->arch, "s390", 4) == 0)
		return "ccw";
	if (domain->machine != NULL && strncmp(domain->machine, "microvm", 7) == 0)
		return "device";
	return "pci";
}

static int add_virtio_bus(struct qemu_build *build)
{
	unsigned ports = count(build, is_virtio);
	unsigned consoles = count(build, is_virtio_console);
	if (ports == 0)
		return 0;
	build->virtio_next = consoles > 0 ? 0 : 1;
	ports += build->virtio_next; /* number 0 stays empty without a console */
	if (ports > VIRTIO_MAX_PORTS)
		return error_set(build->err, -E2BIG,
			"%u virtio consoles and channels do not fit on one controller; leave %u of "
			"them out",
			ports, ports - VIRTIO_MAX_PORTS);
	struct strbuf sb = STRBUF_INIT;
	qemu_make_id(build, "", "virtio-serial0", build->virtio_bus);
	strbuf_addf(&sb, "virtio-serial-%s,id=%s", virtio_transport(build->params->domain),
		build->virtio_bus);
	if (ports > VIRTIO_DEFAULT_PORTS)
		strbuf_addf(&sb, ",max_ports=%u", ports);
	qemu_add_built(build, "-device", &sb);
	return 0;
}

static int add_usb_bus(struct qemu_build *build)
{
	unsigned ports = count(build, is_usb);
	if (ports == 0)
		return 0;
	if (ports > USB_MAX_PORTS)
		return error_set(build->err, -E2BIG,
			"%u usb-serial ports do not fit on one controller; leave %u of them out",
			ports, ports - USB_MAX_PORTS);
	struct strbuf sb = STRBUF_INIT;
	qemu_make_id(build, "", "usb-serial-bus", build->usb_bus);
	strbuf_addf(&sb, "qemu-xhci,id=%s", build->usb_bus);
	if (ports > USB_DEFAULT_PORTS)
		strbuf_addf(&sb, ",p2=%u,p3=%u", ports, ports);
	qemu_add_built(build, "-device", &sb);
	return 0;
}

int qemu_add_buses(struct qemu_build *build)
{
	int code = add_virtio_bus(build);
	return code < 0 ? code : add_usb_bus(build);
}

/* ---- devices --------------------------------------------------------------------------------- */

static void start_device(const struct qemu_build *build, struct strbuf *sb, const char *driver,
	const struct device_config *config, const char *chardev_id)
{
	char id[QEMU_ID_SIZE];
	qemu_make_id(build, "", config->alias, id);
	strbuf_addf(sb, "%s,chardev=%s,id=%s", driver, chardev_id, id);
}

static void add_index(struct strbuf *sb, const struct device_config *config)
{
	if (config->target.port >= 0)
		strbuf_addf(sb, ",index=%d", config->target.port);
}

/* What a device of that number does not have by itself. */
static void add_isa_address(struct strbuf *sb, const struct device_config *config)
{
	if (config->target.iobase != 0)
		strbuf_addf(sb, ",iobase=0x%x", config->target.iobase);
	if (config->target.irq != 0)
		strbuf_addf(sb, ",irq=0x%x", config->target.irq);
}

/* What a serial is when its document does not say: only domains of other hypervisors come here. */
static enum serial_target serial_target_of(
	const struct qemu_build *build, const struct target *target)
{
	const char *arch = build->params->domain->arch;
	bool x86 = arch == NULL || strcmp(arch, "x86_64") == 0 || strcmp(arch, "i686") == 0;
	if (target->serial != SERIAL_TARGET_NONE)
		return target->serial;
	return x86 ? SERIAL_TARGET_ISA : SERIAL_TARGET_SYSTEM;
}

static void add_serial(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	static const char *const drivers[SERIAL_TARGET_COUNT] = {
		[SERIAL_TARGET_ISA] = "isa-serial",
		[SERIAL_TARGET_USB] = "usb-serial",
		[SERIAL_TARGET_PCI] = "pci-serial",
		[SERIAL_TARGET_SPAPR_VIO] = "spapr-vty",
		[SERIAL_TARGET_SCLP] = "sclpconsole",
		[SERIAL_TARGET_ISA_DEBUG] = "isa-debugcon",
	};
	enum serial_target target = serial_target_of(build, &config->target);
	const char *driver = drivers[target];
	struct strbuf sb = STRBUF_INIT;
	if (driver == NULL) { /* a part of the machine: pl011, 16550a */
		strbuf_addf(&sb, "chardev:%s", chardev_id);
		qemu_add_built(build, "-serial", &sb);
		return;
	}
	if (config->target.model == SERIAL_MODEL_SCLPLMCONSOLE)
		driver = "sclplmconsole";
	start_device(build, &sb, driver, config, chardev_id);
	if (target == SERIAL_TARGET_ISA)
		add_index(&sb, config);
	if (target == SERIAL_TARGET_ISA || target == SERIAL_TARGET_ISA_DEBUG)
		add_isa_address(&sb, config);
	/* Plugged while nobody is there, too: the guest's port does not come and go with us. */
	if (target == SERIAL_TARGET_USB)
		strbuf_addf(&sb, ",bus=%s.0,always-plugged=on", build->usb_bus);
	qemu_add_built(build, "-device", &sb);
}

static void add_parallel(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	struct strbuf sb = STRBUF_INIT;
	start_device(build, &sb, "isa-parallel", config, chardev_id);
	add_index(&sb, config);
	add_isa_address(&sb, config);
	qemu_add_built(build, "-device", &sb);
}

static void add_virtio(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	struct strbuf sb = STRBUF_INIT;
	bool console = is_virtio_console(config);
	start_device(build, &sb, console ? "virtconsole" : "virtserialport", config, chardev_id);
	/* Consoles come before channels in a domain, so the first console gets number 0. */
	strbuf_addf(&sb, ",bus=%s.0,nr=%u", build->virtio_bus, build->virtio_next++);
	if (config->target.name != NULL)
		qemu_add_value(&sb, "name", config->target.name);
	qemu_add_built(build, "-device", &sb);
}

static void add_console(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	static const char *const drivers[CONSOLE_TARGET_COUNT] = {
		[CONSOLE_TARGET_SCLP] = "sclpconsole",
		[CONSOLE_TARGET_SCLPLM] = "sclplmconsole",
	};
	const char *driver = drivers[config->target.console];
	struct strbuf sb = STRBUF_INIT;
	if (is_virtio(config)) {
		add_virtio(build, config, chardev_id);
	} else if (driver != NULL) {
		start_device(build, &sb, driver, config, chardev_id);
		qemu_add_built(build, "-device", &sb);
	} else {
		add_serial(build, config, chardev_id);
	}
}

static void add_channel(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	if (is_virtio(config)) /* guestfwd hangs on its network: qemu_add_forwards() */
		add_virtio(build, config, chardev_id);
}

void qemu_add_device(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id)
{
	static void (*const add[DEVICE_KIND_COUNT])(
		struct qemu_build *, const struct device_config *, const char *) = {
		[DEVICE_SERIAL] = add_serial,
		[DEVICE_PARALLEL] = add_parallel,
		[DEVICE_CONSOLE] = add_console,
		[DEVICE_CHANNEL] = add_channel,
	};
	add[config->kind](build, config, chardev_id);
}

/*
 * guestfwd: QEMU's user network hands a TCP connection of the guest to a chardev. The network needs
 * a card, or no guest ever sees it; the person's own -netdev stays as it is.
 */
void qemu_add_forwards(struct qemu_build *build)
{
	const struct qemu_params *params = build->params;
	struct strbuf sb = STRBUF_INIT;
	char id[QEMU_ID_SIZE];
	if (count(build, is_forward) == 0)
		return;
	qemu_make_id(build, "", "guestfwd0", id);
	strbuf_addf(&sb, "user,id=%s", id);
	for (size_t i = 0; i < params->port_count; i++) {
		const struct target *target = &params->ports[i].config->target;
		if (is_forward(params->ports[i].config))
			strbuf_addf(&sb, ",guestfwd=tcp:%s:%u-chardev:%s", target->address,
				target->guestfwd_port, build->ret->chardev_ids.items[i]);
	}
	qemu_add_built(build, "-netdev", &sb);
	strbuf_addf(&sb, "virtio-net-%s,netdev=%s", virtio_transport(params->domain), id);
	qemu_add_built(build, "-device", &sb);
}
