/*
 * The arguments that attach QEMU to a domain's devices: pure, from the XML and from where the guest
 * ports stand. They are appended to a person's own arguments, which say everything else about the
 * machine; what they add beyond the devices keeps QEMU's defaults out of the way (see qemu.c).
 */
#ifndef CHARDEV_VMM_QEMU_H
#define CHARDEV_VMM_QEMU_H

#include "model/diagnostics.h"
#include "model/domain.h"
#include "util/error.h"
#include "util/strlist.h"

/* Where the guest port of one device stands: guest/guest.h's description, without its layer. */
struct qemu_port {
	const struct device_config *config;
	enum guest_port_type type; /* never GUEST_PORT_DEFAULT */
	bool listens;              /* unix, pty: our side made it */
	const char *path;          /* as in struct guest_description */
};

struct qemu_params {
	const struct domain *domain;
	const struct qemu_port *ports;
	size_t port_count;
	const char *qmp_path;   /* the monitor's socket, which QEMU makes; NULL: no monitor */
	char *const *user_args; /* the person's arguments, ending in NULL; NULL: none */
	struct diagnostics *diagnostics; /* gets warnings: devices that QEMU does not have */
};

struct qemu_arguments {
	struct strlist args;
	struct strlist chardev_ids; /* of each port, in their order; "" when it was left out */
};

/* 0, or a negative errno and a sentence. The caller ends with qemu_arguments_fini() either way. */
int qemu_arguments_make(
	const struct qemu_params *params, struct qemu_arguments *ret, struct error *err);
void qemu_arguments_fini(struct qemu_arguments *arguments);

/*
 * The id of a device's chardev where the person's arguments have not taken it; "" for a device that
 * QEMU does not have.
 */
enum { QEMU_ID_SIZE = 128 };
void qemu_chardev_id(const struct device_config *config, char ret[QEMU_ID_SIZE]);

/* Whether a program's path is one of QEMU's system emulators. */
bool qemu_is_program(const char *path);

#endif
