/*
 * The error value: a code and one sentence for a person.
 *
 * Functions whose failure a person can cause or mend (parse, check, open, config, control) take a
 * `struct error *err` as their last argument. The value lives on the caller's stack, is written
 * only on failure, and needs no release. Data-path functions return a bare negative errno instead.
 *
 * The sentence says what failed, where, and what to do about it; it has no trailing newline.
 */
#ifndef CHARDEV_UTIL_ERROR_H
#define CHARDEV_UTIL_ERROR_H

#include <stdarg.h>

enum { ERROR_MESSAGE_SIZE = 512 };

struct error {
	int code; /* negative errno; 0 while nothing failed */
	char message[ERROR_MESSAGE_SIZE];
};

/*
 * Sets *err (ignored when NULL) and returns `code`, so that a failure is one line:
 *         return error_set(err, -ENOENT, "no device \"%s\"; ...", alias);
 * A sentence that does not fit is cut at a whole character and ends in "...".
 */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int error_setv(struct error *err, int code, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Puts context before the sentence: "serial0: " + message. Returns err->code. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* strerror() that is safe in threads: a constant string of the C library for a (negative) errno. */
const char *error_text(int code);

#endif
