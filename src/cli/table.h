/*
 * A table on standard output: columns two blanks apart, the last one free. What would make a
 * terminal do something (control characters) is printed as '?'.
 */
#ifndef CHARDEV_CLI_TABLE_H
#define CHARDEV_CLI_TABLE_H

#include "util/strlist.h"

#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
	int columns;
	struct strlist cells; /* row by row */
};

/* The cells of the first row end in NULL. */
void table_init(struct table *table, const char *const *titles);
void table_fini(struct table *table);

/* The next cell; "" is printed as "-". */
void table_add(struct table *table, const char *cell);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 0, or -ENOMEM: nothing was printed. */
int table_print(const struct table *table, FILE *to);

/* One text, by the same rule. */
void table_print_text(const char *text, FILE *to);

#endif
