/*
 * The guest port of a VMM that talks on its standard input and output (Firecracker, kvmtool, any
 * program): a pipe for each, whose far ends the child gets. Each run of a child is a stream of its
 * own; when it has ended, new pipes are made for the next.
 *
 * It starts no child and waits for none: whoever does takes the ends from here. Pipes and not a
 * socket, because programs open /dev/stdin again, and because the stream then knows what
 * a dead child left unread (`unsent`). A grandchild that inherits the output keeps the run going.
 * pipe(7).
 */
#include "guest/port.h"
#include "stream/fd_stream.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct stdio_port {
	struct guest_port base;
	struct fd_stream stream;
	struct loop_task task; /* hands the stream out; at the end: reports the close */
	int child_stdin;
	int child_stdout;
	int our_input;  /* we write the child's input, and */
	int our_output; /* read its output; both the stream's while it lives */
	bool running;   /* from child_started() until its stream is closed */
	bool streaming; /* the stream lives */
	bool told;      /* of the child's presence */
	void (*closed)(void *device);
};

static struct stdio_port *of(struct guest_port *base)
{
	return container_of(base, struct stdio_port, base);
}

static void close_child_ends(struct stdio_port *port)
{
	port->child_stdin = fd_close(port->child_stdin);
	port->child_stdout = fd_close(port->child_stdout);
}

static void close_our_ends(struct stdio_port *port)
{
	port->our_input = fd_close(port->our_input);
	port->our_output = fd_close(port->our_output);
}

/* The child's ends block, as a program expects of its standard input and output; ours do not. */
static int make_pipes(struct stdio_port *port)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		int failure = -errno;
		fd_close(in[0]);
		fd_close(in[1]);
		return failure;
	}
	port->child_stdin = in[0];
	port->our_input = in[1];
	port->our_output = out[0];
	port->child_stdout = out[1];
	int rc = fd_set_nonblocking(port->our_input);
	return rc < 0 ? rc : fd_set_nonblocking(port->our_output);
}

static void renew_pipes(struct stdio_port *port)
{
	int rc = make_pipes(port);
	if (rc == 0)
		return;
	close_child_ends(port);
	close_our_ends(port);
	guest_port_state(&port->base, rc,
		"no pipes for the VMM's next start: %s; raise the limit of open files",
		error_text(rc));
}

static void finish(struct stdio_port *port)
{
	void (*closed)(void *device) = port->closed;
	void *device = port->base.params.device;
	free(port);
	closed(device);
}

static void on_stream_closed(struct stream *stream)
{
	struct stdio_port *port = container_of(stream, struct stdio_port, stream.base);
	port->running = false;
	port->streaming = false;
	port->our_input = -1;
	port->our_output = -1;
	if (port->closed != NULL) {
		finish(port);
		return;
	}
	renew_pipes(port);
	if (port->told)
		port->base.params.sink->present(port->base.params.device, false);
	port->told = false;
}

static void on_task(struct loop_task *task)
{
	struct stdio_port *port = container_of(task, struct stdio_port, task);
	const struct guest_params *params = &port->base.params;
	if (port->closed != NULL) {
		finish(port);
		return;
	}
	int rc = fd_stream_init(&port->stream, params->loop, FD_STREAM_FILE, port->our_output,
		port->our_input, on_stream_closed);
	if (rc < 0) {
		/* The child meets the end of its input, and of its readers. */
		close_our_ends(port);
		port->running = false;
		guest_port_state(
			&port->base, rc, "cannot poll the VMM's pipes: %s", error_text(rc));
		return;
	}
	port->streaming = true;
	guest_port_enlarge_pipe(&port->base, port->our_output);
	params->sink->stream(params->device, &port->stream.base);
	if (port->stream.base.closing)
		return;
	port->told = true;
	params->sink->present(params->device, true);
}

void guest_stdio_child_ends(struct guest_port *port, int *ret_stdin, int *ret_stdout)
{
	struct stdio_port *stdio = of(port);
	*ret_stdin = stdio->child_stdin;
	*ret_stdout = stdio->child_stdout;
}

void guest_stdio_child_started(struct guest_port *port)
{
	struct stdio_port *stdio = of(port);
	if (stdio->running || stdio->child_stdin < 0)
		return;
	close_child_ends(stdio);
	stdio->running = true;
	loop_task_post(&stdio->task);
}

static int stdio_open(const struct guest_params *params, struct guest_port **ret, struct error *err)
{
	struct stdio_port *port = calloc(1, sizeof(*port));
	if (port == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory", params->config->alias);
	port->base.ops = &guest_stdio_ops;
	port->base.params = *params;
	port->child_stdin = port->child_stdout = port->our_input = port->our_output = -1;
	int rc = make_pipes(port);
	if (rc < 0) {
		close_child_ends(port);
		close_our_ends(port);
		free(port);
		return error_set(err, rc, "%s: cannot make pipes for the VMM: %s",
			params->config->alias, error_text(rc));
	}
	loop_task_init(&port->task, params->loop, on_task);
	*ret = &port->base;
	return 0;
}

static void stdio_close(struct guest_port *base, bool keep, void (*closed)(void *device))
{
	struct stdio_port *port = of(base);
	port->closed = closed;
	close_child_ends(port);
	if (port->streaming)
		return; /* the device closed it; on_stream_closed() ends the port */
	close_our_ends(port);
	loop_task_post(&port->task);
}

static void stdio_describe(const struct guest_port *base, struct guest_description *ret)
{
	*ret = (struct guest_description){
		.type = GUEST_PORT_STDIO,
		.listens = true,
	};
	snprintf(ret->where, sizeof(ret->where), "standard input and output of the VMM");
}

const struct guest_ops guest_stdio_ops = {
	.open = stdio_open,
	.close = stdio_close,
	.describe = stdio_describe,
	.attend = guest_port_ignore_attend,
	.immediate = false,
};
