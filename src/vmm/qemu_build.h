/* What qemu.c, qemu_devices.c and qemu_words.c share; not for others. */
#ifndef CHARDEV_VMM_QEMU_BUILD_H
#define CHARDEV_VMM_QEMU_BUILD_H

#include "util/strbuf.h"
#include "vmm/qemu.h"

struct qemu_build {
	const struct qemu_params *params;
	struct qemu_arguments *ret;
	struct error *err;
	char virtio_bus[QEMU_ID_SIZE];
	char usb_bus[QEMU_ID_SIZE];
	unsigned virtio_next; /* 0 is kept for the first console: QEMU insists */
};

/* ---- qemu_words.c ---------------------------------------------------------------------------- */

/*
 * An id for `alias`, of the characters that QEMU takes (letters, digits, '-', '.', '_', a letter
 * first) and taken by nothing in the person's arguments.
 */
void qemu_make_id(const struct qemu_build *build, const char *prefix, const char *alias,
	char ret[QEMU_ID_SIZE]);

/* Whether the person's arguments hold one of these options (a list that ends in NULL). */
bool qemu_user_says(const struct qemu_build *build, const char *const *options);

/* ",KEY=VALUE"; in QEMU's options a comma in a value is written twice. */
void qemu_add_value(struct strbuf *sb, const char *key, const char *value);

void qemu_add(struct qemu_build *build, const char *option, const char *value);
/* Takes the text over. */
void qemu_add_built(struct qemu_build *build, const char *option, struct strbuf *sb);

/* ---- qemu_devices.c -------------------------------------------------------------------------- */

/* Why QEMU has no such device, or NULL. */
const char *qemu_reason_against(const struct device_config *config);

/* The controllers that the devices need; before them. */
int qemu_add_buses(struct qemu_build *build);

/* The device that the guest sees, on the chardev of that id. */
void qemu_add_device(
	struct qemu_build *build, const struct device_config *config, const char *chardev_id);

/* The network of the guestfwd channels; after all chardevs. */
void qemu_add_forwards(struct qemu_build *build);

#endif
