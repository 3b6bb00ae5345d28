/*
 * <serial type='unix'>: a server (mode='bind') or a client (mode='connect') on a UNIX socket.
 *
 * Not here: how the socket's file is made (unix_socket.c), accepting (listener.c), connecting
 * (connector.c, socket_client.c). Abstract names are not libvirt's: a leading '@' is a file's.
 *
 * A client waits for its server's socket by watching the directory: while the file is missing
 * nothing wakes up. A socket that refuses (its server died, or has not called listen(2) yet) shows
 * no event when that changes; only then, and where the directory cannot be watched, a timer tries.
 */
#include "backend/describe.h"
#include "backend/listener.h"
#include "backend/socket_client.h"
#include "backend/table.h"
#include "backend/unix_socket.h"

#include "util/fd.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

static const struct layer_type *const plain[] = {NULL};
static const struct layer_type *const tls[] = {&layer_tls, NULL};

struct unix_backend {
	struct backend base;
	const struct unix_source *source;
	char path[ADDRESS_PATH_MAX + 1];
	bool path_is_generated;
	struct protocol protocol;
	struct loop_task start;
	void (*closed)(void *device);
	/* mode='bind' */
	struct unix_socket socket;
	struct listener listener;
	/* mode='connect' */
	struct socket_client client;
	struct loop_watch watch;
	bool watching;
};

static void free_and_tell(struct unix_backend *self)
{
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	protocol_fini(&self->protocol);
	free(self);
	closed(device);
}

/* ---- mode='bind' ---------------------------------------------------------------------------- */

static void admit(int fd, const struct sockaddr_storage *from, char name[PEER_NAME_SIZE])
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		snprintf(name, PEER_NAME_SIZE, "pid %d uid %u", (int)peer.pid, (unsigned)peer.uid);
	else
		snprintf(name, PEER_NAME_SIZE, "an unknown process");
}

static void on_listener_closed(struct listener *listener)
{
	free_and_tell(container_of(listener, struct unix_backend, listener));
}

static void on_start(struct loop_task *task)
{
	struct unix_backend *self = container_of(task, struct unix_backend, start);
	const struct backend_params *params = &self->base.params;
	params->sink->state(params->device, BACKEND_LISTENING, 0, NULL);
}

static int open_server(struct unix_backend *self, struct error *err)
{
	const struct backend_params *params = &self->base.params;
	const struct extensions *said = &params->config->extensions;
	int rc = unix_socket_listen(self->path, said->socket.mode, said->socket.group,
		LISTENER_BACKLOG, &self->socket, err);
	if (rc < 0)
		return rc;
	rc = loop_poll_check(params->loop, self->socket.fd);
	if (rc < 0) {
		unix_socket_unlink(&self->socket, self->path);
		fd_close(self->socket.fd);
		return error_set(err, rc, "cannot wait for clients: %s", error_text(rc));
	}
	listener_init(&self->listener, params, &self->protocol, FD_STREAM_SOCKET, admit);
	listener_add(&self->listener, self->socket.fd);
	loop_task_post(&self->start);
	return 0;
}

/* ---- mode='connect' ------------------------------------------------------------------------- */

static void set_options(int fd)
{
}

static void name_server(int fd, const struct address *address, char ret[PEER_NAME_SIZE])
{
	snprintf(ret, PEER_NAME_SIZE, "%s", address->u.un.sun_path);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static void stop_watching(struct unix_backend *self)
{
	if (self->watching)
		loop_watch_fini(&self->watch);
	self->watching = false;
}

static void on_changed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct unix_backend *self = container_of(watch, struct unix_backend, watch);
	if (mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
		stop_watching(self);
	} else if (name != NULL && strcmp(name, base_name(self->path)) != 0) {
		return;
	}
	connector_kick(&self->client.connector);
}

/* Watched before the attempt, so that a socket that appears meanwhile is not missed. */
static void prepare(struct socket_client *client)
{
	struct unix_backend *self = container_of(client, struct unix_backend, client);
	char directory[ADDRESS_PATH_MAX + 2] = ".";
	size_t length = (size_t)(base_name(self->path) - self->path);
	if (self->watching)
		return;
	if (length > 0)
		snprintf(directory, sizeof(directory), "%.*s", (int)length, self->path);
	self->watching = loop_watch_init(&self->watch, self->base.params.loop, directory,
				 IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF |
					 IN_MOVE_SELF | IN_ONLYDIR,
				 on_changed) == 0;
}

