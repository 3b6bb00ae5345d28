/*
 * A serial port of the host as a device's one peer: locked against other programs, set up, handed
 * out, and given back as it was. When it is unplugged the backend waits for its path to come back
 * and hands it out anew.
 */
#include "backend/describe.h"
#include "backend/dev.h"
#include "backend/path_wait.h"
#include "backend/table.h"
#include "backend/tty_line.h"
#include "backend/tty_stream.h"
#include "backend/uucp_lock.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	RETRY_MS = 1000, /* before a line that was just lost or busy is tried again */
	DRAIN_MS = 2000, /* how long the last bytes may take to leave the line */
	DRAIN_STEP_MS = 10,
};

struct dev_serial {
	struct backend base;
	int fd; /* -1 while there is none */
	struct uucp_lock lock;
	bool locked_out;                       /* it was the lock file that said "busy" */
	char lock_trouble[ERROR_MESSAGE_SIZE]; /* why there is no lock file; "" if there is one */
	struct tty_settings before;
	struct tty_stream stream;
	bool stream_there;
	bool lost; /* it is to be had anew; what was still to go out is not waited for */
	bool giving_back;
	uint64_t opened_ms;
	struct path_wait returned;
	struct loop_watch freed; /* of the lock file or the device of who has the line */
	struct loop_timer retry;
	struct loop_task task; /* hands out the line */
	struct loop_job give_back_job;
	void (*closed)(void *device);
};

static struct dev_serial *of(struct backend *backend)
{
	return container_of(backend, struct dev_serial, base);
}

static const char *path_of(const struct dev_serial *self)
{
	return self->base.params.config->source.u.dev.path;
}

static void report(
	struct dev_serial *self, enum backend_state state, int failure, const char *reason)
{
	const struct backend_params *params = &self->base.params;
	params->sink->state(params->device, state, failure, reason);
}

static int busy(const struct dev_serial *self, struct error *err)
{
	return error_set(
		err, -EBUSY, "\"%s\" is in use by another program; end it first", path_of(self));
}

