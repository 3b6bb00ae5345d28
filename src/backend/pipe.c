/*
 * <serial type='pipe'>: named pipes, see fifo(7). PATH.out takes the output and PATH.in gives the
 * input; the two are made when neither is there. One FIFO at PATH itself is for output only: both
 * directions through one FIFO would give us our own output back.
 *
 * The write end of the output is kept for ever, so that what a leaving reader left unread waits for
 * the next one. A reader is a peer: it is seen to come by inotify(7), to go by an error on the
 * write end. The input is opened read-write: it never ends, and needs nobody to be there.
 */
#include "backend/describe.h"
#include "backend/file_kind.h"
#include "backend/table.h"
#include "stream/fd_stream.h"
#include "util/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

/* One FIFO of ours, with what tells whether it still is. */
struct named_pipe {
	char path[PATH_MAX]; /* "" : there is none */
	bool made;
	dev_t device;
	ino_t inode;
};

struct pipe_backend {
	struct backend base;
	struct named_pipe in;
	struct named_pipe out;
	int out_fd; /* kept; each reader's stream has a duplicate */
	int in_fd;  /* until its stream has it */
	struct fd_stream reader;
	struct fd_stream input;
	bool reader_there;
	bool input_there;
	struct loop_watch opens;
	struct loop_task task; /* starts, and ends */
	void (*closed)(void *device);
};

static void finish_if_done(struct pipe_backend *self)
{
	if (self->closed != NULL && !self->reader_there && !self->input_there)
		loop_task_post(&self->task);
}

static void tell_listening(struct pipe_backend *self)
{
	const struct backend_params *params = &self->base.params;
	char reason[BACKEND_TEXT_SIZE];
	bool output_only = self->in.path[0] == '\0';
	snprintf(reason, sizeof(reason), "output only, because %.128s is one FIFO", self->out.path);
	params->sink->state(params->device, BACKEND_LISTENING, 0, output_only ? reason : NULL);
}

static bool has_reader(const struct pipe_backend *self)
{
	struct pollfd p = {.fd = self->out_fd};
	return poll(&p, 1, 0) >= 0 && (p.revents & POLLERR) == 0;
}

static void look_for_reader(struct pipe_backend *self);

static void on_reader_closed(struct stream *stream)
{
	struct pipe_backend *self = container_of(stream, struct pipe_backend, reader.base);
	self->reader_there = false;
	finish_if_done(self);
	if (self->closed != NULL)
		return;
	tell_listening(self);
	/* One that the device turned away is not offered again until somebody opens the FIFO. */
	if (self->reader.output_dead)
		look_for_reader(self);
}

static void look_for_reader(struct pipe_backend *self)
{
	const struct backend_params *params = &self->base.params;
	if (self->reader_there || self->closed != NULL || !has_reader(self))
		return;
	int fd = fcntl(self->out_fd, F_DUPFD_CLOEXEC, 0);
	int r = fd < 0 ? -errno
		       : fd_stream_init(&self->reader, params->loop, FD_STREAM_FILE, -1, fd,
				 on_reader_closed);
	if (r < 0) {
		fd_close(fd);
		params->sink->state(params->device, BACKEND_LISTENING, r, error_text(r));
		return;
	}
	self->reader.unread_is_kept = true;
	self->reader_there = true;
	const struct peer_info info = {
		.kind = PEER_CLIENT, .name = self->out.path, .no_input = true};
	params->sink->state(params->device, BACKEND_CONNECTED, 0, NULL);
	params->sink->peer(params->device, &self->reader.base, &info);
}

static void on_opened(struct loop_watch *watch, uint32_t mask, const char *name)
{
	look_for_reader(container_of(watch, struct pipe_backend, opens));
}

static void on_input_closed(struct stream *stream)
{
	struct pipe_backend *self = container_of(stream, struct pipe_backend, input.base);
	self->input_there = false;
	finish_if_done(self);
}

static void hand_out_input(struct pipe_backend *self)
{
	const struct backend_params *params = &self->base.params;
	if (self->in_fd < 0)
		return;
	int r = fd_stream_init(
		&self->input, params->loop, FD_STREAM_FILE, self->in_fd, -1, on_input_closed);
	if (r < 0) {
		params->sink->state(params->device, BACKEND_LISTENING, r, error_text(r));
		return;
	}
	self->in_fd = -1;
	self->input_there = true;
	const struct peer_info info = {
		.kind = PEER_CLIENT, .name = self->in.path, .no_output = true};
	params->sink->peer(params->device, &self->input.base, &info);
}

static void remove_if_ours(struct named_pipe *pipe)
{
	struct stat st;
	if (pipe->made && lstat(pipe->path, &st) == 0 && st.st_dev == pipe->device &&
		st.st_ino == pipe->inode)
		unlink(pipe->path);
	pipe->made = false;
}

static void free_backend(struct pipe_backend *self)
{
	loop_watch_fini(&self->opens);
	remove_if_ours(&self->in);
	remove_if_ours(&self->out);
	fd_close(self->out_fd);
	fd_close(self->in_fd);
	free(self);
}

