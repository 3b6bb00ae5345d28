/*
 * One subcommand of chardev. A command is one file and one line in the table of main.c.
 */
#ifndef CHARDEV_CLI_COMMAND_H
#define CHARDEV_CLI_COMMAND_H

struct command {
	const char *name;
	const char *usage;   /* what follows the name: "[--live] FILE" */
	const char *summary; /* one line for the list of commands */
	/* argv[0] is the command's name. Returns the exit status: 0, 1 failed, 2 wrong usage. */
	int (*run)(int argc, char **argv);
};

enum { EXIT_USAGE = 2 };

int cli_check(int argc, char **argv);
int cli_qemu(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_tls(int argc, char **argv);
int cli_xml(int argc, char **argv);

#endif
