/* Modes of the terminal; terminal_restore() (terminal.h) puts back what was. */
#ifndef CHARDEV_CLI_TERMINAL_MODE_H
#define CHARDEV_CLI_TERMINAL_MODE_H

/* 0 or a negative errno (-EBUSY: another terminal is in raw mode). */
int terminal_make_raw(int fd);

/*
 * For who only watches: keys are not shown, and what was typed is thrown away when the mode is put
 * back, so that no shell takes it for a command. Keys that send signals still do. A process in the
 * background changes nothing: it would be stopped.
 */
void terminal_ignore_keys(int fd);

#endif
