/* A whole number of an option. */
#ifndef CHARDEV_CLI_NUMBER_H
#define CHARDEV_CLI_NUMBER_H

#include "util/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Digits alone, up to INT64_MAX. `option` is for the sentence. */
int number_parse(const char *text, const char *option, uint64_t *ret, struct error *err);

/* Whether it could be one: digits and nothing else. */
bool number_looks_like(const char *text);

#endif
