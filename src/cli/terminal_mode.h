/* Raw mode for terminal.c; see terminal.h for putting it back. */
#ifndef CHARDEV_CLI_TERMINAL_MODE_H
#define CHARDEV_CLI_TERMINAL_MODE_H

/* 0 or a negative errno (-EBUSY: another terminal is in raw mode). */
int terminal_make_raw(int fd);

#endif
