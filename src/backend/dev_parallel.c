/*
 * A parallel port of the host, /dev/parportN (ppdev) or /dev/lpN, as a device's one peer. Output
 * only, byte by byte in compatibility mode (IEEE 1284, Centronics); status lines are not passed.
 *
 * A claim may wait for another program (or the kernel's lp) to leave the port, so it is made on a
 * thread; until then there is no peer and the guest is not held up.
 */
#include "backend/describe.h"
#include "backend/dev.h"
#include "backend/path_wait.h"
#include "backend/printer_stream.h"
#include "backend/table.h"
#include "util/fd.h"

#include <fcntl.h>
#include <linux/parport.h>
#include <linux/ppdev.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

struct dev_parallel {
	struct backend base;
	int fd; /* -1 while there is none */
	bool is_ppdev;
	bool working; /* a job runs */
	int claim_failure;
	struct loop_job job;
	struct loop_task task;
	struct printer_stream stream;
	bool stream_there;
	struct path_wait returned;
	void (*closed)(void *device);
};

static struct dev_parallel *of(struct backend *backend)
{
	return container_of(backend, struct dev_parallel, base);
}

static const char *path_of(const struct dev_parallel *self)
{
	return self->base.params.config->source.u.dev.path;
}

static void report(
	struct dev_parallel *self, enum backend_state state, int failure, const char *reason)
{
	const struct backend_params *params = &self->base.params;
	params->sink->state(params->device, state, failure, reason);
}

