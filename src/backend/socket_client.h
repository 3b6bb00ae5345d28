/*
 * The connect mode of tcp and unix: one peer, reached by a connector, and what `<reconnect>` says
 * about its loss.
 *
 * A server that is not there is a state, not a failure: it is looked for until it is. Once lost it
 * is looked for again, unless enabled='no'. timeout='N' is the longest pause between two attempts,
 * in seconds; pauses start at 100 ms and double. Without a <reconnect> the longest is 30 s: QEMU
 * would leave the device dead, which nobody expects of a client.
 *
 * A server that closes its side is taken to be gone: on TCP a server that ended looks the same, and
 * would be found out only by the guest's next output or by keep-alive.
 */
#ifndef CHARDEV_BACKEND_SOCKET_CLIENT_H
#define CHARDEV_BACKEND_SOCKET_CLIENT_H

#include "backend/connector.h"
#include "backend/socket_peers.h"

struct socket_client;

/* What differs between tcp and unix. Every slot is filled. */
struct socket_client_kind {
	enum fd_stream_kind stream;
	void (*set_options)(int fd);
	/* Names the server at the other end of a new connection. */
	void (*name)(int fd, const struct address *address, char ret[PEER_NAME_SIZE]);
	/* See connector.h; `prepare` is undone by `settle` when there is a connection. */
	void (*prepare)(struct socket_client *client);
	bool (*will_kick)(struct socket_client *client, int code);
	void (*settle)(struct socket_client *client);
};

struct socket_client {
	const struct socket_client_kind *kind;
	const struct backend_params *params;
	const struct reconnect *reconnect;
	struct connector connector;
	struct socket_peers peers;
	bool closing;
	bool connector_closed;
	void (*closed)(struct socket_client *client);
};

/*
 * params, protocol and reconnect must outlive the client, whose connector the caller has
 * initialised with socket_client_connector_ops. The first attempt is made on a later turn.
 */
void socket_client_start(struct socket_client *client, const struct socket_client_kind *kind,
	const struct backend_params *params, struct protocol *protocol,
	const struct reconnect *reconnect);
void socket_client_close(
	struct socket_client *client, void (*closed)(struct socket_client *client));
bool socket_client_is_connected(const struct socket_client *client);

extern const struct connector_ops socket_client_connector_ops;

#endif
