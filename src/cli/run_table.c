/* The table of `chardev run`; see run_table.h. */
#include "cli/run_table.h"

#include "cli/table.h"

static void add_row(struct table *table, const struct device *device)
{
	struct device_status status;
	const struct device_config *config = device_config(device);
	device_status(device, &status);
	table_add(table, config->alias);
	table_add(table, source_type_name(config->source.type));
	table_add(table, status.backend.where);
	table_add(table, status.backend.command);
}

void run_table_print(const struct active_domain *active, FILE *to)
{
	static const char *const titles[] = {"ALIAS", "TYPE", "WHERE", "CONNECT WITH", NULL};
	struct table table;
	table_init(&table, titles);
	for (size_t i = 0; i < active_domain_count(active); i++)
		add_row(&table, active_domain_device(active, i));
	if (table_print(&table, to) < 0)
		fprintf(stderr, "chardev: no memory for the table of devices\n");
	fflush(to);
	table_fini(&table);
}
