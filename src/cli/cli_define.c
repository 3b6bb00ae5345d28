/* chardev define: gives a domain's document to chardevd, which keeps and serves it. */
#include "cli/command.h"
#include "cli/control_options.h"
#include "cli/input.h"
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>

static void print_reply(const char *file, const json_t *reply)
{
	size_t i;
	const json_t *entry;
	const json_t *devices = json_object_get(reply, "devices");
	const char *domain = json_string_value(json_object_get(reply, "domain"));
	json_array_foreach(json_object_get(reply, "warnings"), i, entry)
		if (json_is_string(entry))
			fprintf(stderr, "%s: warning: %s\n", file, json_string_value(entry));
	table_print_text(domain != NULL ? domain : "?", stdout);
	fputs(json_array_size(devices) > 0 ? ": defined; opened, closed or opened anew:"
					   : ": defined; no device changed",
		stdout);
	json_array_foreach(devices, i, entry) {
		fputc(' ', stdout);
		table_print_text(json_is_string(entry) ? json_string_value(entry) : "?", stdout);
	}
	fputc('\n', stdout);
}

static int define(const struct control_options *options, const char *file, bool start)
{
	char *xml = NULL;
	size_t n = 0;
	json_t *reply = NULL;
	struct error err = {0};
	if (input_read(file, DOCUMENT_MAX_BYTES, &xml, &n, &err) < 0)
		return control_failed(&err);
	json_t *text = json_stringn(xml, n);
	free(xml);
	if (text == NULL) {
		fprintf(stderr,
			"chardev: %s is not UTF-8, which it must be to be sent; convert it, "
			"with iconv(1) for one\n",
			file);
		return 1;
	}
	int code = control_call(options, NULL, "org.chardev.Define",
		json_pack("{s:o, s:b}", "xml", text, "start", start), &reply, &err);
	if (code < 0)
		return control_failed(&err);
	print_reply(file, reply);
	json_decref(reply);
	return 0;
}

int cli_define(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"stopped", no_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	struct control_options options = {0};
	bool start = true;
	for (int c; (c = control_options_next(&options, argc, argv, ":", table)) != -1;) {
		if (c != 's')
			return EXIT_USAGE;
		start = false;
	}
	if (argc - optind != 1)
		return control_usage(argv[0], "it takes one FILE (\"-\" is standard input)");
	return define(&options, argv[optind], start);
}
