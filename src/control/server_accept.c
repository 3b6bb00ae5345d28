/*
 * Letting callers in. There is a place for the owner and root whatever others do; one other user
 * has CONTROL_CONNECTIONS_PER_UID, viewers and readers of logs included: each costs descriptors and
 * memory as long as it stays. Who finds none is told why. Without descriptors (EMFILE) nobody
 * is accepted until a connection ends, or a second is over: a timer that runs only then.
 */
#include "control/log_feed.h"
#include "control/server_internal.h"
#include "control/viewer.h"

#include "util/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 16, PAUSE_MS = 1000 };

struct server_socket {
	struct list link;
	struct control_server *server;
	struct loop_poll poll;
	int fd;
};

/* ---- a pause -------------------------------------------------------------------------------- */

static void set_paused(struct control_server *server, bool paused)
{
	server->paused = paused;
	list_for_each(node, &server->sockets)
		loop_poll_want(&container_of(node, struct server_socket, link)->poll,
			paused ? 0 : LOOP_READABLE);
	if (paused)
		loop_timer_start(&server->resume, PAUSE_MS);
	else
		loop_timer_stop(&server->resume);
}

static void on_resume(struct loop_timer *timer)
{
	set_paused(container_of(timer, struct control_server, resume), false);
}

void server_accept_resume(struct control_server *server)
{
	if (server->paused && server->closed == NULL)
		set_paused(server, false);
}

static void pause_for(struct control_server *server, int code)
{
	char text[160];
	set_paused(server, true);
	if (server->complained)
		return;
	server->complained = true;
	snprintf(text, sizeof(text), "callers of the control interface have to wait: %s%s",
		error_text(code),
		code == -EMFILE ? "; raise the limit of open files (ulimit -n, LimitNOFILE=)" : "");
	server_tell(server, &(struct control_event){"trouble", "", "", text, NULL});
}

/* ---- who comes ------------------------------------------------------------------------------ */

/* Connections that were upgraded; uid NULL: everybody's. */
static size_t upgraded(const struct control_server *server, const uid_t *uid)
{
	return viewers_count(server->viewers, uid) + log_feeds_count(server->feeds, uid);
}

static size_t upgraded_of_others(const struct control_server *server)
{
	const uid_t root = 0, owner = server->params.access->owner;
	size_t count = upgraded(server, NULL) - upgraded(server, &owner);
	return owner == root ? count : count - upgraded(server, &root);
}

/* Why there is no place for the caller; NULL: there is one. */
static const char *no_place(const struct control_server *server, const struct control_peer *peer)
{
	size_t of_others, of_uid;
	if (server->caller_count >= CONTROL_CONNECTIONS_MAX)
		return "all connections are taken; try again later";
	if (caller_is_owner(server, peer))
		return NULL;
	of_others = upgraded_of_others(server);
	of_uid = upgraded(server, &peer->uid);
	list_for_each(node, &server->callers) {
		const struct caller *caller = container_of(node, struct caller, link);
		if (caller->gone && caller->call.method == NULL)
			continue; /* perhaps upgraded just now */
		of_others += caller_is_owner(server, &caller->peer) ? 0 : 1;
		of_uid += caller->peer.uid == peer->uid ? 1 : 0;
	}
	if (of_uid >= CONTROL_CONNECTIONS_PER_UID)
		return "this user has as many connections as one may have; close some";
	if (of_others >= CONTROL_CONNECTIONS_OF_OTHERS)
		return "all connections are taken; try again later";
	return NULL;
}

/* As much of the sentence as the new socket takes: all of it. */
static void send_away(int fd, struct control_peer *peer, const char *reason)
{
	size_t n = 0;
	char *text = message_error("org.chardev.Busy", json_pack("{s:s}", "message", reason), &n);
	if (text != NULL)
		(void)!send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
	fd_close(fd);
	control_peer_fini(peer);
}

static void take(struct control_server *server, int fd)
{
	struct control_peer peer;
	int rc = control_peer_of(fd, &peer);
	if (rc < 0) {
		fd_close(fd);
		pause_for(server, rc);
		return;
	}
	const char *reason = no_place(server, &peer);
	if (reason != NULL) {
		send_away(fd, &peer, reason);
		return;
	}
	rc = caller_new(server, fd, &peer);
	if (rc < 0)
		pause_for(server, rc);
	else
		server->complained = false;
}

static bool is_of_the_socket(int code)
{
	return code != EINTR && code != ECONNABORTED;
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct server_socket *socket = container_of(poll, struct server_socket, poll);
	struct control_server *server = socket->server;
	for (int i = 0; i < BATCH && !server->paused; i++) {
		int fd = accept4(socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			take(server, fd);
		else if (errno == EAGAIN)
			break;
		else if (is_of_the_socket(errno))
			pause_for(server, -errno);
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

void server_accept_init(struct control_server *server)
{
	list_init(&server->sockets);
	loop_timer_init(&server->resume, server->params.loop, on_resume);
}

int control_server_add(struct control_server *server, int fd, struct error *err)
{
	struct server_socket *socket = calloc(1, sizeof(*socket));
	int rc = socket != NULL ? loop_poll_init(&socket->poll, server->params.loop, fd, on_ready)
				: -ENOMEM;
	if (rc < 0) {
		free(socket);
		fd_close(fd);
		return error_set(
			err, rc, "cannot serve the control interface's socket: %s", error_text(rc));
	}
	socket->server = server;
	socket->fd = fd;
	list_append(&server->sockets, &socket->link);
	loop_poll_want(&socket->poll, server->paused ? 0 : LOOP_READABLE);
	return 0;
}

static void on_poll_closed(struct loop_poll *poll)
{
	struct server_socket *socket = container_of(poll, struct server_socket, poll);
	struct control_server *server = socket->server;
	free(socket);
	server_ended(server);
}

static void on_timer_closed(struct loop_timer *timer)
{
	server_ended(container_of(timer, struct control_server, resume));
}

void server_accept_close(struct control_server *server)
{
	server->ending++;
	loop_timer_close(&server->resume, on_timer_closed);
	list_for_each_safe(node, &server->sockets) {
		struct server_socket *socket = container_of(node, struct server_socket, link);
		list_remove(&socket->link);
		server->ending++;
		loop_poll_close(&socket->poll, on_poll_closed);
		socket->fd = fd_close(socket->fd);
	}
}
