/*
 * The control interface's sockets: those that systemd passes (sd_listen_fds(3)), else one of our
 * own.
 *
 * Everybody may connect: who may do what is decided by the caller's credentials.
 */
#ifndef CHARDEV_DAEMON_SOCKET_H
#define CHARDEV_DAEMON_SOCKET_H

#include "backend/unix_socket.h"
#include "control/server.h"
#include "daemon/options.h"

enum { CONTROL_SOCKET_MODE = 0666 };

struct control_socket {
	const char *path; /* of our own; NULL: systemd's */
	struct unix_socket own;
};

/* 0, or a negative errno and a sentence. The server owns the descriptors. */
int control_socket_open(struct control_socket *socket, struct control_server *server,
	const struct options *options, struct error *err);

/* Removes our own, before the server is closed. systemd's stay. */
void control_socket_unlink(struct control_socket *socket);

#endif
