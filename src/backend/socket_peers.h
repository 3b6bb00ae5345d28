/*
 * The connections of one socket backend: each becomes a stream, through the layers of its protocol,
 * and is handed to the device as a peer when all of them are ready. It is forgotten when the device
 * has closed it.
 *
 * Whoever is not ready yet (a TLS handshake) is nobody's peer and takes nobody's place: at most
 * SOCKET_PEERS_MAX_UNREADY are, and another one costs the oldest its chance.
 */
#ifndef CHARDEV_BACKEND_SOCKET_PEERS_H
#define CHARDEV_BACKEND_SOCKET_PEERS_H

#include "backend/backend.h"
#include "backend/protocol.h"
#include "stream/fd_stream.h"
#include "util/list.h"

enum { SOCKET_PEERS_MAX_UNREADY = 64 };

struct socket_peers;

struct socket_peers_listener {
	/*
	 * A connection is ready to be a peer. False: there is no room, and it is closed, which the
	 * owner tells.
	 */
	bool (*welcome)(struct socket_peers *peers, const char *name);
	/* It is a peer. */
	void (*joined)(struct socket_peers *peers);
	/* It will not be one: `reason` is one clause. `left` follows. */
	void (*refused)(
		struct socket_peers *peers, const char *name, int failure, const char *reason);
	/* The peer is about to be gone, because of what its protocol saw: as `refused`. */
	void (*broken)(
		struct socket_peers *peers, const char *name, int failure, const char *reason);
	/* Something about all that will come: certificates that cannot be read again. */
	void (*troubled)(struct socket_peers *peers, int failure, const char *reason);
	/* A connection is over and its memory free; `name` is valid during the call. */
	void (*left)(struct socket_peers *peers, const char *name);
};

struct socket_peers {
	const struct backend_params *params;
	struct protocol *protocol;
	const struct socket_peers_listener *listener;
	enum fd_stream_kind kind;
	bool end_together; /* a peer that closed its side is gone */
	struct list list;  /* the oldest first */
	unsigned count;
	unsigned unready; /* of these: not handed to the device yet */
	unsigned ending;  /* of these: ended by us, and soon gone */
};

/* `protocol` and the others must outlive it. */
void socket_peers_init(struct socket_peers *peers, const struct backend_params *params,
	struct protocol *protocol, enum fd_stream_kind kind,
	const struct socket_peers_listener *listener);

/*
 * Makes the stream; without layers the device has it when this returns. Takes fd over: it is closed
 * when this fails. 0 or a negative errno.
 */
int socket_peers_add(struct socket_peers *peers, int fd, const char *name);

/* How many are the device's. */
unsigned socket_peers_joined(const struct socket_peers *peers);

/* Closes those that are not ready: the device, which closes the others, does not know them. */
void socket_peers_close_unready(struct socket_peers *peers);

/*
 * Ends the connections that only look alive, so that others find room: TCP peers that have closed
 * their side (a close and a half-close look the same) with all their input read, and those that
 * vanished with output on its way. Their streams end by themselves soon after, unless the guest
 * does not take what they have typed: so at most `max` may be ending at once.
 */
void socket_peers_end_dead(struct socket_peers *peers, unsigned max);

#endif
