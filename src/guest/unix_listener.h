/* A UNIX listening socket for one VMM: mode 0600, never taken from somebody who lives. unix(7). */
#ifndef CHARDEV_GUEST_UNIX_LISTENER_H
#define CHARDEV_GUEST_UNIX_LISTENER_H

#include "guest/port.h"

#include <sys/un.h>

/* Fills an address; -ENAMETOOLONG and a sentence when the path does not fit. */
int unix_listener_address(
	const char *alias, const char *path, struct sockaddr_un *ret, struct error *err);

/* A dead socket in the way is replaced; anything else is refused by name. */
int unix_listener_open(const char *alias, const char *path, struct guest_file *file, int *ret_fd,
	struct error *err);

/* A connected non-blocking socket, or a negative errno. */
int unix_listener_connect(const struct sockaddr_un *address);

#endif
