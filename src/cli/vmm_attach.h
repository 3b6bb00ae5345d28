/* How a VMM's command line meets a domain's guest ports: for `chardev run` and `chardev qemu`. */
#ifndef CHARDEV_CLI_VMM_ATTACH_H
#define CHARDEV_CLI_VMM_ATTACH_H

#include "model/domain.h"
#include "util/error.h"
#include "util/strlist.h"
#include "vmm/qemu.h"

/*
 * QEMU's arguments for a domain in RUNTIME/NAME, whether or not its devices are open there.
 * Warnings are printed as those of `file`. The caller ends with qemu_arguments_fini() either way.
 * The ids in *ret stand by device of the domain; NULL never, "" for those that QEMU does not get.
 */
int vmm_attach_qemu(const struct domain *domain, const char *domain_dir, const char *file,
	char *const *user_args, struct qemu_arguments *ret, struct error *err);

/* Adds an argument with every {ALIAS} of a device replaced by the path of its guest port. */
int vmm_attach_other(const struct domain *domain, const char *domain_dir, const char *argument,
	struct strlist *ret, struct error *err);

#endif
