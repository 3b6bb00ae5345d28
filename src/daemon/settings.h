/*
 * The settings of chardevd: the file chardevd.conf, an INI file; see chardevd.conf(5).
 *
 * Read with inih, which passes on what it cannot hold in silence (long lines, long names of
 * sections) and numbers only the first line that is wrong. Here every line is looked at before inih
 * gets it, and each error is told with its line.
 */
#ifndef CHARDEV_DAEMON_SETTINGS_H
#define CHARDEV_DAEMON_SETTINGS_H

#include "control/access.h"
#include "model/diagnostics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SETTINGS_MAX_BYTES = 64 * 1024,
	SETTINGS_MAX_RULES = 1024, /* of access */
	SETTINGS_MAX_LINE = 197,   /* bytes: inih's */
	SETTINGS_MAX_SECTION = 49, /* bytes between the brackets: inih's */
};

#define SETTINGS_QUOTA_DOMAIN (UINT64_C(64) << 20)
#define SETTINGS_QUOTA_HOST   (UINT64_C(4) << 30)

struct settings {
	struct access access;  /* its owner is this process's user */
	uint64_t quota_domain; /* bytes of all logs of one domain; 0: no quota */
	uint64_t quota_host;   /* of all domains together; 0: no quota */
};

/* What is so without a file. */
void settings_init(struct settings *settings);
void settings_fini(struct settings *settings);

/*
 * Reads a text. 0 and the settings, or -EINVAL (at least one error was added) or -ENOMEM. Groups
 * are looked up here and never again.
 */
int settings_parse(
	const char *text, size_t n, struct settings *ret, struct diagnostics *diagnostics);

/*
 * Likewise from a file, which blocks. A file that is not there is an error if it `must_exist`, else
 * the same as an empty one. A file that cannot be read is an error without a line.
 */
int settings_read(
	const char *path, bool must_exist, struct settings *ret, struct diagnostics *diagnostics);

#endif
