/*
 * Standard input and output as one stream; see terminal.h.
 *
 * Input is staged here, because keys have meanings; output goes straight through. What cannot be
 * polled (a regular file, /dev/null) is read in small pieces as it is: that does not wait.
 *
 * O_NONBLOCK belongs to the open file, which we share with the shell and whoever else has the
 * terminal: so terminals and pipes are opened anew, and only what cannot be (a socket, a terminal
 * of another user) is switched, and switched back.
 */
#include "cli/terminal.h"

#include "cli/terminal_mode.h"
#include "stream/fd_stream.h"
#include "stream/file_stream.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STAGE_SIZE = 1024,
	KEY_LEAVE = 0x1d,  /* ^] */
	KEY_PREFIX = 0x1e, /* ^^ */
};

struct end {
	int fd;          /* the caller's */
	int saved_flags; /* to be put back; -1: untouched */
};

struct terminal {
	struct stream base;
	struct fd_stream in;
	union {
		struct fd_stream fd;
		struct file_stream file;
	} out;
	struct stream *out_stream;
	struct end ends[2];
	struct loop_task task; /* goes on with what is staged; at the end: reports the close */
	const struct terminal_listener *listener;
	void *user;
	int file_fd; /* input that cannot be polled; -1: `in` has it */
	char staged[STAGE_SIZE];
	size_t from, to;
	bool raw;
	bool in_open;  /* `in` is there to be closed */
	bool prefixed; /* ^^ was the last key, and not yet the next one seen */
	bool literal;  /* the next byte came after ^^: it is the guest's whatever it is */
	bool left;     /* ^] was typed: no more input */
	bool reading;  /* the consumer wants input */
	bool input_ended;
	bool input_told;
	int closes_pending;
};

static struct terminal *of(struct stream *stream)
{
	return container_of(stream, struct terminal, base);
}

/* ---- input ----------------------------------------------------------------------------------- */

static bool is_key(const struct terminal *terminal, char c)
{
	return terminal->raw && terminal->listener->leave != NULL && !terminal->literal &&
	       (terminal->prefixed || c == KEY_LEAVE || c == KEY_PREFIX);
}

static void take_key(struct terminal *terminal)
{
	static const struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	char c = terminal->staged[terminal->from];
	if (terminal->prefixed) {
		terminal->prefixed = false;
		terminal->literal = c != 'b' && c != 'B';
		if (terminal->literal)
			return;
		terminal->from++;
		terminal->base.sink->signalled(terminal->base.consumer, &brk);
		return;
	}
	terminal->from++;
	if (c == KEY_PREFIX) {
		terminal->prefixed = true;
	} else {
		terminal->left = true;
		terminal->from = terminal->to = 0;
		terminal->listener->leave(terminal->user);
	}
}

/* Gives the consumer the bytes up to the next key: at least one. False: it has no room now. */
static bool give_bytes(struct terminal *terminal)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int parts = terminal->base.sink->space(terminal->base.consumer, iov);
	if (parts == 0 || terminal->base.closing)
		return false;
	size_t given = 0;
	for (int i = 0; i < parts; i++) {
		char *to = iov[i].iov_base;
		for (size_t n = 0; n < iov[i].iov_len && terminal->from < terminal->to; n++) {
			if (is_key(terminal, terminal->staged[terminal->from]))
				break;
			to[n] = terminal->staged[terminal->from++];
			terminal->literal = false;
			given++;
		}
	}
	terminal->base.sink->received(terminal->base.consumer, given);
	return true;
}

static void end_input(struct terminal *terminal)
{
	if (terminal->input_told || terminal->base.closing)
		return;
	terminal->input_told = true;
	terminal->base.sink->end_of_input(terminal->base.consumer);
}

/* Passes on what is staged, as far as the consumer takes it. */
static void feed(struct terminal *terminal)
{
	while (terminal->from < terminal->to && terminal->reading && !terminal->base.closing) {
		if (is_key(terminal, terminal->staged[terminal->from]))
			take_key(terminal);
		else if (!give_bytes(terminal))
			terminal->reading = false;
	}
	if (terminal->base.closing || terminal->from < terminal->to)
		return;
	terminal->from = terminal->to = 0;
	if (terminal->input_ended)
		end_input(terminal);
}

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct terminal *terminal = consumer;
	if (terminal->to > 0 || terminal->left)
		return 0;
	iov[0] = (struct iovec){terminal->staged, sizeof(terminal->staged)};
	return 1;
}

