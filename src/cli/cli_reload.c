/* chardev reload: chardevd reads its settings and definitions again. */
#include "cli/command.h"
#include "cli/control_options.h"
#include "cli/table.h"

#include <stdio.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "?";
}

/* The exit status. */
static int print_reply(const json_t *reply)
{
	size_t i;
	const json_t *entry;
	const json_t *failed = json_object_get(reply, "failed");
	json_array_foreach(json_object_get(reply, "changed"), i, entry) {
		table_print_text(json_is_string(entry) ? json_string_value(entry) : "?", stdout);
		fputs(": changed\n", stdout);
	}
	json_array_foreach(failed, i, entry)
		fprintf(stderr, "chardev: %s: %s\n", text_of(entry, "domain"),
			text_of(entry, "message"));
	return json_array_size(failed) > 0 ? 1 : 0;
}

int cli_reload(int argc, char **argv)
{
	static const struct option table[] = {CONTROL_OPTIONS, {NULL, 0, NULL, 0}};
	struct control_options options = {0};
	struct error err = {0};
	json_t *reply = NULL;
	if (control_options_next(&options, argc, argv, ":", table) != -1)
		return EXIT_USAGE;
	if (optind != argc)
		return control_usage(argv[0], "it takes no arguments");
	if (control_call(&options, NULL, "org.chardev.Reload", json_object(), &reply, &err) < 0)
		return control_failed(&err);
	int status = print_reply(reply);
	json_decref(reply);
	return status;
}
