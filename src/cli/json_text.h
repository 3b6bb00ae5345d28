/* Members of a reply, whatever it holds: a wrong or missing one is "" or 0. */
#ifndef CHARDEV_CLI_JSON_TEXT_H
#define CHARDEV_CLI_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

const char *json_text(const json_t *object, const char *key);
json_int_t json_number(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);

/* The value on a line of standard output, flushed. 0, or -ENOMEM. */
int json_print_line(const json_t *value);

enum { WHO_SIZE = 80 };

/* From an object with "uid" and "pid": "root (pid 77)". The uid is looked up here, on our side. */
void who_text(const json_t *who, char ret[WHO_SIZE]);

#endif