static void on_received(void *consumer, size_t n)
{
	struct terminal *terminal = consumer;
	terminal->to = n;
	feed(terminal);
}

static void on_end_of_input(void *consumer)
{
	struct terminal *terminal = consumer;
	terminal->input_ended = true;
	feed(terminal);
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void on_nothing(void *consumer)
{
}

static void on_nothing_written(void *consumer, size_t done, int failure)
{
}

static void on_input_gone(void *consumer, int reason, uint64_t unsent)
{
}

static const struct stream_sink in_sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_nothing,
	.written = on_nothing_written,
	.end_of_input = on_end_of_input,
	.gone = on_input_gone,
};

/* One piece of a file; the next comes with the next turn. */
static void read_file(struct terminal *terminal)
{
	if (terminal->to == 0) {
		ssize_t n = read(terminal->file_fd, terminal->staged, STAGE_SIZE);
		terminal->input_ended = n <= 0;
		terminal->to = n > 0 ? (size_t)n : 0;
	}
	feed(terminal);
	if (terminal->reading && !terminal->input_ended && !terminal->base.closing)
		loop_task_post(&terminal->task);
}

/* ---- output ---------------------------------------------------------------------------------- */

static int no_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	return 0;
}

static void on_nothing_received(void *consumer, size_t n)
{
}

static void on_writable(void *consumer)
{
	struct terminal *terminal = consumer;
	terminal->base.sink->writable(terminal->base.consumer);
}

static void on_written(void *consumer, size_t done, int failure)
{
	struct terminal *terminal = consumer;
	terminal->base.sink->written(terminal->base.consumer, done, failure);
}

/* Without output there is nobody to type for. */
static void on_output_gone(void *consumer, int reason, uint64_t unsent)
{
	struct terminal *terminal = consumer;
	terminal->base.sink->gone(terminal->base.consumer, reason, unsent);
}

static const struct stream_sink out_sink = {
	.space = no_space,
	.received = on_nothing_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_nothing,
	.gone = on_output_gone,
};

/* ---- the stream ------------------------------------------------------------------------------ */

static void read_start(struct stream *stream)
{
	struct terminal *terminal = of(stream);
	if (terminal->left || terminal->input_told)
		return;
	terminal->reading = true;
	if (terminal->from < terminal->to || terminal->input_ended || terminal->file_fd >= 0)
		loop_task_post(&terminal->task);
	else if (terminal->in_open)
		stream_read_start(&terminal->in.base);
}

