/* Columns; see table.h. */
#include "cli/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *const *titles)
{
	*table = (struct table){0};
	for (; titles[table->columns] != NULL; table->columns++)
		table_add(table, titles[table->columns]);
	assert(table->columns <= TABLE_COLUMNS_MAX);
}

void table_fini(struct table *table)
{
	strlist_fini(&table->cells);
}

void table_add(struct table *table, const char *cell)
{
	strlist_add(&table->cells, cell[0] != '\0' ? cell : "-");
}

void table_addf(struct table *table, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	strlist_take(&table->cells, text);
}

/* Characters, as UTF-8 has them. */
static int width_of(const char *text)
{
	int width = 0;
	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void table_print_text(const char *text, FILE *to)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
}

static void print_row(const struct table *table, char *const *row, const int *widths, FILE *to)
{
	for (int i = 0; i < table->columns; i++) {
		table_print_text(row[i], to);
		if (i + 1 < table->columns)
			fprintf(to, "%*s", widths[i] - width_of(row[i]) + 2, "");
	}
	fputc('\n', to);
}

int table_print(const struct table *table, FILE *to)
{
	int widths[TABLE_COLUMNS_MAX] = {0};
	if (table->cells.failed)
		return -ENOMEM;
	for (size_t i = 0; i < table->cells.count; i++) {
		int *width = &widths[i % (size_t)table->columns];
		int here = width_of(table->cells.items[i]);
		*width = here > *width ? here : *width;
	}
	for (size_t i = 0; i < table->cells.count; i += (size_t)table->columns)
		print_row(table, table->cells.items + i, widths, to);
	return 0;
}
