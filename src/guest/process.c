/*
 * The guest port of a VMM that links the library: its bytes come and go by function calls. Output
 * is copied straight to where the device wants it. Input waits in a small staging buffer, so that
 * the VMM may take it whenever its guest can; when that is full the device keeps the rest.
 *
 * No descriptor, no path, nothing to crash apart from: present from the first turn of the loop.
 */
#include "guest/port.h"
#include "util/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGING_SIZE = 4096 };

struct process_port {
	struct guest_port base;
	struct stream stream;
	struct loop_task task; /* whatever is due; at the end: reports the close */
	const struct guest_process_events *events;
	void *user;
	bool handed_out;
	bool reading;
	bool held_up;       /* a write took less than it was given */
	bool want_writable; /* the device offered more than fitted, or a second BREAK */
	bool break_pending; /* due when `break_after` more bytes are read */
	size_t break_after;
	bool tell_input;
	bool tell_room;
	bool tell_window;
	struct stream_window window;
	size_t first; /* the staging ring: its first byte, and */
	size_t used;  /* how many there are */
	void (*closed)(void *device);
	uint8_t staging[STAGING_SIZE];
};

static struct process_port *of(struct guest_port *base)
{
	return container_of(base, struct process_port, base);
}

static struct process_port *of_stream(struct stream *stream)
{
	return container_of(stream, struct process_port, stream);
}

static bool is_usable(const struct process_port *port)
{
	return port->handed_out && !port->stream.closing && port->closed == NULL;
}

/* ---- the VMM's side -------------------------------------------------------------------------- */

/* One space of the device: how much was put there; 0 when it gave none. */
static size_t put(struct process_port *port, const uint8_t *bytes, size_t n)
{
	struct iovec iov[STREAM_MAX_PARTS];
	const struct stream_sink *sink = port->stream.sink;
	int count = sink->space(port->stream.consumer, iov);
	if (port->stream.closing)
		return 0;
	size_t done = 0;
	for (int i = 0; i < count && done < n; i++) {
		size_t part = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;
		memcpy(iov[i].iov_base, bytes + done, part);
		done += part;
	}
	if (done > 0)
		sink->received(port->stream.consumer, done);
	else
		port->reading = false;
	return done;
}

ssize_t guest_process_write(struct guest_port *port, const void *bytes, size_t n)
{
	struct process_port *process = of(port);
	size_t done = 0;
	if (!is_usable(process)) {
		process->held_up = true;
		return -ENOTCONN;
	}
	while (done < n && process->reading && !process->stream.closing)
		done += put(process, (const uint8_t *)bytes + done, n - done);
	process->held_up = done < n;
	return (ssize_t)done;
}

ssize_t guest_process_read(struct guest_port *port, void *bytes, size_t n)
{
	struct process_port *process = of(port);
	size_t ready = process->break_pending ? process->break_after : process->used;
	if (n > ready)
		n = ready;
	size_t first = STAGING_SIZE - process->first;
	if (first > n)
		first = n;
	if (n > 0) {
		memcpy(bytes, process->staging + process->first, first);
		memcpy((uint8_t *)bytes + first, process->staging, n - first);
	}
	process->first = (process->first + n) % STAGING_SIZE;
	process->used -= n;
	if (process->break_pending)
		process->break_after -= n;
	bool break_due = process->break_pending && process->break_after == 0;
	if (n > 0 && (process->want_writable || break_due))
		loop_task_post(&process->task);
	return (ssize_t)n;
}

int guest_process_signal(struct guest_port *port, const struct stream_signal *signal)
{
	struct process_port *process = of(port);
	if (!is_usable(process))
		return -ENOTCONN;
	process->stream.sink->signalled(process->stream.consumer, signal);
	return 0;
}

void guest_process_listen(
	struct guest_port *port, const struct guest_process_events *events, void *user)
{
	struct process_port *process = of(port);
	process->events = events;
	process->user = user;
}

/* ---- the device's side ----------------------------------------------------------------------- */

static void read_start(struct stream *stream)
{
	struct process_port *port = of_stream(stream);
	port->reading = true;
	if (!port->held_up)
		return;
	port->tell_room = true;
	loop_task_post(&port->task);
}

static void read_stop(struct stream *stream)
{
	of_stream(stream)->reading = false;
}

