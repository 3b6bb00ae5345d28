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

int cli_attach(int argc, char **argv);
int cli_break(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_define(int argc, char **argv);
int cli_events(int argc, char **argv);
int cli_list(int argc, char **argv);
int cli_log(int argc, char **argv);
int cli_qemu(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_send(int argc, char **argv);
int cli_start(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_sysrq(int argc, char **argv);
int cli_tls(int argc, char **argv);
int cli_undefine(int argc, char **argv);
int cli_xml(int argc, char **argv);

#endif
