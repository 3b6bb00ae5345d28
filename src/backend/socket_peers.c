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
	struct fd_stream stream;
	struct socket_peers *peers;
	struct list link;
	int fd; /* the stream's */
	bool ending;
	char name[PEER_NAME_SIZE];
};

void socket_peers_init(struct socket_peers *peers, const struct backend_params *params,
	enum fd_stream_kind kind, void (*left)(struct socket_peers *peers, const char *name))
{
	*peers = (struct socket_peers){.params = params, .kind = kind, .left = left};
	list_init(&peers->list);
}

static void on_closed(struct stream *stream)
{
	struct socket_peer *peer = container_of(stream, struct socket_peer, stream.base);
	struct socket_peers *peers = peer->peers;
	list_remove(&peer->link);
	peers->count--;
	peers->ending -= peer->ending ? 1 : 0;
	peers->left(peers, peer->name);
	free(peer);
}

int socket_peers_add(struct socket_peers *peers, int fd, const char *name)
{
	const struct backend_params *params = peers->params;
	struct socket_peer *peer = calloc(1, sizeof(*peer));
	int rc = peer != NULL ? fd_stream_init(
					&peer->stream, params->loop, peers->kind, fd, fd, on_closed)
			      : -ENOMEM;
	if (rc < 0) {
		free(peer);
		fd_close(fd);
		return rc;
	}
	peer->stream.ends_together = peers->end_together;
	peer->peers = peers;
	peer->fd = fd;
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	list_append(&peers->list, &peer->link);
	peers->count++;
	const struct peer_info info = {.kind = PEER_CLIENT, .name = peer->name};
	params->sink->peer(params->device, &peer->stream.base, &info);
	return 0;
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

void socket_peers_end_dead(struct socket_peers *peers)
{
	if (peers->kind != FD_STREAM_TCP)
		return;
	list_for_each(node, &peers->list) {
		struct socket_peer *peer = container_of(node, struct socket_peer, link);
		if (peer->ending || peer->stream.base.closing || !is_dead(peer->fd))
			continue;
		shutdown(peer->fd, SHUT_RDWR);
		peer->ending = true;
		peers->ending++;
	}
}
