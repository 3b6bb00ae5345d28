/*
 * What libvirt's QEMU driver adds to a serial's <target> and what it refuses, which its generic
 * parser does not: domains of type qemu, kvm and hvf. Machine types are told by the names that QEMU
 * gives them.
 */
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

#if defined(__aarch64__)
#define HOST_ARCH "aarch64"
#elif defined(__riscv)
#define HOST_ARCH "riscv64"
#elif defined(__s390x__)
#define HOST_ARCH "s390x"
#elif defined(__powerpc64__)
#define HOST_ARCH "ppc64"
#else
#define HOST_ARCH "x86_64"
#endif

/* A domain that does not say its architecture has the host's. */
static const char *arch_of(const struct domain *domain)
{
	return domain->arch != NULL && domain->arch[0] != '\0' ? domain->arch : HOST_ARCH;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_machine(const struct domain *domain, const char *name)
{
	const char *machine = domain->machine != NULL ? domain->machine : "";
	size_t n = strlen(name);
	return strncmp(machine, name, n) == 0 && (machine[n] == '\0' || machine[n] == '-');
}

bool domain_is_qemu(const struct domain *domain)
{
	static const char *const types[] = {"qemu", "kvm", "hvf"};
	return domain->type != NULL && name_index(types, NAME_COUNT(types), domain->type) >= 0;
}

bool domain_is_x86(const struct domain *domain)
{
	const char *arch = arch_of(domain);
	return strcmp(arch, "x86_64") == 0 || strcmp(arch, "i686") == 0;
}

static bool is_s390(const struct domain *domain)
{
	return starts_with(arch_of(domain), "s390");
}

static bool is_pseries(const struct domain *domain)
{
	return starts_with(arch_of(domain), "ppc64") && is_machine(domain, "pseries");
}

static bool is_arm_virt(const struct domain *domain)
{
	const char *arch = arch_of(domain);
	bool arm = starts_with(arch, "arm") || strcmp(arch, "aarch64") == 0;
	return arm && is_machine(domain, "virt");
}

static bool is_riscv_virt(const struct domain *domain)
{
	return starts_with(arch_of(domain), "riscv") && is_machine(domain, "virt");
}

static enum serial_target default_target(const struct domain *domain)
{
	if (domain_is_x86(domain))
		return SERIAL_TARGET_ISA;
	if (is_pseries(domain))
		return SERIAL_TARGET_SPAPR_VIO;
	if (is_arm_virt(domain) || is_riscv_virt(domain))
		return SERIAL_TARGET_SYSTEM;
	if (is_s390(domain))
		return SERIAL_TARGET_SCLP;
	return SERIAL_TARGET_NONE;
}

static enum serial_model default_model(const struct domain *domain, enum serial_target target)
{
	static const enum serial_model models[SERIAL_TARGET_COUNT] = {
		[SERIAL_TARGET_ISA] = SERIAL_MODEL_ISA_SERIAL,
		[SERIAL_TARGET_USB] = SERIAL_MODEL_USB_SERIAL,
		[SERIAL_TARGET_PCI] = SERIAL_MODEL_PCI_SERIAL,
		[SERIAL_TARGET_SPAPR_VIO] = SERIAL_MODEL_SPAPR_VTY,
		[SERIAL_TARGET_SCLP] = SERIAL_MODEL_SCLPCONSOLE,
		[SERIAL_TARGET_ISA_DEBUG] = SERIAL_MODEL_ISA_DEBUGCON,
	};
	if (target == SERIAL_TARGET_SYSTEM && is_arm_virt(domain))
		return SERIAL_MODEL_PL011;
	if (target == SERIAL_TARGET_SYSTEM && is_riscv_virt(domain))
		return SERIAL_MODEL_16550A;
	return models[target];
}

/* isa-serial was once what every serial was called, so it means "the default" here. */
void qemu_default_target(const struct domain *domain, struct target *target)
{
	if (target->serial == SERIAL_TARGET_ISA)
		target->serial = SERIAL_TARGET_NONE;
	if (target->serial == SERIAL_TARGET_NONE)
		target->serial = default_target(domain);
	if (target->model == SERIAL_MODEL_NONE)
		target->model = default_model(domain, target->serial);
}

/*
 * A path that libvirt generated for a virtio channel (DIR/domain-3-name/TARGET, and of old
 * DIR/name.TARGET), which a definition does not keep. `rest` is what follows DIR.
 */
static bool is_generated(const char *rest, const char *target_name)
{
	size_t n = strlen(rest);
	size_t m = strlen(target_name);
	if (n <= m + 1 || strcmp(rest + n - m, target_name) != 0)
		return false;
	const char *separator = rest + n - m - 1;
	if (strcspn(rest, "/") < (size_t)(separator - rest))
		return false;
	return *separator == '.' || (*separator == '/' && starts_with(rest, "domain-"));
}

void qemu_drop_generated_path(struct device_config *device)
{
	static const char directory[] = "/var/lib/libvirt/qemu/channel/target/";
	char **path = &device->source.u.unix_socket.path;
	if (device->source.type != SOURCE_UNIX || device->kind != DEVICE_CHANNEL ||
		device->target.channel != CHANNEL_TARGET_VIRTIO || device->target.name == NULL ||
		*path == NULL || !starts_with(*path, directory) ||
		!is_generated(*path + strlen(directory), device->target.name))
		return;
	free(*path);
	*path = NULL;
}

static void validate_serial(
	struct parsing *parsing, const xmlNode *element, const struct target *target)
{
	static const enum serial_target targets[SERIAL_MODEL_COUNT] = {
		[SERIAL_MODEL_ISA_SERIAL] = SERIAL_TARGET_ISA,
		[SERIAL_MODEL_USB_SERIAL] = SERIAL_TARGET_USB,
		[SERIAL_MODEL_PCI_SERIAL] = SERIAL_TARGET_PCI,
		[SERIAL_MODEL_SPAPR_VTY] = SERIAL_TARGET_SPAPR_VIO,
		[SERIAL_MODEL_PL011] = SERIAL_TARGET_SYSTEM,
		[SERIAL_MODEL_SCLPCONSOLE] = SERIAL_TARGET_SCLP,
		[SERIAL_MODEL_SCLPLMCONSOLE] = SERIAL_TARGET_SCLP,
		[SERIAL_MODEL_16550A] = SERIAL_TARGET_SYSTEM,
		[SERIAL_MODEL_ISA_DEBUGCON] = SERIAL_TARGET_ISA_DEBUG,
	};
	const struct domain *domain = parsing->domain;
	if (target->model != SERIAL_MODEL_NONE && targets[target->model] != target->serial) {
		parse_error(parsing, element,
			"the model '%s' is of target type '%s', not '%s'; make the two agree",
			serial_model_names[target->model],
			serial_target_names[targets[target->model]],
			serial_target_names[target->serial]);
		return;
	}
	bool fits = true;
	if (target->serial == SERIAL_TARGET_ISA || target->serial == SERIAL_TARGET_ISA_DEBUG)
		fits = domain_is_x86(domain);
	else if (target->serial == SERIAL_TARGET_SPAPR_VIO)
		fits = is_pseries(domain);
	else if (target->serial == SERIAL_TARGET_SCLP)
		fits = is_s390(domain);
	else if (target->model == SERIAL_MODEL_PL011)
		fits = is_arm_virt(domain);
	else if (target->model == SERIAL_MODEL_16550A)
		fits = is_riscv_virt(domain);
	if (!fits)
		parse_error(parsing, element,
			"a serial of target type '%s' does not exist on %s, machine '%s'; remove "
			"the type, the default fits",
			serial_target_names[target->serial], arch_of(domain),
			domain->machine != NULL ? domain->machine : "default");
}

static void validate_console(
	struct parsing *parsing, const xmlNode *element, const struct target *target)
{
	bool sclp =
		target->console == CONSOLE_TARGET_SCLP || target->console == CONSOLE_TARGET_SCLPLM;
	if (target->console != CONSOLE_TARGET_SERIAL && target->console != CONSOLE_TARGET_VIRTIO &&
		!(sclp && is_s390(parsing->domain)))
		parse_error(parsing, element,
			"a console of target type '%s' does not exist in QEMU for %s; write "
			"<target type='virtio'/>",
			console_target_names[target->console], arch_of(parsing->domain));
}

/* A generated path is one we listen on, so nothing there can reconnect. */
static void validate_reconnect(
	struct parsing *parsing, const xmlNode *element, const struct source *source)
{
	const struct reconnect *reconnect = NULL;
	if (source->type == SOURCE_TCP)
		reconnect = &source->u.tcp.reconnect;
	else if (source->type == SOURCE_UNIX)
		reconnect = &source->u.unix_socket.reconnect;
	if (reconnect == NULL)
		return;
	if (reconnect->enabled == TRISTATE_YES && reconnect->timeout == 0)
		parse_error(parsing, element,
			"<reconnect timeout='0'> is refused by QEMU; write at least 1");
	if (source->type == SOURCE_UNIX && source->u.unix_socket.path == NULL &&
		source->u.unix_socket.mode == SOCKET_CONNECT &&
		reconnect->enabled != TRISTATE_ABSENT)
		parse_error(parsing, element,
			"<reconnect> stands in a source whose path is "
			"generated, which listens; remove it, or add path=");
}

void qemu_validate(
	struct parsing *parsing, const xmlNode *element, const struct device_config *device)
{
	validate_reconnect(parsing, element, &device->source);
	if (device->kind == DEVICE_SERIAL)
		validate_serial(parsing, element, &device->target);
	if (device->kind == DEVICE_CONSOLE)
		validate_console(parsing, element, &device->target);
	if (device->kind == DEVICE_PARALLEL &&
		(is_s390(parsing->domain) || is_pseries(parsing->domain)))
		parse_error(parsing, element,
			"a parallel port does not exist on %s, machine '%s'; remove it",
			arch_of(parsing->domain),
			parsing->domain->machine != NULL ? parsing->domain->machine : "default");
}
