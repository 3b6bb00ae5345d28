/*
 * The guest port of a UNIX stream socket, for one VMM. We listen at RUNTIME/NAME/ALIAS.sock, or the
 * VMM does (QEMU's `-chardev socket,server=on`) and we connect: for channels only while a peer is
 * connected to the device, so that the guest sees the port open and close.
 *
 * Each connection is a stream of its own. QEMU throws unread input away when its peer closes, so an
 * orderly end is a shutdown of our half, and then QEMU's own close; a VMM that makes no progress
 * for two seconds is cut off. Bytes that the VMM sent are read to their end in any case.
 *
 * Not for descriptors that are handed over, nor for abstract names. unix(7).
 */
#include "guest/dial.h"
#include "guest/port.h"
#include "guest/unix_listener.h"
#include "stream/fd_stream.h"
#include "util/fd.h"

#include <assert.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { STALL_MS = 2000, ACCEPT_PAUSE_MS = 1000 };

struct unix_port;

struct connection {
	struct fd_stream stream;
	struct unix_port *port;
	bool told;  /* of a VMM's presence */
	int unread; /* what the VMM had not read when we looked last */
};

struct unix_port {
	struct guest_port base;
	char path[GUEST_PATH_SIZE];
	bool listens;
	bool attended;
	struct sockaddr_un address;
	struct connection *connection;
	struct loop_timer timer; /* of the shutdown, or until accepting is tried again */
	int failure;             /* the last one told */
	int parts_open;          /* what must be closed before the port may be freed */
	void (*closed)(void *device);
	/* listening */
	struct loop_poll poll;
	struct guest_file file;
	int fd;
	/* connecting */
	struct guest_dial dial;
};

/* ---- a connection ---------------------------------------------------------------------------- */

static void part_closed(struct unix_port *port)
{
	if (--port->parts_open > 0)
		return;
	assert(port->closed != NULL);
	void (*closed)(void *device) = port->closed;
	void *device = port->base.params.device;
	free(port);
	closed(device);
}

/* The next one: what waits in the backlog, or the VMM once more. */
static void seek_next(struct unix_port *port)
{
	if (port->listens)
		loop_poll_want(&port->poll, LOOP_READABLE);
	else if (port->attended)
		guest_dial_start(&port->dial);
}

static void on_stream_closed(struct stream *stream)
{
	struct connection *connection = container_of(stream, struct connection, stream.base);
	struct unix_port *port = connection->port;
	bool told = connection->told;
	free(connection);
	port->connection = NULL;
	if (port->closed == NULL) {
		loop_timer_stop(&port->timer);
		if (told)
			port->base.params.sink->present(port->base.params.device, false);
	}
	if (port->closed == NULL)
		seek_next(port);
	part_closed(port);
}

/* Takes over fd. From the loop only: it calls the sink. */
static int hand_over(struct unix_port *port, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int rc = connection == NULL ? -ENOMEM
				    : fd_stream_init(&connection->stream, port->base.params.loop,
					      FD_STREAM_SOCKET, fd, fd, on_stream_closed);
	if (rc < 0) {
		free(connection);
		fd_close(fd);
		return rc;
	}
	connection->port = port;
	port->connection = connection;
	port->parts_open++;
	port->failure = 0;
	const struct guest_params *params = &port->base.params;
	params->sink->stream(params->device, &connection->stream.base);
	if (!connection->stream.base.closing) {
		connection->told = true;
		params->sink->present(params->device, true);
	}
	return 0;
}

static int unread_by_vmm(const struct connection *connection)
{
	int unread = 0;
	ioctl(connection->stream.out_fd, SIOCOUTQ, &unread);
	return unread;
}

static void end_gently(struct unix_port *port)
{
	struct connection *connection = port->connection;
	shutdown(connection->stream.out_fd, SHUT_WR);
	connection->unread = unread_by_vmm(connection);
	loop_timer_start(&port->timer, STALL_MS);
}

static void watch_shutdown(struct unix_port *port)
{
	struct connection *connection = port->connection;
	if (connection->stream.base.closing)
		return;
	int unread = unread_by_vmm(connection);
	if (unread < connection->unread) {
		connection->unread = unread;
		loop_timer_start(&port->timer, STALL_MS);
		return;
	}
	guest_port_state(&port->base, 0,
		"the VMM left input unread for %d s while the port was being closed; cut off",
		STALL_MS / 1000);
	shutdown(connection->stream.out_fd, SHUT_RDWR);
}

static void on_timer(struct loop_timer *timer)
{
	struct unix_port *port = container_of(timer, struct unix_port, timer);
	if (port->connection != NULL)
		watch_shutdown(port);
	else if (port->listens)
		loop_poll_want(&port->poll, LOOP_READABLE);
}

/* A failure once, however often it repeats. */
static void tell_failure(struct unix_port *port, int failure, int counted, const char *what)
{
	if (failure == port->failure)
		return;
	port->failure = failure;
	guest_port_state(&port->base, counted, "%s %s: %s", what, port->path, error_text(failure));
}

/* ---- we listen ------------------------------------------------------------------------------- */