static size_t stage(struct process_port *port, const uint8_t *bytes, size_t n)
{
	size_t done = 0;
	while (done < n && port->used < STAGING_SIZE) {
		size_t at = (port->first + port->used) % STAGING_SIZE;
		size_t part = at >= port->first ? STAGING_SIZE - at : port->first - at;
		if (part > n - done)
			part = n - done;
		memcpy(port->staging + at, bytes + done, part);
		port->used += part;
		done += part;
	}
	return done;
}

static ssize_t write_input(struct stream *stream, const struct iovec *iov, int count)
{
	struct process_port *port = of_stream(stream);
	size_t before = port->used;
	size_t done = 0;
	for (int i = 0; i < count; i++)
		done += stage(port, iov[i].iov_base, iov[i].iov_len);
	port->want_writable = done < iov_total(iov, count);
	if (before == 0 && done > 0) {
		port->tell_input = true;
		loop_task_post(&port->task);
	}
	return (ssize_t)done;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct process_port *port = of_stream(stream);
	if (signal->type == STREAM_SIGNAL_WINDOW) {
		port->window = signal->u.window;
		port->tell_window = true;
		loop_task_post(&port->task);
		return 0;
	}
	if (signal->type != STREAM_SIGNAL_BREAK)
		return -EOPNOTSUPP;
	if (port->break_pending) {
		port->want_writable = true;
		return -EAGAIN;
	}
	port->break_pending = true;
	port->break_after = port->used;
	if (port->used == 0)
		loop_task_post(&port->task);
	return 0;
}

/* There is nothing to close, and its maker, who would be told, is this port. */
static void close_stream(struct stream *stream)
{
}

static const struct stream_ops process_stream_ops = {
	.name = "process",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_input,
	.signal = send_signal,
	.close = close_stream,
};

/* ---- what is due ----------------------------------------------------------------------------- */

static void tell(const struct process_port *port, void (*event)(void *user))
{
	if (event != NULL)
		event(port->user);
}

static void tell_vmm(struct process_port *port)
{
	static const struct guest_process_events none;
	const struct guest_process_events *events = port->events != NULL ? port->events : &none;
	bool room = port->tell_room;
	port->tell_room = false;
	if (room && port->held_up && port->reading) {
		port->held_up = false;
		tell(port, events->on_room);
	}
	if (is_usable(port) && port->break_pending && port->break_after == 0) {
		port->break_pending = false;
		port->tell_input = port->used > 0;
		if (port->want_writable)
			loop_task_post(&port->task);
		tell(port, events->on_break);
	}
	bool window = port->tell_window;
	port->tell_window = false;
	if (is_usable(port) && window && events->on_window != NULL)
		events->on_window(port->user, port->window);
	bool input = port->tell_input;
	port->tell_input = false;
	if (is_usable(port) && input && port->used > 0)
		tell(port, events->on_input);
}

static void hand_out(struct process_port *port)
{
	const struct guest_params *params = &port->base.params;
	port->handed_out = true;
	params->sink->stream(params->device, &port->stream);
	if (!port->stream.closing)
		params->sink->present(params->device, true);
}

static void on_task(struct loop_task *task)
{
	struct process_port *port = container_of(task, struct process_port, task);
	if (port->closed != NULL) {
		void (*closed)(void *device) = port->closed;
		void *device = port->base.params.device;
		free(port);
		closed(device);
		return;
	}
	if (!port->handed_out)
		hand_out(port);
	bool room = port->used < STAGING_SIZE && !port->break_pending;
	if (is_usable(port) && port->want_writable && room) {
		port->want_writable = false;
		port->stream.sink->writable(port->stream.consumer);
	}
	if (is_usable(port))
		tell_vmm(port);
}

/* ---- open and close -------------------------------------------------------------------------- */

static void on_stream_closed(struct stream *stream)
{
}

static int process_open(
	const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	struct process_port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", params->config->alias);
	port->base.ops = &guest_process_ops;
	port->base.params = *params;
	stream_init(&port->stream, &process_stream_ops, on_stream_closed);
	loop_task_init(&port->task, params->loop, on_task);
	loop_task_post(&port->task);
	*ret = &port->base;
	return 0;
}

static void process_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct process_port *port = of(base);
	port->closed = closed;
	loop_task_post(&port->task);
}

static void process_describe(const struct guest_port *base, struct guest_description *ret)
{
	*ret = (struct guest_description){.type = GUEST_PORT_PROCESS, .listens = true};
	snprintf(ret->where, sizeof(ret->where), "in process");
}

const struct guest_ops guest_process_ops = {
	.open = process_open,
	.close = process_close,
	.describe = process_describe,
	.attend = guest_port_ignore_attend,
	.immediate = true,
};
