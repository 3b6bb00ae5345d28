/*
 * The connections of one socket backend: for each a stream, handed to the device, and forgotten
 * when the device has closed it. Protocol layers, where a protocol has any, belong between the
 * descriptor's stream and the one handed out; see the table in tcp.c.
 */
#ifndef CHARDEV_BACKEND_SOCKET_PEERS_H
#define CHARDEV_BACKEND_SOCKET_PEERS_H

#include "backend/backend.h"
#include "stream/fd_stream.h"
#include "util/list.h"

struct socket_peers {
	const struct backend_params *params;
	enum fd_stream_kind kind;
	bool end_together; /* a peer that closed its side is gone */
	struct list list;
	unsigned count;
	unsigned ending; /* of these: ended by socket_peers_end_dead(), and soon gone */
	/* A connection is over and its memory free; `name` is the peer's, valid during the call. */
	void (*left)(struct socket_peers *peers, const char *name);
};

void socket_peers_init(struct socket_peers *peers, const struct backend_params *params,
	enum fd_stream_kind kind, void (*left)(struct socket_peers *peers, const char *name));

/*
 * Makes the stream and calls the device's `peer`. Takes fd over: it is closed when this fails.
 * 0 or a negative errno.
 */
int socket_peers_add(struct socket_peers *peers, int fd, const char *name);

/*
 * Ends the connections that only look alive, so that others find room: TCP peers that have closed
 * their side (a close and a half-close look the same) with all their input read, and those that
 * vanished with output on its way. Their streams end by themselves soon after.
 */
void socket_peers_end_dead(struct socket_peers *peers);

#endif
