/*
 * The guest port of a pseudo terminal that we make, for VMMs that open a terminal (QEMU's
 * `-chardev serial,path=LINK`): LINK is RUNTIME/NAME/ALIAS.guest. Where the VMM makes the terminal:
 * pty_client.c.
 *
 * One stream for the port's life, on the master. That a VMM came shows by inotify on the slave
 * (nothing shows on the master); that all left, by the master's hang-up, which stays until the next
 * one comes: nothing is polled meanwhile. What a VMM wrote before it left can still be read; what
 * it did not read is taken back through the slave, opened by ourselves for a moment (util/pty.h).
 * A VMM that is replaced by the next one before the loop turns once is not noticed.
 *
 * The settings that the VMM makes (a guest's baud rate and framing, from QEMU) are told, for the
 * master is read in packet mode. A BREAK does not pass a pseudo terminal. pty(7), pts(4),
 * ioctl_tty(2).
 */
#include "guest/pty.h"
#include "stream/line_settings.h"
#include "util/fd.h"
#include "util/pty.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct pty_port {
	struct guest_port base;
	struct stream stream;
	struct loop_poll poll;
	struct loop_watch watch; /* the slave is opened */
	struct loop_task task;   /* hands the stream out; at the end: reports the close */
	char link[GUEST_PATH_SIZE];
	struct guest_file link_file;
	char slave[64];
	int fd; /* the master */
	bool reading;
	bool want_writable;
	bool present;
	bool leaving; /* all left, not all output is read yet */
	uint64_t input_dropped;
	bool poll_open;
	void (*closed)(void *device);
};

static struct pty_port *of_stream(struct stream *stream)
{
	return container_of(stream, struct pty_port, stream);
}

/* Without a VMM the hang-up stays: nothing may be asked for. */
static void update_poll(struct pty_port *port)
{
	int events = 0;
	if (port->present && port->reading)
		events |= LOOP_READABLE;
	if (port->present && !port->leaving) {
		events |= LOOP_HANGUP;
		if (port->want_writable)
			events |= LOOP_WRITABLE;
	}
	loop_poll_want(&port->poll, events);
}

/* ---- the VMM comes and goes ------------------------------------------------------------------ */

static int events_now(const struct pty_port *port)
{
	struct pollfd now = {.fd = port->fd, .events = POLLIN};
	return poll(&now, 1, 0) > 0 ? now.revents : 0;
}

static void arrive_if_there(struct pty_port *port)
{
	int events = events_now(port);
	if (port->present || ((events & POLLHUP) != 0 && (events & POLLIN) == 0))
		return;
	port->present = true;
	update_poll(port);
	port->base.params.sink->present(port->base.params.device, true);
}

static void leave(struct pty_port *port)
{
	port->present = false;
	port->leaving = false;
	pty_watch_settings(port->fd); /* it may have turned that off */
	update_poll(port);
	port->base.params.sink->present(port->base.params.device, false);
	if (!port->stream.closing)
		arrive_if_there(port); /* the next one may have come meanwhile */
}

static void hang_up(struct pty_port *port)
{
	port->leaving = true;
	port->input_dropped += pty_take_back_unread(port->fd);
	if ((events_now(port) & POLLIN) == 0)
		leave(port);
	else
		update_poll(port);
}

