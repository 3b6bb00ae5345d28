/* Filling a backend_description: texts of bounded size, and commands that a shell can take. */
#ifndef CHARDEV_BACKEND_DESCRIBE_H
#define CHARDEV_BACKEND_DESCRIBE_H

#include "backend/backend.h"

/* What ties a terminal to one of socat's addresses; ^] ends it. */
#define DESCRIBE_TERMINAL "socat -,raw,echo=0,escape=0x1d "

/* Empties *ret and says where it stands; a text too long is cut and ends in "...". */
void describe_where(struct backend_description *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The command `before` PATH `after`, the path quoted if a shell needs that. None when it does not
 * fit: half a command is worse than none.
 */
void describe_command(
	struct backend_description *ret, const char *before, const char *path, const char *after);

#endif
