/* Text as one word of a POSIX shell: for the commands that a backend describes itself with. */
#ifndef CHARDEV_BACKEND_SHELL_WORD_H
#define CHARDEV_BACKEND_SHELL_WORD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies `text`, between single quotes if it needs them. Returns false, and ret is "", when it does
 * not fit: half a command is worse than none.
 */
bool shell_word(const char *text, char *ret, size_t size);

#endif
