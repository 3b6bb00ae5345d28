/* chardev: the table of commands, and the few options that belong to none of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "version.h"

#define CONTROL_USAGE_ONLY "[--socket PATH] [--runtime-dir DIR]"
#define CONTROL_USAGE      " " CONTROL_USAGE_ONLY

/* In the order in which people come to need them. */
static const struct command commands[] = {
	{"check", "FILE", "say what is wrong in a domain's XML", cli_check},
	{"run", "FILE [--console [ALIAS]] [--runtime-dir DIR] [--log-dir DIR] [-- VMM [ARGUMENTS]]",
		"present a domain's devices, and start its VMM with them", cli_run},
	{"qemu", "FILE [--runtime-dir DIR]",
		"print the arguments that attach QEMU to a domain's devices", cli_qemu},
	{"tls", "init DIR [--host NAME]...", "make certificates for a trial of TLS", cli_tls},
	{"xml", "FILE | --live NAME [--socket PATH] [--runtime-dir DIR]",
		"print a domain's XML, its character devices normalised", cli_xml},
	{"define", "FILE [--stopped]" CONTROL_USAGE,
		"have chardevd keep and serve a domain, or change one that it serves", cli_define},
	{"undefine", "NAME" CONTROL_USAGE, "have chardevd forget a domain; its logs stay",
		cli_undefine},
	{"start", "NAME" CONTROL_USAGE, "serve a domain that is defined", cli_start},
	{"stop", "NAME" CONTROL_USAGE, "serve a domain no more, and keep its definition", cli_stop},
	{"list", "[--names | --json]" CONTROL_USAGE, "list the domains", cli_list},
	{"status", "[DOMAIN[/DEVICE]] [--json]" CONTROL_USAGE,
		"show how domains and devices are, and who is there", cli_status},
	{"events", "[DOMAIN] [--json]" CONTROL_USAGE, "print what happens, as it happens",
		cli_events},
	{"reload", CONTROL_USAGE_ONLY, "have chardevd read its settings and definitions again",
		cli_reload},
	{"attach",
		"DOMAIN[/DEVICE] [--read-only] [--force] [--lossless] [--tail N | --since X] "
		"[--escape KEY]" CONTROL_USAGE,
		"see a device's output, and type", cli_attach},
	{"log",
		"DOMAIN[/DEVICE] [--follow] [--tail N | --since X] [--timestamps | "
		"--json]" CONTROL_USAGE,
		"print a device's log", cli_log},
	{"send", "[--force] [-n] DOMAIN[/DEVICE] [TEXT...]" CONTROL_USAGE,
		"type TEXT, or standard input, as one piece", cli_send},
	{"break", "DOMAIN[/DEVICE] [--force]" CONTROL_USAGE, "send a BREAK", cli_break},
	{"sysrq", "DOMAIN[/DEVICE] KEY [--force]" CONTROL_USAGE,
		"send a BREAK and KEY: the magic SysRq of Linux", cli_sysrq},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	fprintf(stderr, "chardev: \"%s\" is not a command; \"chardev --help\" lists them\n", name);
	return EXIT_USAGE;
}

static int print_help(FILE *to)
{
	fputs("usage: chardev COMMAND [ARGUMENTS]\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n\"chardev help COMMAND\" shows how to use one; see also chardev(1).\n", to);
	return 0;
}

static int print_usage(const char *name)
{
	const struct command *command = find_command(name);
	if (command == NULL)
		return unknown_command(name);
	printf("usage: chardev %s %s\n\n%s\n", command->name, command->usage, command->summary);
	return 0;
}

/* What was printed may have been lost on a full disk. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("chardev: cannot write to standard output");
	return status != 0 ? status : EXIT_FAILURE;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--version") == 0) {
		puts("chardev " CHARDEV_VERSION);
		return 0;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return print_help(stdout);
	if (strcmp(name, "help") == 0)
		return argc > 2 ? print_usage(argv[2]) : print_help(stdout);
	const struct command *command = find_command(name);
	if (command == NULL)
		return unknown_command(name);
	if (argc > 2 && strcmp(argv[2], "--help") == 0)
		return print_usage(name);
	return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	return finish(run(argc, argv));
}