static bool will_kick(struct socket_client *client, int code)
{
	return code == -ENOENT && container_of(client, struct unix_backend, client)->watching;
}

/* A connected client does not wake up for what others make in the directory. */
static void settle(struct socket_client *client)
{
	stop_watching(container_of(client, struct unix_backend, client));
}

static const struct socket_client_kind client_kind = {
	.stream = FD_STREAM_SOCKET,
	.set_options = set_options,
	.name = name_server,
	.prepare = prepare,
	.will_kick = will_kick,
	.settle = settle,
};

static int open_client(struct unix_backend *self, struct error *err)
{
	const struct backend_params *params = &self->base.params;
	struct address address;
	int rc = address_of_path(self->path, &address, err);
	if (rc < 0)
		return rc;
	connector_init_address(
		&self->client.connector, params->loop, &socket_client_connector_ops, &address);
	socket_client_start(
		&self->client, &client_kind, params, &self->protocol, &self->source->reconnect);
	return 0;
}

static void on_client_closed(struct socket_client *client)
{
	free_and_tell(container_of(client, struct unix_backend, client));
}

/* ---- the operations ------------------------------------------------------------------------- */

/* A generated path is one we listen on, whatever mode= says. */
static bool is_server(const struct unix_backend *self)
{
	return self->source->mode == SOCKET_BIND || self->source->path == NULL;
}

/* "ALIAS.sock" is the guest port's; a name that cannot be a file's is for the caller to refuse. */
static int choose_path(struct unix_backend *self, struct error *err)
{
	const struct backend_params *params = &self->base.params;
	char generated[PATH_MAX];
	const char *path = self->source->path;
	struct address check;
	if (path == NULL && params->runtime_dir == NULL)
		return error_set(err, -EINVAL, "no socket is named; add path= to <source>");
	if (path == NULL) {
		snprintf(generated, sizeof(generated), "%s/%s.host.sock", params->runtime_dir,
			params->config->alias);
		path = generated;
		self->path_is_generated = true;
	}
	if (path[0] == '\0')
		return error_set(err, -EINVAL, "path='' names no socket; give it a path");
	int rc = address_of_path(path, &check, err);
	if (rc == 0)
		memcpy(self->path, check.u.un.sun_path, sizeof(self->path));
	return rc;
}

/* libvirt has no TLS here: our own element asks for it. */
static bool has_tls(const struct device_config *config)
{
	return config->extensions.tls.said;
}

static int unix_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct unix_backend *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base = (struct backend){.ops = &unix_backend, .params = *params};
	self->source = &params->config->source.u.unix_socket;
	loop_task_init(&self->start, params->loop, on_start);
	int rc = choose_path(self, err);
	if (rc == 0)
		rc = protocol_init(&self->protocol, has_tls(params->config) ? tls : plain,
			&self->base.params, is_server(self), "localhost", err);
	if (rc == 0)
		rc = is_server(self) ? open_server(self, err) : open_client(self, err);
	if (rc < 0) {
		protocol_fini(&self->protocol);
		free(self);
		return rc;
	}
	*ret = &self->base;
	return 0;
}

static void unix_close(struct backend *backend, void (*closed)(void *device))
{
	struct unix_backend *self = container_of(backend, struct unix_backend, base);
	self->closed = closed;
	loop_task_cancel(&self->start);
	if (is_server(self)) {
		unix_socket_unlink(&self->socket, self->path);
		listener_close(&self->listener, on_listener_closed);
	} else {
		stop_watching(self);
		socket_client_close(&self->client, on_client_closed);
	}
}

static void unix_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct unix_backend *self = container_of(backend, const struct unix_backend, base);
	bool serves = is_server(self);
	describe_where(ret, "unix %s%s", serves ? "" : "to ", self->path);
	if (self->path_is_generated)
		snprintf(ret->path, sizeof(ret->path), "%s", self->path);
	if (!serves && socket_client_is_connected(&self->client))
		return;
	protocol_describe_unix(&self->protocol, self->path, ret);
}

const struct backend_ops unix_backend = {
	.open = unix_open,
	.close = unix_close,
	.describe = unix_describe,
	.reopen = backend_has_no_file,
};
