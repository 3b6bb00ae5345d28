/* A reply of Status for people: a row for each device, or a page on each. */
#ifndef CHARDEV_CLI_STATUS_FORMAT_H
#define CHARDEV_CLI_STATUS_FORMAT_H

#include "cli/table.h"

#include <jansson.h>
#include <stdint.h>

/* The table of all devices; rows are added by reply. */
void status_table_init(struct table *table);
void status_table_add(struct table *table, const json_t *reply, int64_t now_ms);

/* The domain, and each of its devices. */
void status_pages(const json_t *reply, int64_t now_ms, FILE *to);

enum { SILENCE_SIZE = 96 };

/* From "last_output" of a reply: "silent for 3 h 2 min, since TIME"; NULL or null: never spoke. */
void silence_text(const char *last_output, int64_t now_ms, char ret[SILENCE_SIZE]);

#endif
