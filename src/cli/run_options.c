/*
 * The arguments of `chardev run`. Parsed by hand because ALIAS is optional: a word after --console
 * is the alias, unless it is the only word, which is the file.
 */
#include "cli/run_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WORDS = 2 };

struct parsing {
	struct run_options *options;
	const char *words[MAX_WORDS];
	bool after_console[MAX_WORDS];
	int count;
};

static int refuse(const char *what, const char *which)
{
	fprintf(stderr, "chardev: run: %s%s; see \"chardev help run\"\n", which, what);
	return -EINVAL;
}

/* --NAME VALUE or --NAME=VALUE. 1: it was that one; 0: another; negative: refused. */
static int take_value(char **argv, int *i, const char *name, const char **ret)
{
	const char *arg = argv[*i];
	size_t n = strlen(name);
	if (strncmp(arg, name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
		return 0;
	*ret = arg[n] == '=' ? arg + n + 1 : argv[++*i];
	if (*ret == NULL || (*ret)[0] == '\0')
		return refuse(" needs a directory", name);
	return 1;
}

static int take_word(struct parsing *parsing, const char *word, bool after_console)
{
	if (parsing->count == MAX_WORDS)
		return refuse(" is one word too many; a VMM comes after \"--\"", word);
	parsing->words[parsing->count] = word;
	parsing->after_console[parsing->count++] = after_console;
	return 0;
}

static int take_argument(struct parsing *parsing, char **argv, int *i)
{
	struct run_options *options = parsing->options;
	const char *arg = argv[*i];
	if (strncmp(arg, "--console=", 10) == 0 && arg[10] != '\0') {
		options->console = true;
		options->console_alias = arg + 10;
		return 0;
	}
	int taken = take_value(argv, i, "--runtime-dir", &options->runtime_dir);
	if (taken == 0)
		taken = take_value(argv, i, "--log-dir", &options->log_dir);
	if (taken != 0)
		return taken < 0 ? taken : 0;
	if (strcmp(arg, "--console") == 0) {
		const char *next = argv[*i + 1];
		options->console = true;
		if (next != NULL && next[0] != '-')
			return take_word(parsing, argv[++*i], true);
		return 0;
	}
	if (arg[0] == '-' && arg[1] != '\0')
		return refuse(" is not an option", arg);
	return take_word(parsing, arg, false);
}

static int sort_words(struct parsing *parsing)
{
	struct run_options *options = parsing->options;
	if (parsing->count == 0)
		return refuse("", "a FILE is missing (\"-\" is standard input)");
	int alias = parsing->after_console[0] ? 0 : 1;
	if (parsing->count == 2 && !parsing->after_console[alias])
		return refuse(" is one word too many; a VMM comes after \"--\"", parsing->words[1]);
	if (parsing->count == 2)
		options->console_alias = parsing->words[alias];
	options->file = parsing->words[parsing->count == 2 ? 1 - alias : 0];
	return 0;
}

int run_options_parse(int argc, char **argv, struct run_options *ret)
{
	*ret = (struct run_options){0};
	struct parsing parsing = {.options = ret};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			if (i + 1 == argc)
				return refuse("", "a VMM is missing after \"--\"");
			ret->vmm = argv + i + 1;
			break;
		}
		int code = take_argument(&parsing, argv, &i);
		if (code < 0)
			return code;
	}
	return sort_words(&parsing);
}
