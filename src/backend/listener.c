/* A server's sockets; see listener.h. */
#include "backend/listener.h"

#include "util/fd.h"

#include <stdio.h>
#include <sys/socket.h>

/* Clients per readiness event: a flood of them must not keep the other devices waiting. */
enum { BATCH = 16, PAUSE_MS = 1000 };

static void report(struct listener *listener, int failure, const char *reason)
{
	const struct backend_params *params = listener->params;
	params->sink->state(params->device, BACKEND_LISTENING, failure, reason);
}

static void set_paused(struct listener *listener, bool paused)
{
	listener->paused = paused;
	for (int i = 0; i < listener->socket_count; i++)
		loop_poll_want(&listener->sockets[i].poll, paused ? 0 : LOOP_READABLE);
	if (paused)
		loop_timer_start(&listener->resume, PAUSE_MS);
	else
		loop_timer_stop(&listener->resume);
}

static void on_resume(struct loop_timer *timer)
{
	set_paused(container_of(timer, struct listener, resume), false);
}

static void pause_for(struct listener *listener, int code)
{
	char reason[160];
	set_paused(listener, true);
	if (listener->complained)
		return;
	listener->complained = true;
	snprintf(reason, sizeof(reason), "new clients have to wait: %s%s", error_text(code),
		code == -EMFILE ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)" : "");
	report(listener, code, reason);
}

static unsigned clients_max(const struct listener *listener)
{
	int said = listener->params->config->extensions.clients_max;
	return said >= 0 ? (unsigned)said : LISTENER_CLIENTS_DEFAULT;
}

static bool has_room(const struct listener *listener)
{
	return socket_peers_joined(&listener->peers) - listener->peers.ending <
	       clients_max(listener);
}

static void take(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
	char name[PEER_NAME_SIZE];
	listener->complained = false;
	listener->admit(fd, from, name);
	int rc = socket_peers_add(&listener->peers, fd, name);
	if (rc < 0)
		pause_for(listener, rc);
}

/* ---- what becomes of the connections -------------------------------------------------------- */

static struct listener *of_peers(struct socket_peers *peers)
{
	return container_of(peers, struct listener, peers);
}

static void refused(struct socket_peers *peers, const char *name, int failure, const char *reason)
{
	char text[PEER_NAME_SIZE + PEER_REASON_SIZE];
	snprintf(text, sizeof(text), "%s was refused: %s", name, reason);
	report(of_peers(peers), failure, text);
}

static void broken(struct socket_peers *peers, const char *name, int failure, const char *reason)
{
	char text[PEER_NAME_SIZE + PEER_REASON_SIZE];
	snprintf(text, sizeof(text), "%s: %s", name, reason);
	report(of_peers(peers), failure, text);
}

static void troubled(struct socket_peers *peers, int failure, const char *reason)
{
	report(of_peers(peers), failure, reason);
}

static bool welcome(struct socket_peers *peers, const char *name)
{
	struct listener *listener = of_peers(peers);
	char reason[PEER_REASON_SIZE];
	if (!has_room(listener))
		socket_peers_end_dead(peers, clients_max(listener));
	if (has_room(listener))
		return true;
	snprintf(reason, sizeof(reason),
		"%u clients are connected, and <chardev:clients max=> allows no more",
		socket_peers_joined(peers));
	refused(peers, name, -EUSERS, reason);
	return false;
}

static void joined(struct socket_peers *peers)
{
}

/* Errors of one connection that died in the queue (accept(2)), not of the listening socket. */
static bool is_of_one_client(int code)
{
	static const int codes[] = {EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT,
		EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct listener_socket *socket = container_of(poll, struct listener_socket, poll);
	struct listener *listener = socket->listener;
	for (int i = 0; i < BATCH && !listener->paused && !listener->closing; i++) {
		struct sockaddr_storage from = {0};
		socklen_t size = sizeof(from);
		int fd = accept4(
			socket->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			take(listener, fd, &from);
		else if (errno == EAGAIN)
			break;
		else if (!is_of_one_client(errno))
			pause_for(listener, -errno);
	}
}

static void finish(struct listener *listener)
{
	if (listener->closing && listener->closes_pending == 0 && listener->peers.count == 0)
		listener->closed(listener);
}

static void left(struct socket_peers *peers, const char *name)
{
	struct listener *listener = of_peers(peers);
	if (listener->paused && !listener->closing)
		set_paused(listener, false);
	finish(listener);
}

static const struct socket_peers_listener peers_listener = {
	.welcome = welcome,
	.joined = joined,
	.refused = refused,
	.broken = broken,
	.troubled = troubled,
	.left = left,
};

void listener_init(struct listener *listener, const struct backend_params *params,
	struct protocol *protocol, enum fd_stream_kind kind,
	void (*admit)(int fd, const struct sockaddr_storage *from, char name[PEER_NAME_SIZE]))
{
	*listener = (struct listener){.params = params, .admit = admit};
	socket_peers_init(&listener->peers, params, protocol, kind, &peers_listener);
	loop_timer_init(&listener->resume, params->loop, on_resume);
}

int listener_add(struct listener *listener, int fd)
{
	struct listener_socket *socket = &listener->sockets[listener->socket_count];
	int rc = loop_poll_init(&socket->poll, listener->params->loop, fd, on_ready);
	if (rc < 0) {
		fd_close(fd);
		return rc;
	}
	socket->listener = listener;
	socket->fd = fd;
	listener->socket_count++;
	return loop_poll_want(&socket->poll, listener->paused ? 0 : LOOP_READABLE);
}

static void on_poll_closed(struct loop_poll *poll)
{
	struct listener *listener = container_of(poll, struct listener_socket, poll)->listener;
	listener->closes_pending--;
	finish(listener);
}

static void on_timer_closed(struct loop_timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, resume);
	listener->closes_pending--;
	finish(listener);
}

void listener_close(struct listener *listener, void (*closed)(struct listener *listener))
{
	listener->closing = true;
	listener->closed = closed;
	listener->closes_pending = 1 + listener->socket_count;
	socket_peers_close_unready(&listener->peers);
	loop_timer_close(&listener->resume, on_timer_closed);
	for (int i = 0; i < listener->socket_count; i++) {
		loop_poll_close(&listener->sockets[i].poll, on_poll_closed);
		listener->sockets[i].fd = fd_close(listener->sockets[i].fd);
	}
}
