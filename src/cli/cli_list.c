/* chardev list: the domains of chardevd, and those of each `chardev run`. */
#include "cli/command.h"
#include "cli/control_servers.h"
#include "cli/json_text.h"
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum list_as { LIST_TABLE, LIST_NAMES, LIST_JSON };

/* An array of type Domain of org.chardev; NULL: memory ran out. */
struct listing {
	json_t *domains;
};

static void on_reply(void *user, const json_t *reply)
{
	struct listing *listing = user;
	const json_t *domains = json_object_get(reply, "domains");
	if (json_is_array(domains) && json_array_extend(listing->domains, (json_t *)domains) < 0)
		fprintf(stderr, "chardev: out of memory\n");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
		json_text(*(json_t *const *)a, "name"), json_text(*(json_t *const *)b, "name"));
}

static void add_row(struct table *table, const json_t *domain)
{
	table_add(table, json_text(domain, "name"));
	table_add(table, json_text(domain, "state"));
	table_addf(table, "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
		json_number(domain, "attached"), json_number(domain, "devices"));
	table_add(table, json_text(domain, "reason"));
}

static int print_table(json_t *const *domains, size_t count)
{
	static const char *const titles[] = {"NAME", "STATE", "ATTACHED", "REASON", NULL};
	struct table table;
	table_init(&table, titles);
	for (size_t i = 0; i < count; i++)
		add_row(&table, domains[i]);
	int code = table_print(&table, stdout);
	table_fini(&table);
	return code;
}

static int print_names(json_t *const *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		puts(json_text(domains[i], "name"));
	return 0;
}

static int print_json(json_t *const *domains, size_t count)
{
	int code = 0;
	for (size_t i = 0; i < count && code == 0; i++)
		code = json_print_line(domains[i]);
	return code;
}

/* The exit status. */
static int print(const json_t *domains, enum list_as as)
{
	static int (*const printers[])(json_t *const *domains, size_t count) = {
		[LIST_TABLE] = print_table, [LIST_NAMES] = print_names, [LIST_JSON] = print_json};
	size_t i, count = json_array_size(domains);
	json_t *domain;
	json_t **sorted = calloc(count + 1, sizeof(json_t *));
	int code = sorted != NULL ? 0 : -1;
	if (code == 0) {
		json_array_foreach(domains, i, domain)
			sorted[i] = domain;
		qsort(sorted, count, sizeof(json_t *), by_name);
		code = printers[as](sorted, count);
	}
	free(sorted);
	if (code < 0)
		fprintf(stderr, "chardev: out of memory\n");
	return code < 0 ? 1 : 0;
}

int cli_list(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"json", no_argument, NULL, LIST_JSON},
		{"names", no_argument, NULL, LIST_NAMES},
		{NULL, 0, NULL, 0},
	};
	struct control_options options = {0};
	enum list_as as = LIST_TABLE;
	for (int c; (c = control_options_next(&options, argc, argv, ":", table)) != -1;) {
		if (c == '?')
			return EXIT_USAGE;
		as = (enum list_as)c;
	}
	if (optind != argc)
		return control_usage(
			argv[0], "it takes no arguments; \"chardev status\" takes a name");
	struct listing listing = {json_array()};
	int status = control_servers_ask(&options, "org.chardev.List", false, on_reply, &listing);
	/* What was found is shown, whatever else went wrong. */
	if (status == 0 || json_array_size(listing.domains) > 0)
		status |= print(listing.domains, as);
	json_decref(listing.domains);
	return status;
}
