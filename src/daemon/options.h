/* The command line of chardevd, and the places that it leads to. */
#ifndef CHARDEV_DAEMON_OPTIONS_H
#define CHARDEV_DAEMON_OPTIONS_H

#include "device/runtime.h"
#include "util/error.h"

#include <stdbool.h>

enum options_verdict { OPTIONS_SERVE, OPTIONS_CHECK, OPTIONS_DONE, OPTIONS_WRONG };

struct options {
	char *config_dir;  /* of the definitions */
	char *config_file; /* the settings */
	bool config_given; /* must be there */
	char *runtime_dir;
	char *log_dir;
	char *socket_path;
	bool socket_given;
};

/*
 * Reads the arguments and fills in what they do not say. OPTIONS_DONE after --help or --version,
 * OPTIONS_WRONG after a sentence on standard error. End with options_fini() in any case.
 */
enum options_verdict options_parse(int argc, char **argv, struct options *ret);
void options_fini(struct options *options);

#endif
