/* The arguments of `chardev run`. */
#ifndef CHARDEV_CLI_RUN_OPTIONS_H
#define CHARDEV_CLI_RUN_OPTIONS_H

#include <stdbool.h>

struct run_options {
	const char *file;
	const char *runtime_dir; /* NULL: the default */
	const char *log_dir;     /* NULL: the default */
	bool console;
	const char *console_alias; /* NULL: the first console or serial */
	char **vmm;                /* ends in NULL; NULL: no VMM */
};

/* 0, or -EINVAL after a sentence on standard error. */
int run_options_parse(int argc, char **argv, struct run_options *ret);

#endif
