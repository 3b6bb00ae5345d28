/* What both sides of this project do with the master of a pseudo terminal: see pty(7), pts(4). */
#ifndef CHARDEV_UTIL_PTY_H
#define CHARDEV_UTIL_PTY_H

#include <stdint.h>

/* The slave of this master, whatever its path leads to. The descriptor, or a negative errno. */
int pty_open_slave(int master);

/*
 * No echo, no signals, no translation, whatever the modem lines say; `fd` is any terminal's, a
 * master's acts on the slave. Written only if different: a write is an event. 0 or a negative
 * errno.
 */
int pty_make_raw(int fd);

/*
 * Packet mode on the master, EXTPROC on the slave: from then on each read(2) of the master begins
 * with a byte that says what has happened (ioctl_tty(2), TIOCPKT), new settings of the slave
 * included. 0 or a negative errno.
 */
int pty_watch_settings(int master);

/*
 * Takes back what nobody has read on the slave, which nobody has open: how many bytes. Read, not
 * asked for and flushed: what FIONREAD counts ends at 4095, and TCIFLUSH takes the rest as well.
 * The slave is raw afterwards.
 */
uint64_t pty_take_back_unread(int master);

#endif
