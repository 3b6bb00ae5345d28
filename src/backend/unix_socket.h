/*
 * The file of a UNIX server's socket: made without ever taking a place that is somebody else's,
 * with its final mode from the start, and removed only while it is still the one that was made.
 *
 * bind(2) itself takes a free name atomically. A name that is taken is freed only when it is a
 * socket that nobody listens on. Two of us that start at once are kept apart by a lock (an
 * abstract socket named after the directory's inode and the file), because a socket between its
 * bind and its listen looks dead; against programs that know nothing of the lock, the dead socket
 * is first moved aside and looked at again.
 */
#ifndef CHARDEV_BACKEND_UNIX_SOCKET_H
#define CHARDEV_BACKEND_UNIX_SOCKET_H

#include "util/error.h"

#include <sys/types.h>

enum { UNIX_SOCKET_MODE_DEFAULT = 0600 };

struct unix_socket {
	int fd; /* listening, non-blocking */
	dev_t device;
	ino_t inode;
};

/*
 * Listens on `path`. mode: the permission bits, -1 for the default; group: a name or a number,
 * NULL for the process's. 0, or a negative errno with a sentence and nothing left behind.
 */
int unix_socket_listen(const char *path, int mode, const char *group, int backlog,
	struct unix_socket *ret, struct error *err);

/* Removes `path` if it still is this socket. Called while fd is open: that keeps the inode ours. */
void unix_socket_unlink(const struct unix_socket *made, const char *path);

#endif
