/*
 * A server's sockets: accepts clients up to a limit, and hands each to the device as a peer. For
 * tcp and unix alike; how the sockets are made and clients are named is theirs.
 *
 * Clients that are still being made ready (a TLS handshake) are not counted.
 *
 * When the process has no descriptor or memory left for another client, accepting pauses (clients
 * wait in the kernel's queue) until one of ours leaves or a second has gone by.
 */
#ifndef CHARDEV_BACKEND_LISTENER_H
#define CHARDEV_BACKEND_LISTENER_H

#include "backend/socket_peers.h"

enum { LISTENER_MAX_SOCKETS = 4, LISTENER_CLIENTS_DEFAULT = 16, LISTENER_BACKLOG = 128 };

struct listener;

struct listener_socket {
	struct loop_poll poll;
	struct listener *listener;
	int fd;
};

struct listener {
	const struct backend_params *params;
	/* Sets a new client's options and names it; `from` is accept(2)'s. */
	void (*admit)(int fd, const struct sockaddr_storage *from, char name[PEER_NAME_SIZE]);
	struct socket_peers peers;
	struct listener_socket sockets[LISTENER_MAX_SOCKETS];
	int socket_count;
	struct loop_timer resume;
	bool paused;
	bool complained; /* of what made it pause, since a client last came */
	bool closing;
	int closes_pending;
	void (*closed)(struct listener *listener);
};

/* params and protocol must outlive the listener. */
void listener_init(struct listener *listener, const struct backend_params *params,
	struct protocol *protocol, enum fd_stream_kind kind,
	void (*admit)(int fd, const struct sockaddr_storage *from, char name[PEER_NAME_SIZE]));

/*
 * Accepts from a listening, non-blocking socket, and owns it from now on, also when this fails.
 * 0 or a negative errno.
 */
int listener_add(struct listener *listener, int fd);

/* Closes the sockets at once; `closed` follows when the last client's stream is closed too. */
void listener_close(struct listener *listener, void (*closed)(struct listener *listener));

#endif