/* lp(4) reports a printer that is not ready only to who does not wait for it; ppdev times out. */
static int open_port(struct dev_parallel *self, struct error *err)
{
	const char *path = path_of(self);
	struct stat st;
	self->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (self->fd < 0 && errno == EACCES)
		self->fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (self->fd < 0)
		return error_set(err, -errno, "cannot open \"%s\": %s%s", path, error_text(errno),
			errno == EACCES  ? "; join the group that may use it (lp)"
			: errno == EBUSY ? "; end the program that has it"
					 : "");
	if (fstat(self->fd, &st) < 0)
		return error_set(err, -errno, "cannot use \"%s\": %s", path, error_text(errno));
	if (!S_ISCHR(st.st_mode) ||
		(major(st.st_rdev) != MAJOR_LP && major(st.st_rdev) != MAJOR_PARPORT))
		return error_set(err, -ENODEV, "\"%s\" is no parallel port", path);
	self->is_ppdev = major(st.st_rdev) == MAJOR_PARPORT;
	if (flock(self->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return error_set(
			err, -EBUSY, "\"%s\" is in use by another program; end it first", path);
	return 0;
}

/* On a thread. */
static void claim_port(struct loop_job *job)
{
	struct dev_parallel *self = container_of(job, struct dev_parallel, job);
	int mode = IEEE1284_MODE_COMPAT;
	struct timeval patience = {.tv_usec = 200000};
	self->claim_failure = 0;
	if (!self->is_ppdev)
		return;
	/* Non-blocking, the port would give up on a printer that takes a moment for each byte. */
	int flags = fcntl(self->fd, F_GETFL);
	if (fcntl(self->fd, F_SETFL, flags & ~O_NONBLOCK) < 0 || ioctl(self->fd, PPCLAIM) < 0) {
		self->claim_failure = -errno;
	} else if (ioctl(self->fd, PPNEGOT, &mode) < 0 || ioctl(self->fd, PPSETMODE, &mode) < 0 ||
		   ioctl(self->fd, PPSETTIME, &patience) < 0) {
		self->claim_failure = -errno;
		ioctl(self->fd, PPRELEASE);
	}
}

/* On a thread: a port is drained by its last close. */
static void release_port(struct loop_job *job)
{
	struct dev_parallel *self = container_of(job, struct dev_parallel, job);
	if (self->is_ppdev && self->claim_failure == 0)
		ioctl(self->fd, PPRELEASE);
	self->fd = fd_close(self->fd);
}

static void begin_claim(struct dev_parallel *self);

static void on_returned(struct path_wait *wait)
{
	struct dev_parallel *self = container_of(wait, struct dev_parallel, returned);
	struct error err = {0};
	path_wait_start(wait, self->base.params.loop, path_of(self), on_returned);
	int r = open_port(self, &err);
	if (r == 0) {
		path_wait_stop(wait);
		begin_claim(self);
		return;
	}
	self->fd = fd_close(self->fd);
	if (r != -ENOENT)
		report(self, BACKEND_IDLE, r, err.message);
}

static void on_task(struct loop_task *task)
{
	struct dev_parallel *self = container_of(task, struct dev_parallel, task);
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	if (closed == NULL) {
		begin_claim(self);
		return;
	}
	free(self);
	closed(device);
}

static void on_released(struct loop_job *job)
{
	struct dev_parallel *self = container_of(job, struct dev_parallel, job);
	self->working = false;
	if (self->closed != NULL)
		loop_task_post(&self->task);
	else if (self->stream.told_gone)
		path_wait_start(
			&self->returned, self->base.params.loop, path_of(self), on_returned);
}

static void begin_release(struct dev_parallel *self)
{
	self->working = true;
	int r = loop_job_submit(&self->job, self->base.params.loop, release_port, on_released);
	if (r < 0) {
		release_port(&self->job);
		on_released(&self->job);
	}
}

static void on_stream_closed(struct stream *stream)
{
	struct dev_parallel *self = container_of(stream, struct dev_parallel, stream.base);
	self->stream_there = false;
	if (self->closed == NULL && self->stream.told_gone)
		report(self, BACKEND_IDLE, self->stream.failure,
			"the port was unplugged; waiting for it to return");
	else if (self->closed == NULL)
		report(self, BACKEND_IDLE, 0, "the port was closed");
	begin_release(self);
}

static void on_claimed(struct loop_job *job)
{
	struct dev_parallel *self = container_of(job, struct dev_parallel, job);
	const struct backend_params *params = &self->base.params;
	self->working = false;
	if (self->closed != NULL || self->claim_failure != 0) {
		if (self->closed == NULL)
			report(self, BACKEND_IDLE, self->claim_failure,
				"the port cannot be claimed for compatibility mode");
		begin_release(self);
		return;
	}
	printer_stream_init(&self->stream, params->loop, self->fd, on_stream_closed);
	self->stream_there = true;
	const struct peer_info info = {.kind = PEER_FILE, .name = path_of(self), .no_input = true};
	report(self, BACKEND_CONNECTED, 0, NULL);
	params->sink->peer(params->device, &self->stream.base, &info);
}

static void begin_claim(struct dev_parallel *self)
{
	self->working = true;
	report(self, BACKEND_CONNECTING, 0, "claiming the port");
	int r = loop_job_submit(&self->job, self->base.params.loop, claim_port, on_claimed);
	if (r < 0) {
		self->working = false;
		self->claim_failure = r;
		report(self, BACKEND_IDLE, r, "no thread to claim the port with");
	}
}

static void parallel_close(struct backend *backend, void (*closed)(void *device))
{
	struct dev_parallel *self = of(backend);
	self->closed = closed;
	path_wait_stop(&self->returned);
	loop_task_cancel(&self->task);
	if (self->stream_there || self->working)
		return; /* their end comes */
	if (self->fd >= 0)
		begin_release(self);
	else
		loop_task_post(&self->task);
}

static void parallel_describe(const struct backend *backend, struct backend_description *ret)
{
	describe_where(ret, "parallel port %s", backend->params.config->source.u.dev.path);
}

static const struct backend_ops ops = {
	.open = dev_parallel_open,
	.close = parallel_close,
	.describe = parallel_describe,
	.reopen = backend_has_no_file,
};

int dev_parallel_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct dev_parallel *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base.ops = &ops;
	self->base.params = *params;
	self->claim_failure = -EAGAIN; /* nothing is claimed yet */
	int r = open_port(self, err);
	if (r < 0) {
		fd_close(self->fd);
		free(self);
		return r;
	}
	loop_task_init(&self->task, params->loop, on_task);
	loop_task_post(&self->task);
	*ret = &self->base;
	return 0;
}
