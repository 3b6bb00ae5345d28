/* Reading a command's input file. */
#ifndef CHARDEV_CLI_INPUT_H
#define CHARDEV_CLI_INPUT_H

#include <stddef.h>

#include "model/document.h"
#include "util/error.h"

/*
 * The whole of a file ("-": standard input), at most `limit` bytes and one more, by which the
 * caller tells that there were too many. 0 and a text that the caller frees, or a negative errno.
 */
int input_read(const char *path, size_t limit, char **ret, size_t *ret_n, struct error *err);

/*
 * Reads and parses a domain's XML and prints every error (and every warning, when `warnings`) to
 * standard error as "FILE:LINE: sentence". 0 and the document, or a negative errno.
 */
int input_document(const char *path, bool warnings, struct document **ret);

/* Prints what was found in `path` as input_document() does. */
void input_print(const char *path, const struct diagnostics *diagnostics, bool warnings);

#endif