static int open_device(struct dev_serial *self, struct error *err)
{
	const char *path = path_of(self);
	self->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (self->fd < 0 && errno == EBUSY)
		return busy(self, err);
	if (self->fd < 0)
		return error_set(err, -errno, "cannot open \"%s\": %s%s", path, error_text(errno),
			errno == EACCES ? "; join the group that may use it (dialout)" : "");
	if (!isatty(self->fd))
		return error_set(err, -ENOTTY, "\"%s\" is no serial port", path);
	if (flock(self->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return busy(self, err);
	int r = tty_line_configure(self->fd, self->base.params.config, &self->before, err);
	if (r < 0)
		return error_prefix(err, "\"%s\"", path);
	ioctl(self->fd, TIOCEXCL);
	return 0;
}

/* All or nothing. */
static int take_line(struct dev_serial *self, struct error *err)
{
	struct error lock_err = {0};
	int r = uucp_lock_take(&self->lock, path_of(self), &lock_err);
	self->locked_out = r == -EBUSY;
	if (self->locked_out)
		return error_set(err, r, "%s", lock_err.message);
	snprintf(self->lock_trouble, sizeof(self->lock_trouble), "%s", lock_err.message);
	r = open_device(self, err);
	if (r < 0) {
		self->fd = fd_close(self->fd);
		uucp_lock_release(&self->lock);
	}
	return r;
}

/* On a thread: the kernel would hold up close(2) itself for as long as output is unsent. */
static void give_back(struct loop_job *job)
{
	struct dev_serial *self = container_of(job, struct dev_serial, give_back_job);
	const struct timespec step = {.tv_nsec = DRAIN_STEP_MS * 1000000L};
	int unsent = 0;
	for (int waited = 0; !self->lost && waited < DRAIN_MS; waited += DRAIN_STEP_MS) {
		if (ioctl(self->fd, TIOCOUTQ, &unsent) < 0 || unsent == 0)
			break;
		nanosleep(&step, NULL);
	}
	tcflush(self->fd, TCOFLUSH);
	tty_line_restore(self->fd, &self->before);
	ioctl(self->fd, TIOCNXCL);
	self->fd = fd_close(self->fd);
}

static void on_timer_closed(struct loop_timer *timer)
{
	struct dev_serial *self = container_of(timer, struct dev_serial, retry);
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	free(self);
	closed(device);
}

static void await_return(struct dev_serial *self);

static void finish_give_back(struct dev_serial *self)
{
	self->giving_back = false;
	uucp_lock_release(&self->lock);
	if (self->closed != NULL)
		loop_timer_close(&self->retry, on_timer_closed);
	else if (self->lost)
		await_return(self);
}

static void on_given_back(struct loop_job *job)
{
	finish_give_back(container_of(job, struct dev_serial, give_back_job));
}

static void begin_give_back(struct dev_serial *self)
{
	self->giving_back = true;
	int r = loop_job_submit(
		&self->give_back_job, self->base.params.loop, give_back, on_given_back);
	if (r < 0) {
		self->lost = true; /* no thread: do not wait for the output */
		give_back(&self->give_back_job);
		finish_give_back(self);
	}
}

static void on_stream_closed(struct stream *stream)
{
	struct dev_serial *self = container_of(stream, struct dev_serial, stream.base);
	self->stream_there = false;
	self->lost = self->stream.told_gone || self->closed == NULL;
	if (self->closed == NULL && self->stream.told_gone)
		report(self, BACKEND_IDLE, self->stream.reason,
			"the line hung up or was unplugged; waiting for it to return");
	else if (self->closed == NULL)
		report(self, BACKEND_IDLE, -ENOMEM, "no memory to serve the line; trying again");
	begin_give_back(self);
}

/* Who says what the line shall be does not want it to be what the guest makes of it. */
static bool says_line(const struct device_config *config)
{
	const struct extensions *said = &config->extensions;
	return said->line.speed != 0 || said->line.bits != 0 || said->line.stop != 0 ||
	       said->line.parity != PARITY_DEFAULT || said->line.flow != FLOW_DEFAULT;
}

static void on_task(struct loop_task *task)
{
	struct dev_serial *self = container_of(task, struct dev_serial, task);
	const struct backend_params *params = &self->base.params;
	int r = tty_stream_init(&self->stream, params->loop, self->fd, on_stream_closed);
	self->lost = r < 0;
	self->opened_ms = loop_now_ms(params->loop);
	if (r < 0) {
		report(self, BACKEND_IDLE, r, error_text(r));
		begin_give_back(self);
		return;
	}
	self->stream_there = true;
	self->stream.keeps_line = says_line(params->config);
	const struct peer_info info = {.kind = PEER_CLIENT, .name = path_of(self)};
	report(self, BACKEND_CONNECTED, 0,
		self->lock_trouble[0] != '\0' ? self->lock_trouble : NULL);
	params->sink->peer(params->device, &self->stream.base, &info);
}

static void on_freed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct dev_serial *self = container_of(watch, struct dev_serial, freed);
	loop_timer_start(&self->retry, RETRY_MS);
}

/* Whoever has the line ends its lock file, or closes the device: that wakes us. */
static void await_freed(struct dev_serial *self)
{
	int r = loop_watch_init(&self->freed, self->base.params.loop,
		self->locked_out ? self->lock.path : path_of(self),
		self->locked_out ? IN_DELETE_SELF : IN_CLOSE, on_freed);
	if (r < 0)
		loop_timer_start(&self->retry, RETRY_MS);
}

static void on_returned(struct path_wait *wait)
{
	struct dev_serial *self = container_of(wait, struct dev_serial, returned);
	await_return(self);
}

/* What no watch can tell the end of. */
static bool is_shortage(int code)
{
	return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
}

/* The watch comes first: a path that appears between the two is not missed. */
static void await_return(struct dev_serial *self)
{
	struct loop *loop = self->base.params.loop;
	struct error err = {0};
	loop_watch_fini(&self->freed);
	int r = path_wait_start(&self->returned, loop, path_of(self), on_returned);
	if (r < 0) {
		report(self, BACKEND_IDLE, r, "cannot watch for its return; looking each second");
		loop_timer_start(&self->retry, RETRY_MS);
	}
	/* A line that hangs up as soon as it is opened must not keep us busy. */
	if (loop_now_ms(loop) - self->opened_ms < RETRY_MS) {
		loop_timer_start(&self->retry, RETRY_MS);
		return;
	}
	r = take_line(self, &err);
	if (r == 0) {
		path_wait_stop(&self->returned);
		loop_timer_stop(&self->retry);
		loop_task_post(&self->task);
		return;
	}
	if (r != -ENOENT)
		report(self, BACKEND_IDLE, r, err.message);
	if (r == -EBUSY)
		await_freed(self);
	else if (is_shortage(r))
		loop_timer_start(&self->retry, RETRY_MS);
}

static void on_retry(struct loop_timer *timer)
{
	await_return(container_of(timer, struct dev_serial, retry));
}

static void serial_close(struct backend *backend, void (*closed)(void *device))
{
	struct dev_serial *self = of(backend);
	self->closed = closed;
	path_wait_stop(&self->returned);
	loop_watch_fini(&self->freed);
	loop_timer_stop(&self->retry);
	loop_task_cancel(&self->task);
	if (self->stream_there || self->giving_back)
		return; /* their end comes */
	if (self->fd >= 0)
		begin_give_back(self);
	else
		loop_timer_close(&self->retry, on_timer_closed);
}

static void serial_describe(const struct backend *backend, struct backend_description *ret)
{
	describe_where(ret, "serial port %s", backend->params.config->source.u.dev.path);
}

static const struct backend_ops ops = {
	.open = dev_serial_open,
	.close = serial_close,
	.describe = serial_describe,
	.reopen = backend_has_no_file,
};

int dev_serial_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct dev_serial *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base.ops = &ops;
	self->base.params = *params;
	self->fd = -1;
	int r = take_line(self, err);
	if (r < 0) {
		free(self);
		return r;
	}
	loop_timer_init(&self->retry, params->loop, on_retry);
	loop_task_init(&self->task, params->loop, on_task);
	loop_task_post(&self->task);
	*ret = &self->base;
	return 0;
}