static bool is_hung_up(const struct connection *connection)
{
	if (connection->stream.base.closing)
		return true;
	struct pollfd now = {.fd = connection->stream.out_fd};
	return poll(&now, 1, 0) > 0 && (now.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_listen_ready(struct loop_poll *poll, int events)
{
	struct unix_port *port = container_of(poll, struct unix_port, poll);
	if (port->connection != NULL && is_hung_up(port->connection)) {
		/* A VMM that was restarted waits until its former output was read. */
		loop_poll_want(&port->poll, 0);
		return;
	}
	int fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0 && port->connection != NULL) {
		fd_close(fd);
		guest_port_state(
			&port->base, 0, "a second connection to %s was refused", port->path);
		return;
	}
	int rc = fd < 0 ? -errno : hand_over(port, fd);
	if (rc == 0 || rc == -EAGAIN || rc == -EINTR || rc == -ECONNABORTED)
		return;
	/* No descriptors or no memory: the VMM stays in the backlog for a while. */
	tell_failure(port, rc, rc, "cannot accept the VMM on");
	loop_poll_want(&port->poll, 0);
	loop_timer_start(&port->timer, ACCEPT_PAUSE_MS);
}

static int open_listening(struct unix_port *port, struct error *err)
{
	const struct guest_params *params = &port->base.params;
	const char *alias = params->config->alias;
	int rc = unix_listener_open(alias, port->path, &port->file, &port->fd, err);
	if (rc < 0)
		return rc;
	rc = loop_poll_init(&port->poll, params->loop, port->fd, on_listen_ready);
	if (rc < 0) {
		fd_close(port->fd);
		guest_file_remove(&port->file, port->path);
		return error_set(
			err, rc, "%s: cannot poll %s: %s", alias, port->path, error_text(rc));
	}
	loop_poll_want(&port->poll, LOOP_READABLE);
	return 0;
}

/* ---- we connect ------------------------------------------------------------------------------ */

static int on_attempt(struct guest_dial *dial)
{
	struct unix_port *port = container_of(dial, struct unix_port, dial);
	int fd = unix_listener_connect(&port->address);
	int rc = fd < 0 ? fd : hand_over(port, fd);
	if (rc == -ENOENT || rc == -ECONNREFUSED || rc == -EAGAIN)
		tell_failure(port, rc, 0, "waiting for the VMM to listen on");
	else if (rc < 0)
		tell_failure(port, rc, rc, "cannot connect to the VMM's");
	return rc;
}

static void unix_attend(struct guest_port *base, bool peers)
{
	struct unix_port *port = container_of(base, struct unix_port, base);
	/* Output of anything but a channel is worth having with nobody there. */
	if (port->listens || port->base.params.config->kind != DEVICE_CHANNEL ||
		peers == port->attended)
		return;
	port->attended = peers;
	if (peers && port->connection == NULL)
		guest_dial_start(&port->dial);
	if (peers)
		return;
	guest_dial_stop(&port->dial);
	port->failure = 0;
	if (port->connection != NULL && !port->connection->stream.base.closing)
		end_gently(port);
}

/* ---- open and close -------------------------------------------------------------------------- */

static int unix_open(const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	const char *alias = params->config->alias;
	struct unix_port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", alias);
	port->base.ops = &guest_unix_ops;
	port->base.params = *params;
	port->listens = guest_port_listens(params->config);
	port->attended = params->config->kind != DEVICE_CHANNEL;
	int rc = guest_port_path(params, GUEST_UNIX_SUFFIX, port->path, err);
	if (rc == 0)
		rc = unix_listener_address(alias, port->path, &port->address, err);
	if (rc == 0 && port->listens)
		rc = open_listening(port, err);
	if (rc < 0) {
		free(port);
		return rc;
	}
	if (!port->listens) {
		guest_dial_init(&port->dial, params->loop, port->path, on_attempt);
		if (port->attended)
			guest_dial_start(&port->dial);
	}
	loop_timer_init(&port->timer, params->loop, on_timer);
	port->parts_open = 2;
	*ret = &port->base;
	return 0;
}

static void on_poll_closed(struct loop_poll *poll)
{
	part_closed(container_of(poll, struct unix_port, poll));
}

static void on_dial_closed(struct guest_dial *dial)
{
	part_closed(container_of(dial, struct unix_port, dial));
}

static void on_timer_closed(struct loop_timer *timer)
{
	part_closed(container_of(timer, struct unix_port, timer));
}

static void unix_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct unix_port *port = container_of(base, struct unix_port, base);
	port->closed = closed;
	loop_timer_close(&port->timer, on_timer_closed);
	if (!port->listens) {
		guest_dial_close(&port->dial, on_dial_closed);
		return;
	}
	loop_poll_close(&port->poll, on_poll_closed);
	fd_close(port->fd);
	guest_file_remove(&port->file, port->path);
}

static void unix_describe(const struct guest_port *base, struct guest_description *ret)
{
	const struct unix_port *port = container_of(base, struct unix_port, base);
	*ret = (struct guest_description){.type = GUEST_PORT_UNIX, .listens = port->listens};
	memcpy(ret->path, port->path, sizeof(ret->path));
	snprintf(ret->where, sizeof(ret->where), "unix %s, %s", port->path,
		port->listens ? "where the VMM connects" : "where the VMM listens");
}

const struct guest_ops guest_unix_ops = {
	.open = unix_open,
	.close = unix_close,
	.describe = unix_describe,
	.attend = unix_attend,
	.immediate = false,
};