static void read_stop(struct stream *stream)
{
	struct terminal *terminal = of(stream);
	terminal->reading = false;
	if (terminal->in_open)
		stream_read_stop(&terminal->in.base);
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	return stream_write(of(stream)->out_stream, iov, count);
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void put_back(const struct end *end)
{
	if (end->saved_flags >= 0)
		fcntl(end->fd, F_SETFL, end->saved_flags);
}

static void count_closed(struct terminal *terminal)
{
	if (--terminal->closes_pending == 0)
		loop_task_post(&terminal->task);
}

static void on_in_closed(struct stream *stream)
{
	count_closed(container_of(stream, struct terminal, in.base));
}

static void on_out_closed(struct stream *stream)
{
	/* Both kinds begin with their stream. */
	count_closed(container_of(stream, struct terminal, out.fd.base));
}

_Static_assert(offsetof(struct fd_stream, base) == offsetof(struct file_stream, base),
	"one container_of() serves both kinds of output");

static void close_stream(struct stream *stream)
{
	struct terminal *terminal = of(stream);
	loop_task_cancel(&terminal->task);
	terminal->closes_pending = 1;
	if (terminal->in_open) {
		terminal->closes_pending = 2;
		stream_close(&terminal->in.base);
	}
	terminal->file_fd = fd_close(terminal->file_fd);
	stream_close(terminal->out_stream);
}

static void finish(struct terminal *terminal)
{
	const struct terminal_listener *listener = terminal->listener;
	void *user = terminal->user;
	if (terminal->raw)
		terminal_restore();
	put_back(&terminal->ends[0]);
	put_back(&terminal->ends[1]);
	free(terminal);
	listener->closed(user);
}

static void on_task(struct loop_task *task)
{
	struct terminal *terminal = container_of(task, struct terminal, task);
	if (terminal->base.closing) {
		terminal->base.on_closed(&terminal->base);
		return;
	}
	if (terminal->file_fd >= 0) {
		read_file(terminal);
		return;
	}
	feed(terminal);
	if (terminal->reading && !terminal->base.closing && terminal->to == 0 && terminal->in_open)
		stream_read_start(&terminal->in.base);
}

static void on_base_closed(struct stream *stream)
{
	finish(of(stream));
}

static const struct stream_ops terminal_ops = {
	.name = "terminal",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_some,
	.signal = no_signal,
	.close = close_stream,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* A descriptor of our own for the same thing, non-blocking where that means something. */
static int own_descriptor(struct end *end, int access)
{
	struct stat st;
	char path[32];
	if (fstat(end->fd, &st) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", end->fd);
	int fd = -1;
	if (S_ISFIFO(st.st_mode) || isatty(end->fd))
		fd = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = fcntl(end->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	int flags = fcntl(fd, F_GETFL);
	if (S_ISREG(st.st_mode) || (flags & O_NONBLOCK) != 0)
		return fd;
	end->saved_flags = flags;
	fd_set_nonblocking(fd);
	return fd;
}

static int open_input(struct terminal *terminal, struct loop *loop)
{
	int fd = own_descriptor(&terminal->ends[0], O_RDONLY);
	if (fd < 0)
		return fd;
	int status = loop_poll_check(loop, fd);
	if (status == -EPERM) {
		terminal->file_fd = fd;
		return 0;
	}
	if (status == 0)
		status = fd_stream_init(&terminal->in, loop, FD_STREAM_FILE, fd, -1, on_in_closed);
	if (status < 0) {
		fd_close(fd);
		return status;
	}
	terminal->in_open = true;
	stream_attach(&terminal->in.base, &in_sink, terminal);
	return 0;
}

static int open_output(struct terminal *terminal, struct loop *loop)
{
	int fd = own_descriptor(&terminal->ends[1], O_WRONLY);
	if (fd < 0)
		return fd;
	int status = loop_poll_check(loop, fd);
	bool is_file = status == -EPERM;
	if (is_file)
		status = file_stream_init(&terminal->out.file, loop, fd, on_out_closed);
	else if (status == 0)
		status = fd_stream_init(
			&terminal->out.fd, loop, FD_STREAM_FILE, -1, fd, on_out_closed);
	if (status < 0) {
		fd_close(fd);
		return status;
	}
	terminal->out_stream = is_file ? &terminal->out.file.base : &terminal->out.fd.base;
	stream_attach(terminal->out_stream, &out_sink, terminal);
	return 0;
}

/* What was opened before a failure, ended in its own time. */
static void abandoned(void *user)
{
}

static int open_all(struct terminal *terminal, struct loop *loop, int in_fd)
{
	int status = open_output(terminal, loop);
	if (status < 0 || in_fd < 0)
		return status;
	status = open_input(terminal, loop);
	if (status == 0 && isatty(in_fd)) {
		status = terminal_make_raw(in_fd);
		terminal->raw = status == 0;
	}
	return status;
}

int terminal_new(struct loop *loop, int in_fd, int out_fd, const struct terminal_listener *listener,
	void *user, struct terminal **ret, struct error *err)
{
	static const struct terminal_listener nobody = {.leave = abandoned, .closed = abandoned};
	struct terminal *terminal = calloc(1, sizeof(*terminal));
	if (terminal == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	stream_init(&terminal->base, &terminal_ops, on_base_closed);
	loop_task_init(&terminal->task, loop, on_task);
	terminal->ends[0] = (struct end){.fd = in_fd, .saved_flags = -1};
	terminal->ends[1] = (struct end){.fd = out_fd, .saved_flags = -1};
	terminal->file_fd = -1;
	terminal->listener = listener;
	terminal->user = user;
	int status = open_all(terminal, loop, in_fd);
	if (status == 0) {
		*ret = terminal;
		return 0;
	}
	terminal->listener = &nobody;
	if (terminal->out_stream != NULL) {
		stream_close(&terminal->base);
	} else {
		put_back(&terminal->ends[1]);
		free(terminal);
	}
	return error_set(err, status, "cannot use standard input and output as a console: %s",
		error_text(status));
}

struct stream *terminal_stream(struct terminal *terminal)
{
	return &terminal->base;
}

bool terminal_is_raw(const struct terminal *terminal)
{
	return terminal->raw;
}