static void on_task(struct loop_task *task)
{
	struct pipe_backend *self = container_of(task, struct pipe_backend, task);
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	if (closed == NULL) {
		tell_listening(self);
		hand_out_input(self);
		look_for_reader(self);
		return;
	}
	free_backend(self);
	closed(device);
}

/* Whether there is a FIFO: 1, 0 when nothing is there, or a sentence about what else is. */
static int find_fifo(const char *path, struct error *err)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		int r = -errno;
		if (r == -ENOENT)
			return 0;
		return error_set(err, r, "cannot use \"%s\": %s", path, error_text(r));
	}
	if (S_ISFIFO(st.st_mode))
		return 1;
	return error_set(err, -EINVAL, "\"%s\" is %s, not a FIFO; remove it or name another path",
		path, file_kind(st.st_mode));
}

static int make_fifo(struct named_pipe *pipe, struct error *err)
{
	struct stat st;
	if (mkfifo(pipe->path, 0600) < 0 || lstat(pipe->path, &st) < 0) {
		int r = -errno;
		return error_set(err, r, "cannot make the FIFO \"%s\": %s%s", pipe->path,
			error_text(r),
			r == -ENOENT                  ? "; make its directory first"
			: r == -EACCES || r == -EPERM ? "; change its directory's mode or owner"
						      : "");
	}
	pipe->made = true;
	pipe->device = st.st_dev;
	pipe->inode = st.st_ino;
	return 0;
}

/* Which FIFOs there are, or are to be: fills the paths, makes what is missing. */
static int settle_paths(struct pipe_backend *self, struct error *err)
{
	const char *path = self->base.params.config->source.u.pipe.path;
	int in_size = snprintf(self->in.path, sizeof(self->in.path), "%s.in", path);
	int out_size = snprintf(self->out.path, sizeof(self->out.path), "%s.out", path);
	if (in_size >= PATH_MAX || out_size >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "the path of the pipe is too long");
	int in = find_fifo(self->in.path, err);
	int out = in < 0 ? in : find_fifo(self->out.path, err);
	if (out < 0 || (in == 1 && out == 1))
		return out < 0 ? out : 0;
	int single = find_fifo(path, err);
	if (single < 0)
		return single;
	if (single == 1) {
		self->in.path[0] = '\0';
		snprintf(self->out.path, sizeof(self->out.path), "%s", path);
		return 0;
	}
	if (in != out)
		return error_set(err, -ENOENT,
			"\"%s\" is there but \"%s\" is not; make it with mkfifo(1)",
			in ? self->in.path : self->out.path, in ? self->out.path : self->in.path);
	int r = make_fifo(&self->out, err);
	return r < 0 ? r : make_fifo(&self->in, err);
}

static int open_fifo(const char *path, int flags, int *ret_fd, struct error *err)
{
	struct stat st;
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISFIFO(st.st_mode) ? 0 : -EINVAL;
	if (r < 0) {
		fd_close(fd);
		return error_set(err, r, "cannot open the FIFO \"%s\": %s%s", path, error_text(r),
			r == -EACCES ? "; give this user read and write permission" : "");
	}
	*ret_fd = fd;
	return 0;
}

/* A FIFO opens for writing only while somebody reads: we do, for a moment. */
static int open_ends(struct pipe_backend *self, struct error *err)
{
	int reading = -1;
	int r = open_fifo(self->out.path, O_RDONLY, &reading, err);
	if (r == 0)
		r = open_fifo(self->out.path, O_WRONLY, &self->out_fd, err);
	fd_close(reading);
	if (r == 0 && self->in.path[0] != '\0')
		r = open_fifo(self->in.path, O_RDWR, &self->in_fd, err);
	return r;
}

static int pipe_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct pipe_backend *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base.ops = &pipe_backend;
	self->base.params = *params;
	self->in_fd = self->out_fd = -1;
	int r = settle_paths(self, err);
	if (r == 0)
		r = open_ends(self, err);
	if (r == 0) {
		r = loop_watch_init(&self->opens, params->loop, self->out.path, IN_OPEN, on_opened);
		if (r < 0)
			error_set(err, r, "cannot watch \"%s\" for readers: %s", self->out.path,
				error_text(r));
	}
	if (r < 0) {
		free_backend(self);
		return r;
	}
	loop_task_init(&self->task, params->loop, on_task);
	loop_task_post(&self->task);
	*ret = &self->base;
	return 0;
}

static void pipe_close(struct backend *backend, void (*closed)(void *device))
{
	struct pipe_backend *self = container_of(backend, struct pipe_backend, base);
	self->closed = closed;
	loop_task_cancel(&self->task);
	loop_watch_fini(&self->opens);
	finish_if_done(self);
}

static void pipe_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct pipe_backend *self = container_of(backend, struct pipe_backend, base);
	if (self->in.path[0] == '\0')
		describe_where(ret, "FIFO %s (output only)", self->out.path);
	else
		describe_where(ret, "FIFOs %s and .in", self->out.path);
	describe_command(ret, "cat ", self->out.path, "");
}

const struct backend_ops pipe_backend = {
	.open = pipe_open,
	.close = pipe_close,
	.describe = pipe_describe,
	.reopen = backend_has_no_file,
};
