/*
 * The guest port of two FIFOs, PATH.in and PATH.out: QEMU's `-chardev pipe,path=PATH`, and hence
 * any libvirt domain's <serial type='pipe'>. The VMM holds both open, so this process may restart
 * or crash and no byte of output is lost: reading is crash-safe (witness.h).
 *
 * One stream for the port's life; the VMM's coming and going is `present`. That a VMM came shows by
 * inotify (or by its first byte), that it left by the hang-up of PATH.out, which stays until the
 * FIFO is opened anew: after draining, and before the old descriptor is closed, so that the bytes
 * of a next VMM are never without a reader. A VMM that is replaced by the next one before the loop
 * turns once is not noticed; its bytes are in order all the same.
 *
 * It does not carry a BREAK: QEMU takes one through QMP. It does not care who the VMM is: the
 * FIFOs' owner and mode do. fifo(7), pipe(7), inotify(7).
 */
#include "guest/fifo_files.h"
#include "guest/port.h"
#include "guest/witness.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

enum { PIPE_SIZE_IDLE = 64 * 1024 };

struct fifo_port {
	struct guest_port base;
	struct stream stream;
	struct loop_poll out_poll;
	struct loop_poll in_poll;
	struct loop_watch watch; /* PATH.out is opened */
	struct loop_task task;   /* hands the stream out; at the end: reports the close */
	struct guest_witness own_witness;
	struct guest_witness *witness;
	struct fifo_files files;
	bool reading;
	bool want_writable;
	bool present; /* what the device was told */
	bool leaving; /* the VMM left, not all of its output is read yet */
	bool unsure; /* bytes are there, but perhaps their writer is not: look when they are read */
	bool stale;  /* out_fd could not be opened anew: its hang-up means nothing */
	uint64_t input_dropped;
	int polls_open;
	void (*closed)(void *device);
};

static struct fifo_port *of_stream(struct stream *stream)
{
	return container_of(stream, struct fifo_port, stream);
}

static void update_polls(struct fifo_port *port)
{
	int out = 0;
	if (port->reading && !port->stale)
		out |= LOOP_READABLE;
	if (!port->leaving && !port->stale)
		out |= LOOP_HANGUP;
	loop_poll_want(&port->out_poll, out);
	/* What is typed while a dead VMM's output drains is not for the next one: not taken. */
	bool in = port->want_writable && !port->leaving;
	loop_poll_want(&port->in_poll, in ? LOOP_WRITABLE : 0);
}

/* ---- the VMM comes and goes ------------------------------------------------------------------ */

static void arrive(struct fifo_port *port)
{
	if (port->present)
		return;
	port->present = true;
	/* Only now: there may not be many such pipes. */
	guest_port_enlarge_pipe(&port->base, port->files.out_fd);
	port->base.params.sink->present(port->base.params.device, true);
}

/* What the VMM did not read before it left would be typed into the next one. */
static void empty_input(struct fifo_port *port)
{
	port->input_dropped += fifo_files_empty_in(&port->files);
}

static void open_anew(struct fifo_port *port)
{
	loop_poll_want(&port->out_poll, 0); /* the loop is to forget the old description */
	int rc = fifo_files_open_out_anew(&port->files);
	port->stale = rc < 0;
	if (rc < 0)
		guest_port_state(&port->base, rc,
			"cannot open %s.out again after the VMM left: %s; a next VMM may go "
			"unnoticed",
			port->files.path, error_text(rc));
}

static void settle(struct fifo_port *port);

static void leave(struct fifo_port *port)
{
	bool told = port->present;
	if (!port->leaving)
		empty_input(port);
	port->present = false;
	port->leaving = false;
	port->unsure = false;
	open_anew(port);
	fcntl(port->files.out_fd, F_SETPIPE_SZ, PIPE_SIZE_IDLE);
	if (told)
		port->base.params.sink->present(port->base.params.device, false);
	if (port->stream.closing)
		return;
	update_polls(port);
	if (!port->stale)
		settle(port); /* the next VMM may have come meanwhile */
}

