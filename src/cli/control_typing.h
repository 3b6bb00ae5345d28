/* What send, break and sysrq have in common: bytes for a device, in one call. */
#ifndef CHARDEV_CLI_CONTROL_TYPING_H
#define CHARDEV_CLI_CONTROL_TYPING_H

#include "cli/control_options.h"

#include <stddef.h>

enum { CONTROL_TYPING_MAX = 64 * 1024 };

/* Calls METHOD with n bytes as `data` for DOMAIN[/DEVICE]; -E2BIG: more than CONTROL_TYPING_MAX. */
int control_type(const struct control_options *options, const char *method, const char *where,
	const char *bytes, size_t n, bool force, struct error *err);

/*
 * The options of a command that takes [--force] and `words` words, which begin at argv[optind]
 * then. 0, or EXIT_USAGE after a sentence.
 */
int control_typing_options(int argc, char **argv, int words, const char *usage,
	struct control_options *ret, bool *ret_force);

#endif
