/* The table that `chardev run` prints: where each device stands, and what connects to it. */
#ifndef CHARDEV_CLI_RUN_TABLE_H
#define CHARDEV_CLI_RUN_TABLE_H

#include "device/active.h"

#include <stdio.h>

void run_table_print(const struct active_domain *active, FILE *to);

#endif
