/* The connections of a socket backend; see socket_peers.h. */
#include "backend/socket_peers.h"

#include "util/fd.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* A peer that has not acknowledged for so long, though bytes are waiting for it, has vanished. */
enum { SILENCE_MS = 30 * 1000 };

struct socket_peer {
	struct fd_stream socket;
	struct stream *top; /* the outermost stream so far */
	int depth;          /* layers on the socket */
	int open_streams;   /* those and the socket: closes that are still to come */
	struct socket_peers *peers;
	struct list link;
	int fd; /* the socket's */
	bool joined;
	bool ending;
	char name[PEER_NAME_SIZE];
};

void socket_peers_init(struct socket_peers *peers, const struct backend_params *params,
	struct protocol *protocol, enum fd_stream_kind kind,
	const struct socket_peers_listener *listener)
{
	*peers = (struct socket_peers){
		.params = params, .protocol = protocol, .kind = kind, .listener = listener};
	list_init(&peers->list);
}

unsigned socket_peers_joined(const struct socket_peers *peers)
{
	return peers->count - peers->unready;
}

/* ---- the end of one ------------------------------------------------------------------------- */

static void closed_one(struct socket_peer *peer)
{
	struct socket_peers *peers = peer->peers;
	if (--peer->open_streams > 0)
		return;
	list_remove(&peer->link);
	peers->count--;
	peers->unready -= peer->joined ? 0 : 1;
	peers->ending -= peer->ending ? 1 : 0;
	peers->listener->left(peers, peer->name);
	free(peer);
}

static void on_socket_closed(struct stream *stream)
{
	closed_one(container_of(stream, struct socket_peer, socket.base));
}

static void on_layer_closed(void *owner)
{
	closed_one(owner);
}

static void refuse(struct socket_peer *peer, int failure, const char *reason)
{
	struct socket_peers *peers = peer->peers;
	if (peer->top->closing)
		return;
	peers->listener->refused(peers, peer->name, failure, reason);
	stream_close(peer->top);
}

/* ---- the beginning of one ------------------------------------------------------------------- */

static void join(struct socket_peer *peer)
{
	struct socket_peers *peers = peer->peers;
	const struct backend_params *params = peers->params;
	const struct peer_info info = {.kind = PEER_CLIENT, .name = peer->name};
	if (!peers->listener->welcome(peers, peer->name)) {
		stream_close(peer->top);
		return;
	}
	peer->joined = true;
	peers->unready--;
	params->sink->peer(params->device, peer->top, &info);
	peers->listener->joined(peers);
}

static void on_ready(void *owner);

static void on_failed(void *owner, int failure, const char *reason)
{
	refuse(owner, failure, reason);
}

static void on_broken(void *owner, int failure, const char *reason)
{
	struct socket_peer *peer = owner;
	peer->peers->listener->broken(peer->peers, peer->name, failure, reason);
}

static const struct layer_listener layer_listener = {
	.ready = on_ready,
	.failed = on_failed,
	.broken = on_broken,
	.closed = on_layer_closed,
};

static int put_next_layer(struct socket_peer *peer)
{
	int rc = protocol_wrap(
		peer->peers->protocol, peer->depth, peer->top, &layer_listener, peer, &peer->top);
	if (rc <= 0)
		return rc;
	peer->depth++;
	peer->open_streams++;
	return rc;
}

static void on_ready(void *owner)
{
	struct socket_peer *peer = owner;
	int rc = put_next_layer(peer);
	if (rc < 0)
		refuse(peer, rc, error_text(rc));
	else if (rc == 0)
		join(peer);
}

static void make_room_for_unready(struct socket_peers *peers)
{
	if (peers->unready < SOCKET_PEERS_MAX_UNREADY)
		return;
	list_for_each(link, &peers->list) {
		struct socket_peer *peer = container_of(link, struct socket_peer, link);
		if (peer->joined || peer->top->closing)
			continue;
		refuse(peer, -EBUSY, "too many others came before it was ready");
		return;
	}
}

int socket_peers_add(struct socket_peers *peers, int fd, const char *name)
{
	const struct backend_params *params = peers->params;
	struct socket_peer *peer = calloc(1, sizeof(*peer));
	int rc = peer != NULL ? fd_stream_init(&peer->socket, params->loop, peers->kind, fd, fd,
					on_socket_closed)
			      : -ENOMEM;
	if (rc < 0) {
		free(peer);
		fd_close(fd);
		return rc;
	}
	struct error err = {0};
	if (protocol_refresh(peers->protocol, &err) < 0)
		peers->listener->troubled(peers, err.code, err.message);
	make_room_for_unready(peers);
	peer->socket.ends_together = peers->end_together;
	peer->top = &peer->socket.base;
	peer->open_streams = 1;
	peer->peers = peers;
	peer->fd = fd;
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	list_append(&peers->list, &peer->link);
	peers->count++;
	peers->unready++;
	on_ready(peer);
	return 0;
}

/* ---- all of them ---------------------------------------------------------------------------- */

void socket_peers_close_unready(struct socket_peers *peers)
{
	list_for_each(link, &peers->list) {
		struct socket_peer *peer = container_of(link, struct socket_peer, link);
		if (!peer->joined)
			stream_close(peer->top);
	}
}

static bool is_dead(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	if (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0)
		return info.tcpi_last_ack_recv >= SILENCE_MS;
	int unread = 0;
	return info.tcpi_state == TCP_CLOSE_WAIT && ioctl(fd, FIONREAD, &unread) == 0 &&
	       unread == 0;
}

void socket_peers_end_dead(struct socket_peers *peers, unsigned max)
{
	if (peers->kind != FD_STREAM_TCP)
		return;
	list_for_each(node, &peers->list) {
		struct socket_peer *peer = container_of(node, struct socket_peer, link);
		if (peers->ending >= max)
			return;
		if (!peer->joined || peer->ending || peer->top->closing || !is_dead(peer->fd))
			continue;
		shutdown(peer->fd, SHUT_RDWR);
		peer->ending = true;
		peers->ending++;
	}
}
