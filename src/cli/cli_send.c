/* chardev send: types something into a device, as one piece. */
#include "cli/command.h"
#include "cli/control_options.h"
#include "cli/control_typing.h"
#include "cli/input.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option table[] = {
	CONTROL_OPTIONS,
	{"force", no_argument, NULL, 'f'},
	{NULL, 0, NULL, 0},
};

struct sending {
	struct control_options options;
	bool force;
	bool no_newline;
};

/* 0, or EXIT_USAGE after a sentence. Ends before the first word that is no option. */
static int take_options(struct sending *sending, int argc, char **argv)
{
	for (int c;
		(c = control_options_next(&sending->options, argc, argv, "+:n", table)) != -1;) {
		if (c == 'f')
			sending->force = true;
		else if (c == 'n')
			sending->no_newline = true;
		else
			return EXIT_USAGE;
	}
	return 0;
}

static int read_words(char **words, bool no_newline, char **ret, size_t *ret_n, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	for (char **word = words; *word != NULL; word++) {
		if (word != words)
			strbuf_add(&sb, " ");
		strbuf_add(&sb, *word);
	}
	if (!no_newline)
		strbuf_add(&sb, "\n");
	*ret_n = sb.length;
	*ret = strbuf_steal(&sb);
	return *ret != NULL ? 0 : error_set(err, -1, "out of memory");
}

static int send_to(const struct sending *sending, const char *where, char **words)
{
	char *bytes = NULL;
	size_t n = 0;
	struct error err = {0};
	int code = words[0] != NULL ? read_words(words, sending->no_newline, &bytes, &n, &err)
				    : input_read("-", CONTROL_TYPING_MAX, &bytes, &n, &err);
	if (code == 0)
		code = control_type(&sending->options, "org.chardev.Send", where, bytes, n,
			sending->force, &err);
	free(bytes);
	return code < 0 ? control_failed(&err) : 0;
}

int cli_send(int argc, char **argv)
{
	struct sending sending = {0};
	if (take_options(&sending, argc, argv) != 0)
		return EXIT_USAGE;
	if (optind == argc)
		return control_usage(argv[0], "it takes DOMAIN[/DEVICE] and what to type");
	const char *where = argv[optind++];
	if (take_options(&sending, argc, argv) != 0)
		return EXIT_USAGE;
	return send_to(&sending, where, argv + optind);
}
