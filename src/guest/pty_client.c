/*
 * The guest port of a terminal that the VMM makes (Cloud Hypervisor's `--serial pty`, QEMU's
 * `-chardev pty,path=`): opened raw when it appears at its path, and again after it hung up. Each
 * opening is a stream of its own.
 *
 * A number below /dev/pts is opened once only: after the VMM left it may be anybody's terminal.
 * What the kernel drops of the VMM's last output when a terminal is hung up is lost. pts(4).
 */
#include "guest/dial.h"
#include "guest/pty.h"
#include "stream/fd_stream.h"
#include "util/fd.h"
#include "util/pty.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pty_client {
	struct guest_port base;
	char path[GUEST_PATH_SIZE];
	struct guest_dial dial;
	struct fd_stream stream;
	bool open; /* the stream lives */
	bool told; /* of a VMM's presence */
	int failure;
	int parts_open;
	void (*closed)(void *device);
};

static void part_closed(struct pty_client *port)
{
	if (--port->parts_open > 0)
		return;
	assert(port->closed != NULL); /* the dial is open until then */
	void (*closed)(void *device) = port->closed;
	void *device = port->base.params.device;
	free(port);
	closed(device);
}

static bool is_numbered(const char *path)
{
	return strncmp(path, "/dev/pts/", 9) == 0;
}

static void on_stream_closed(struct stream *stream)
{
	struct pty_client *port = container_of(stream, struct pty_client, stream.base);
	port->open = false;
	if (port->closed == NULL && port->told)
		port->base.params.sink->present(port->base.params.device, false);
	if (port->closed == NULL && !is_numbered(port->path))
		guest_dial_start(&port->dial);
	else if (port->closed == NULL)
		guest_port_state(&port->base, 0,
			"%s was hung up and is not opened again: it may be another's now",
			port->path);
	part_closed(port);
}

static int open_raw(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = pty_make_raw(fd);
	if (rc < 0) {
		fd_close(fd);
		return rc;
	}
	return fd;
}

static int hand_over(struct pty_client *port, int fd)
{
	const struct guest_params *params = &port->base.params;
	int rc = fd_stream_init(
		&port->stream, params->loop, FD_STREAM_FILE, fd, fd, on_stream_closed);
	if (rc < 0) {
		fd_close(fd);
		return rc;
	}
	port->open = true;
	port->parts_open++;
	port->failure = 0;
	port->told = false;
	params->sink->stream(params->device, &port->stream.base);
	if (!port->stream.base.closing) {
		port->told = true;
		params->sink->present(params->device, true);
	}
	return 0;
}

static int on_attempt(struct guest_dial *dial)
{
	struct pty_client *port = container_of(dial, struct pty_client, dial);
	int fd = open_raw(port->path);
	int rc = fd < 0 ? fd : hand_over(port, fd);
	if (rc < 0 && rc != port->failure) {
		port->failure = rc;
		if (rc == -ENOENT)
			guest_port_state(
				&port->base, 0, "waiting for the VMM to make %s", port->path);
		else
			guest_port_state(&port->base, rc, "cannot open the terminal %s: %s",
				port->path, error_text(rc));
	}
	return rc;
}

static void on_dial_closed(struct guest_dial *dial)
{
	part_closed(container_of(dial, struct pty_client, dial));
}

static void client_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct pty_client *port = container_of(base, struct pty_client, base);
	port->closed = closed;
	guest_dial_close(&port->dial, on_dial_closed);
}

static void client_describe(const struct guest_port *base, struct guest_description *ret)
{
	const struct pty_client *port = container_of(base, struct pty_client, base);
	*ret = (struct guest_description){.type = GUEST_PORT_PTY, .listens = false};
	memcpy(ret->path, port->path, sizeof(ret->path));
	snprintf(ret->where, sizeof(ret->where), "pty %s, which the VMM makes", port->path);
}

static const struct guest_ops client_ops = {
	.open = guest_pty_client_open,
	.close = client_close,
	.describe = client_describe,
	.attend = guest_port_ignore_attend,
	.immediate = false,
};

int guest_pty_client_open(
	const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	struct pty_client *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", params->config->alias);
	port->base.ops = &client_ops;
	port->base.params = *params;
	int rc = guest_port_path(params, GUEST_PTY_SUFFIX, port->path, err);
	if (rc < 0) {
		free(port);
		return rc;
	}
	guest_dial_init(&port->dial, params->loop, port->path, on_attempt);
	guest_dial_start(&port->dial);
	port->parts_open = 1;
	*ret = &port->base;
	return 0;
}
