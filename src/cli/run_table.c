/* The table of `chardev run`; see run_table.h. Columns are two spaces apart, the last one is free.
 */
#include "cli/run_table.h"

#include <string.h>

enum { COLUMN_COUNT = 4 };

struct row {
	const char *cells[COLUMN_COUNT];
};

/* What device_status() gave, with the text that the row points to. */
static struct row row_of(const struct device *device, struct device_status *status)
{
	const struct device_config *config = device_config(device);
	device_status(device, status);
	return (struct row){{
		config->alias,
		source_type_name(config->source.type),
		status->backend.where[0] != '\0' ? status->backend.where : "-",
		status->backend.command[0] != '\0' ? status->backend.command : "-",
	}};
}

static const struct row titles = {{"ALIAS", "TYPE", "WHERE", "CONNECT WITH"}};

static void widen(int widths[COLUMN_COUNT], const struct row *row)
{
	for (int i = 0; i < COLUMN_COUNT; i++)
		if ((int)strlen(row->cells[i]) > widths[i])
			widths[i] = (int)strlen(row->cells[i]);
}

static void print(FILE *to, const int widths[COLUMN_COUNT], const struct row *row)
{
	fprintf(to, "%-*s  %-*s  %-*s  %s\n", widths[0], row->cells[0], widths[1], row->cells[1],
		widths[2], row->cells[2], row->cells[3]);
}

void run_table_print(const struct active_domain *active, FILE *to)
{
	int widths[COLUMN_COUNT] = {0};
	struct device_status status;
	widen(widths, &titles);
	for (size_t i = 0; i < active_domain_count(active); i++) {
		struct row row = row_of(active_domain_device(active, i), &status);
		widen(widths, &row);
	}
	print(to, widths, &titles);
	for (size_t i = 0; i < active_domain_count(active); i++) {
		struct row row = row_of(active_domain_device(active, i), &status);
		print(to, widths, &row);
	}
	fflush(to);
}
