/* chardev status: how domains and devices are, and who is there. */
#include "cli/command.h"
#include "cli/control_servers.h"
#include "cli/json_text.h"
#include "cli/status_format.h"
#include "util/time_text.h"

#include <stdio.h>

struct showing {
	bool as_json;
	int64_t now_ms;
	struct table table;
	bool failed; /* out of memory */
};

static void on_reply(void *user, const json_t *reply)
{
	struct showing *showing = user;
	if (!showing->as_json)
		status_table_add(&showing->table, reply, showing->now_ms);
	else if (json_print_line(reply) < 0)
		showing->failed = true;
}

/* The exit status. */
static int show_all(const struct control_options *options, struct showing *showing)
{
	status_table_init(&showing->table);
	int status = control_servers_ask(options, "org.chardev.Status", true, on_reply, showing);
	bool has_rows = showing->table.cells.count > (size_t)showing->table.columns;
	if (!showing->as_json && (status == 0 || has_rows) &&
		table_print(&showing->table, stdout) < 0)
		showing->failed = true;
	table_fini(&showing->table);
	if (showing->failed)
		fprintf(stderr, "chardev: out of memory\n");
	return showing->failed ? 1 : status;
}

static int show_one(
	const struct control_options *options, const struct showing *showing, const char *where)
{
	struct control_target target;
	struct error err = {0};
	json_t *reply = NULL;
	int code = control_target_parse(where, &target, &err);
	if (code < 0)
		return control_failed(&err);
	code = control_call(options, target.domain, "org.chardev.Status",
		control_target_parameters(&target), &reply, &err);
	control_target_fini(&target);
	if (code < 0)
		return control_failed(&err);
	if (!showing->as_json)
		status_pages(reply, showing->now_ms, stdout);
	else if (json_print_line(reply) < 0)
		code = error_set(&err, -1, "out of memory");
	json_decref(reply);
	return code < 0 ? control_failed(&err) : 0;
}

int cli_status(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct control_options options = {0};
	struct showing showing = {.now_ms = time_now_ms()};
	for (int c; (c = control_options_next(&options, argc, argv, ":", table)) != -1;) {
		if (c == '?')
			return EXIT_USAGE;
		showing.as_json = true;
	}
	if (argc - optind > 1)
		return control_usage(argv[0], "it takes at most one DOMAIN[/DEVICE]");
	return optind == argc ? show_all(&options, &showing)
			      : show_one(&options, &showing, argv[optind]);
}
