/*
 * <serial type='pty'>: a pseudo terminal. The slave's name changes with every start, so a stable
 * symbolic link RUNTIME/NAME/ALIAS.pty leads to it. Everybody who opens the slave shares one peer;
 * nothing polls for their coming: inotify(7) tells of it.
 *
 * Here stand the slave's name, mode and link; bytes and presence are pty_stream.c.
 */
#include "backend/describe.h"
#include "backend/pty_stream.h"
#include "backend/table.h"
#include "util/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct pty_backend {
	struct backend base;
	struct pty_stream stream;
	struct loop_watch opens;
	struct loop_task start;
	int master;
	char slave[BACKEND_PATH_SIZE];
	char link[PATH_MAX]; /* "" without a runtime directory */
	void (*closed)(void *device);
};

static void on_arrived(struct pty_stream *stream)
{
	struct pty_backend *self = container_of(stream, struct pty_backend, stream);
	const struct backend_params *params = &self->base.params;
	const struct peer_info info = {.kind = PEER_CLIENT, .name = self->slave};
	params->sink->peer(params->device, &stream->base, &info);
}

static void on_departed(struct pty_stream *stream)
{
	pty_stream_look(stream);
}

static void on_opened(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct pty_backend *self = container_of(watch, struct pty_backend, opens);
	pty_stream_look(&self->stream);
}

static void on_start(struct loop_task *task)
{
	struct pty_backend *self = container_of(task, struct pty_backend, start);
	const struct backend_params *params = &self->base.params;
	params->sink->state(params->device, BACKEND_LISTENING, 0, NULL);
}

/* Whether the link leads to our slave. */
static bool link_is_ours(const struct pty_backend *self)
{
	char target[BACKEND_PATH_SIZE];
	ssize_t n = readlink(self->link, target, sizeof(target));
	return n == (ssize_t)strlen(self->slave) && memcmp(target, self->slave, (size_t)n) == 0;
}

/* Puts the link in its place in one step: whoever follows it finds the old slave or the new. */
static int make_link(struct pty_backend *self, struct error *err)
{
	const struct backend_params *params = &self->base.params;
	const char *alias = params->config->alias;
	char temporary[PATH_MAX];
	struct stat st;
	if (params->runtime_dir == NULL)
		return 0;
	int n = snprintf(temporary, sizeof(temporary), "%s/.%s.pty.%ld", params->runtime_dir, alias,
		(long)getpid());
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return error_set(err, -ENAMETOOLONG, "the runtime directory's path is too long: %s",
			params->runtime_dir);
	snprintf(self->link, sizeof(self->link), "%s/%s.pty", params->runtime_dir, alias);
	if (lstat(self->link, &st) == 0 && !S_ISLNK(st.st_mode)) {
		int r = error_set(err, -EEXIST,
			"\"%s\" is in the way of the link to the pty; remove it", self->link);
		self->link[0] = '\0';
		return r;
	}
	unlink(temporary);
	if (symlink(self->slave, temporary) == 0 && rename(temporary, self->link) == 0)
		return 0;
	int r = -errno;
	unlink(temporary);
	error_set(err, r, "cannot make the link \"%s\": %s", self->link, error_text(r));
	self->link[0] = '\0';
	return r;
}

static void remove_link(struct pty_backend *self)
{
	if (self->link[0] != '\0' && link_is_ours(self))
		unlink(self->link);
}

/* The kernel's default lets the group tty write, which would type to the guest: 0600. */
static int open_master(struct pty_backend *self)
{
	self->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (self->master < 0)
		return -errno;
	if (grantpt(self->master) < 0 || unlockpt(self->master) < 0)
		return -errno;
	int r = ptsname_r(self->master, self->slave, sizeof(self->slave));
	if (r != 0)
		return -r;
	return chmod(self->slave, 0600) < 0 ? -errno : 0;
}

static void free_backend(struct pty_backend *self)
{
	loop_watch_fini(&self->opens);
	remove_link(self);
	self->master = fd_close(self->master);
	free(self);
}

static int pty_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct pty_backend *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base.ops = &pty_backend;
	self->base.params = *params;
	int r = open_master(self);
	if (r < 0)
		error_set(err, r, "cannot make a pseudo terminal: %s", error_text(r));
	if (r == 0)
		r = make_link(self, err);
	/* The stream comes last: its end is asynchronous. */
	if (r == 0) {
		r = loop_watch_init(&self->opens, params->loop, self->slave, IN_OPEN, on_opened);
		if (r == 0)
			r = pty_stream_init(
				&self->stream, params->loop, self->master, on_arrived, on_departed);
		if (r < 0)
			error_set(err, r, "cannot watch the pseudo terminal %s: %s", self->slave,
				error_text(r));
	}
	if (r < 0) {
		free_backend(self);
		return r;
	}
	loop_task_init(&self->start, params->loop, on_start);
	loop_task_post(&self->start);
	*ret = &self->base;
	return 0;
}

static void on_stream_closed(struct pty_stream *stream)
{
	struct pty_backend *self = container_of(stream, struct pty_backend, stream);
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	free_backend(self);
	closed(device);
}

static void pty_close(struct backend *backend, void (*closed)(void *device))
{
	struct pty_backend *self = container_of(backend, struct pty_backend, base);
	self->closed = closed;
	loop_task_cancel(&self->start);
	loop_watch_fini(&self->opens);
	remove_link(self);
	self->link[0] = '\0';
	pty_stream_close(&self->stream, on_stream_closed);
}

static void pty_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct pty_backend *self = container_of(backend, struct pty_backend, base);
	const char *path = self->link[0] != '\0' ? self->link : self->slave;
	describe_where(ret, "%s", path);
	snprintf(ret->pty_path, sizeof(ret->pty_path), "%s", self->slave);
	describe_command(ret, DESCRIBE_TERMINAL, path, "");
}

const struct backend_ops pty_backend = {
	.open = pty_open,
	.close = pty_close,
	.describe = pty_describe,
	.reopen = backend_has_no_file,
};