static void on_watch(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct pty_port *port = container_of(watch, struct pty_port, watch);
	if (!port->stream.closing && port->stream.sink != NULL)
		arrive_if_there(port);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/*
 * What the VMM has made of its terminal is what its guest has made of its port, but for the
 * framing: a pty keeps the speed and the stop bits, and has eight bits and no parity whatever it is
 * told.
 */
static void tell_settings(struct pty_port *port)
{
	struct stream_line line;
	if (line_settings_get(port->fd, &line) < 0)
		return;
	const struct stream_signal signal = {
		.type = STREAM_SIGNAL_LINE,
		.u.line = {.speed = line.speed, .stop = line.stop},
	};
	port->stream.sink->signalled(port->stream.consumer, &signal);
}

static void read_once(struct pty_port *port)
{
	unsigned char status = 0;
	struct iovec iov[1 + STREAM_MAX_PARTS] = {{&status, 1}};
	int count = port->stream.sink->space(port->stream.consumer, iov + 1);
	if (port->stream.closing || !port->reading)
		return;
	if (count <= 0) {
		port->reading = false;
		return;
	}
	ssize_t n;
	do {
		n = readv(port->fd, iov, 1 + count);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		if (n > 1)
			port->stream.sink->received(port->stream.consumer, (size_t)n - 1);
		if ((status & TIOCPKT_IOCTL) != 0 && !port->stream.closing)
			tell_settings(port);
		/* If the next one is there already, no event tells that this one's is read. */
		if (!port->stream.closing && port->leaving && (events_now(port) & POLLIN) == 0)
			leave(port);
		return;
	}
	/* EIO: nobody is there and nothing is left. */
	if (port->leaving)
		leave(port);
	else if (n == 0 || errno != EAGAIN)
		hang_up(port);
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct pty_port *port = container_of(poll, struct pty_port, poll);
	if ((events & LOOP_READABLE) != 0 && port->reading)
		read_once(port);
	if (port->stream.closing)
		return;
	if ((events & LOOP_HANGUP) != 0 && port->present && !port->leaving &&
		(events_now(port) & POLLHUP) != 0)
		hang_up(port);
	if (port->stream.closing)
		return;
	if ((events & LOOP_WRITABLE) != 0 && port->want_writable && port->present &&
		!port->leaving) {
		port->want_writable = false;
		port->stream.sink->writable(port->stream.consumer);
	}
	if (!port->stream.closing)
		update_poll(port);
}

static void read_start(struct stream *stream)
{
	struct pty_port *port = of_stream(stream);
	port->reading = true;
	update_poll(port);
}

static void read_stop(struct stream *stream)
{
	struct pty_port *port = of_stream(stream);
	port->reading = false;
	update_poll(port);
}

/* Nothing is taken while nobody is there to read it. */
static ssize_t write_input(struct stream *stream, const struct iovec *iov, int count)
{
	struct pty_port *port = of_stream(stream);
	ssize_t n = -EAGAIN;
	if (port->present && !port->leaving) {
		do {
			n = writev(port->fd, iov, count);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			n = -errno;
	}
	/* EIO: the last VMM has just left, which is about to be noticed. */
	if (n == -EAGAIN || n == -EIO)
		n = 0;
	if (n >= 0 && (size_t)n < iov_total(iov, count)) {
		port->want_writable = true;
		update_poll(port);
	}
	return n;
}

/* The slave's size: its program gets a SIGWINCH. */
static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct pty_port *port = of_stream(stream);
	if (signal->type != STREAM_SIGNAL_WINDOW)
		return -EOPNOTSUPP;
	const struct winsize size = {
		.ws_col = signal->u.window.columns,
		.ws_row = signal->u.window.rows,
	};
	return ioctl(port->fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void finish(struct pty_port *port)
{
	void (*closed)(void *device) = port->closed;
	void *device = port->base.params.device;
	free(port);
	closed(device);
}

static void on_poll_closed(struct loop_poll *poll)
{
	struct pty_port *port = container_of(poll, struct pty_port, poll);
	port->poll_open = false;
	port->stream.on_closed(&port->stream);
}

static void on_stream_closed(struct stream *stream)
{
	struct pty_port *port = of_stream(stream);
	if (port->closed != NULL)
		finish(port);
}

static void close_stream(struct stream *stream)
{
	struct pty_port *port = of_stream(stream);
	loop_poll_close(&port->poll, on_poll_closed);
	port->fd = fd_close(port->fd);
}

static const struct stream_ops pty_stream_ops = {
	.name = "pty",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_input,
	.signal = send_signal,
	.close = close_stream,
};

static void on_task(struct loop_task *task)
{
	struct pty_port *port = container_of(task, struct pty_port, task);
	if (port->closed != NULL) {
		finish(port);
		return;
	}
	port->base.params.sink->stream(port->base.params.device, &port->stream);
	if (!port->stream.closing)
		arrive_if_there(port);
}

static void pty_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct pty_port *port = container_of(base, struct pty_port, base);
	port->closed = closed;
	loop_task_cancel(&port->task);
	loop_watch_fini(&port->watch);
	guest_file_remove(&port->link_file, port->link);
	if (!port->stream.closing)
		stream_close(&port->stream);
	else if (!port->poll_open)
		loop_task_post(&port->task);
}

/* The slave is opened and closed once: from then on nobody there is a hang-up. */
static int open_master(struct pty_port *port)
{
	int unlock = 0;
	port->fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (port->fd < 0 || ioctl(port->fd, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	int rc = ptsname_r(port->fd, port->slave, sizeof(port->slave));
	if (rc != 0)
		return -rc;
	int slave = pty_open_slave(port->fd);
	if (slave < 0)
		return slave;
	rc = pty_make_raw(slave);
	if (rc == 0 && fchmod(slave, 0600) < 0)
		rc = -errno;
	fd_close(slave);
	return rc == 0 ? pty_watch_settings(port->fd) : rc;
}

/* A link that a former process of ours left is replaced; anything else is refused by name. */
static int make_link(struct pty_port *port, struct error *err)
{
	const char *alias = port->base.params.config->alias;
	struct stat st = {0};
	if (lstat(port->link, &st) == 0) {
		if (!S_ISLNK(st.st_mode) || st.st_uid != geteuid())
			return error_set(err, -EEXIST,
				"%s: %s is in the way and not a link of ours; move it, or give "
				"another <chardev:guest path='...'/>",
				alias, port->link);
		unlink(port->link);
	}
	if (symlink(port->slave, port->link) < 0 || lstat(port->link, &st) < 0)
		return error_set(err, -errno, "%s: cannot make the link %s: %s", alias, port->link,
			error_text(errno));
	port->link_file =
		(struct guest_file){.made = true, .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

static int open_all(struct pty_port *port, struct error *err)
{
	const struct guest_params *params = &port->base.params;
	const char *alias = params->config->alias;
	int rc = guest_port_path(params, GUEST_PTY_SUFFIX, port->link, err);
	if (rc < 0)
		return rc;
	rc = open_master(port);
	if (rc < 0)
		return error_set(
			err, rc, "%s: cannot make a pseudo terminal: %s", alias, error_text(rc));
	rc = make_link(port, err);
	if (rc < 0)
		return rc;
	rc = loop_watch_init(&port->watch, params->loop, port->slave, IN_OPEN, on_watch);
	if (rc < 0)
		return error_set(err, rc,
			"%s: cannot watch %s: %s; raise fs.inotify.max_user_watches or "
			"max_user_instances",
			alias, port->slave, error_text(rc));
	rc = loop_poll_init(&port->poll, params->loop, port->fd, on_ready);
	if (rc < 0)
		return error_set(
			err, rc, "%s: cannot poll %s: %s", alias, port->slave, error_text(rc));
	return 0;
}

static int pty_open(const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	if (!guest_port_listens(params->config))
		return guest_pty_client_open(params, ret, err);
	struct pty_port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", params->config->alias);
	port->base.ops = &guest_pty_ops;
	port->base.params = *params;
	port->fd = -1;
	stream_init(&port->stream, &pty_stream_ops, on_stream_closed);
	loop_task_init(&port->task, params->loop, on_task);
	int rc = open_all(port, err);
	if (rc < 0) {
		loop_watch_fini(&port->watch);
		guest_file_remove(&port->link_file, port->link);
		fd_close(port->fd);
		free(port);
		return rc;
	}
	port->poll_open = true;
	loop_task_post(&port->task);
	*ret = &port->base;
	return 0;
}

static void pty_describe(const struct guest_port *base, struct guest_description *ret)
{
	const struct pty_port *port = container_of(base, struct pty_port, base);
	*ret = (struct guest_description){
		.type = GUEST_PORT_PTY,
		.listens = true,
		.input_dropped = port->input_dropped,
	};
	memcpy(ret->path, port->link, sizeof(ret->path));
	snprintf(ret->where, sizeof(ret->where), "pty %s (%s)", port->link, port->slave);
}

const struct guest_ops guest_pty_ops = {
	.open = pty_open,
	.close = pty_close,
	.describe = pty_describe,
	.attend = guest_port_ignore_attend,
	.immediate = false,
};
