/*
 * The settings of a line, as a terminal has them: from termios2 and back; see ioctl_tty(2) and
 * termios(3). A pseudo terminal keeps them too, though nothing there is slower for it: the master
 * reads what the program on the slave has set.
 */
#ifndef CHARDEV_STREAM_LINE_SETTINGS_H
#define CHARDEV_STREAM_LINE_SETTINGS_H

#include "stream/stream.h"

/* Every member is said. 0 or a negative errno. */
int line_settings_get(int fd, struct stream_line *ret);

/*
 * Sets what is said and leaves the rest. Waits until the output before it has left: call it on a
 * thread. 0 or a negative errno; what a driver cannot do it replaces by what it can.
 */
int line_settings_set(int fd, const struct stream_line *line);

#endif