/* Finds out whether a VMM is there, and tells. */
static void settle(struct fifo_port *port)
{
	int found = guest_witness_look(port->witness, port->files.out_fd, NULL);
	if (found == WITNESS_BYTES) {
		port->stale = false;
		port->unsure = true;
		arrive(port);
	} else if (found == WITNESS_WRITER) {
		port->stale = false;
		port->unsure = false;
		if (port->leaving)
			leave(port);
		else
			arrive(port);
	} else if (found == WITNESS_NOBODY) {
		port->unsure = false;
		if (port->present || port->leaving)
			leave(port);
	}
	if (!port->stream.closing)
		update_polls(port);
}

static void on_watch(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct fifo_port *port = container_of(watch, struct fifo_port, watch);
	if (!port->stream.closing && port->stream.sink != NULL)
		settle(port);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void read_pass(struct fifo_port *port)
{
	if (!port->present)
		settle(port); /* a hang-up counts as readable; the first byte tells of a VMM */
	if (port->stream.closing || !port->reading)
		return;
	ssize_t n = guest_witness_read(port->witness, port->files.out_fd, &port->stream);
	if (port->stream.closing)
		return;
	if (n == -ENOBUFS) {
		port->reading = false;
	} else if (n < 0 && n != -EAGAIN) {
		port->reading = false;
		guest_port_state(&port->base, (int)n, "cannot read %s.out: %s", port->files.path,
			error_text((int)n));
	}
	int more = 0;
	if ((port->leaving || port->unsure) && ioctl(port->files.out_fd, FIONREAD, &more) == 0 &&
		more == 0)
		settle(port);
}

/*
 * Every writer is gone, though the next one may be there by now. A device that does not read keeps
 * what was written: it goes on as if the VMM were there, but for its input.
 */
static void hang_up(struct fifo_port *port)
{
	port->leaving = true;
	empty_input(port);
	settle(port);
}

static void on_out_ready(struct loop_poll *poll, int events)
{
	struct fifo_port *port = container_of(poll, struct fifo_port, out_poll);
	if ((events & LOOP_READABLE) != 0 && port->reading)
		read_pass(port);
	if (port->stream.closing)
		return;
	if ((events & LOOP_HANGUP) != 0 && !port->leaving && !port->stale)
		hang_up(port);
	if (!port->stream.closing)
		update_polls(port);
}

static void on_in_ready(struct loop_poll *poll, int events)
{
	struct fifo_port *port = container_of(poll, struct fifo_port, in_poll);
	port->want_writable = false;
	update_polls(port);
	port->stream.sink->writable(port->stream.consumer);
}

static void read_start(struct stream *stream)
{
	struct fifo_port *port = of_stream(stream);
	port->reading = true;
	update_polls(port);
}

static void read_stop(struct stream *stream)
{
	struct fifo_port *port = of_stream(stream);
	port->reading = false;
	update_polls(port);
}

static ssize_t write_input(struct stream *stream, const struct iovec *iov, int count)
{
	struct fifo_port *port = of_stream(stream);
	ssize_t n = -EAGAIN;
	if (!port->leaving) {
		do {
			n = writev(port->files.in_fd, iov, count);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			n = -errno;
	}
	if (n == -EAGAIN)
		n = 0;
	if (n >= 0 && (size_t)n < iov_total(iov, count)) {
		port->want_writable = true;
		update_polls(port);
	}
	return n;
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

/* ---- open and close -------------------------------------------------------------------------- */

static void finish(struct fifo_port *port)
{
	void (*closed)(void *device) = port->closed;
	void *device = port->base.params.device;
	guest_witness_fini(&port->own_witness);
	free(port);
	closed(device);
}

static void on_poll_closed(struct fifo_port *port)
{
	if (--port->polls_open > 0)
		return;
	port->stream.on_closed(&port->stream);
}

static void on_out_closed(struct loop_poll *poll)
{
	on_poll_closed(container_of(poll, struct fifo_port, out_poll));
}

static void on_in_closed(struct loop_poll *poll)
{
	on_poll_closed(container_of(poll, struct fifo_port, in_poll));
}

static void on_stream_closed(struct stream *stream)
{
	struct fifo_port *port = of_stream(stream);
	if (port->closed != NULL)
		finish(port);
}

static void close_stream(struct stream *stream)
{
	struct fifo_port *port = of_stream(stream);
	loop_poll_close(&port->out_poll, on_out_closed);
	loop_poll_close(&port->in_poll, on_in_closed);
}

static const struct stream_ops fifo_stream_ops = {
	.name = "fifo",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_input,
	.signal = no_signal,
	.close = close_stream,
};

static void on_task(struct loop_task *task)
{
	struct fifo_port *port = container_of(task, struct fifo_port, task);
	if (port->closed != NULL) {
		finish(port);
		return;
	}
	port->base.params.sink->stream(port->base.params.device, &port->stream);
	if (!port->stream.closing)
		settle(port);
}

static void fifo_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct fifo_port *port = container_of(base, struct fifo_port, base);
	port->closed = closed;
	loop_task_cancel(&port->task);
	loop_watch_fini(&port->watch);
	if (!keep) {
		/* With the FIFO goes what no VMM came for. */
		if (!port->present)
			empty_input(port);
		fifo_files_remove(&port->files, &port->base.params);
	}
	if (!port->stream.closing)
		stream_close(&port->stream);
	else if (port->polls_open == 0)
		loop_task_post(&port->task);
	fifo_files_close(&port->files);
}

static int open_rest(struct fifo_port *port, struct error *err)
{
	const char *alias = port->base.params.config->alias;
	int rc = guest_witness_make(port->witness);
	if (rc < 0)
		return error_set(err, rc, "%s: cannot make a pipe: %s", alias, error_text(rc));
	char path[GUEST_PATH_SIZE];
	fifo_files_out_path(&port->files, path);
	rc = loop_watch_init(&port->watch, port->base.params.loop, path, IN_OPEN, on_watch);
	if (rc < 0)
		return error_set(err, rc,
			"%s: cannot watch %s: %s; raise fs.inotify.max_user_watches or "
			"max_user_instances",
			alias, path, error_text(rc));
	return 0;
}

static void undo(struct fifo_port *port)
{
	loop_watch_fini(&port->watch);
	guest_witness_fini(&port->own_witness);
	fifo_files_undo(&port->files);
}

static void on_abandoned(struct loop_poll *poll)
{
	free(container_of(poll, struct fifo_port, out_poll));
}

/* On failure the port is gone, or will be when its poll is closed. */
static int start_polls(struct fifo_port *port)
{
	struct loop *loop = port->base.params.loop;
	int rc = loop_poll_init(&port->out_poll, loop, port->files.out_fd, on_out_ready);
	if (rc < 0) {
		undo(port);
		free(port);
		return rc;
	}
	rc = loop_poll_init(&port->in_poll, loop, port->files.in_fd, on_in_ready);
	if (rc < 0) {
		loop_poll_close(&port->out_poll, on_abandoned);
		undo(port);
	}
	return rc;
}

static int fifo_open(const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	struct fifo_port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", params->config->alias);
	port->base.ops = &guest_fifo_ops;
	port->base.params = *params;
	port->witness = params->witness != NULL ? params->witness : &port->own_witness;
	stream_init(&port->stream, &fifo_stream_ops, on_stream_closed);
	loop_task_init(&port->task, params->loop, on_task);
	int rc = fifo_files_open(&port->files, params, err);
	if (rc == 0) {
		rc = open_rest(port, err);
		if (rc < 0)
			undo(port);
	}
	if (rc < 0) {
		free(port);
		return rc;
	}
	rc = start_polls(port);
	if (rc < 0)
		return error_set(err, rc, "%s: cannot poll the FIFOs: %s", params->config->alias,
			error_text(rc));
	port->polls_open = 2;
	loop_task_post(&port->task);
	*ret = &port->base;
	return 0;
}

static void fifo_describe(const struct guest_port *base, struct guest_description *ret)
{
	const struct fifo_port *port = container_of(base, struct fifo_port, base);
	*ret = (struct guest_description){
		.type = GUEST_PORT_FIFO,
		.listens = true,
		.input_dropped = port->input_dropped,
	};
	memcpy(ret->path, port->files.path, sizeof(ret->path));
	snprintf(ret->where, sizeof(ret->where), "fifo %s.in, .out", port->files.path);
}

const struct guest_ops guest_fifo_ops = {
	.open = fifo_open,
	.close = fifo_close,
	.describe = fifo_describe,
	.attend = guest_port_ignore_attend,
	.immediate = false,
	.lasting = true,
};
