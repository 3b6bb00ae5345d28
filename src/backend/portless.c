/* Backends that nobody connects to; see portless.h. */
#include "backend/portless.h"

#include "util/fd.h"

#include <stdlib.h>

struct portless {
	struct backend base;
	struct stream nobody; /* takes every byte, gives none */
	bool given;           /* to the device, which has not closed it yet */
	struct loop_task give_task;
	struct loop_task close_task;
	void (*closed)(void *device); /* NULL until the backend is to be closed */
};

/* ---- the stream to nobody -------------------------------------------------------------------- */

static void do_nothing(struct stream *stream)
{
	(void)stream;
}

static ssize_t take_all(struct stream *stream, const struct iovec *iov, int count)
{
	return (ssize_t)iov_total(iov, count);
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void close_nobody(struct stream *stream)
{
	struct portless *self = container_of(stream, struct portless, nobody);
	loop_task_post(&self->close_task);
}

static const struct stream_ops nobody_ops = {
	.name = "nobody",
	.read_start = do_nothing,
	.read_stop = do_nothing,
	.write = take_all,
	.signal = no_signal,
	.close = close_nobody,
};

static void on_nobody_closed(struct stream *stream)
{
	container_of(stream, struct portless, nobody)->given = false;
}

/* ---- the backend ----------------------------------------------------------------------------- */

static void on_give_task(struct loop_task *task)
{
	struct portless *self = container_of(task, struct portless, give_task);
	const struct peer_info info = {.kind = PEER_LOSSY, .name = "nobody", .no_input = true};
	self->given = true;
	self->base.params.sink->peer(self->base.params.device, &self->nobody, &info);
}

/* Ends the stream, the backend, or both: whichever asked first has to wait for its own call. */
static void on_close_task(struct loop_task *task)
{
	struct portless *self = container_of(task, struct portless, close_task);
	if (self->given && self->nobody.closing)
		self->nobody.on_closed(&self->nobody);
	if (self->closed == NULL)
		return;
	void (*closed)(void *device) = self->closed;
	void *device = self->base.params.device;
	free(self);
	closed(device);
}

int portless_open(const struct backend_params *params, const struct backend_ops *ops,
	struct backend **ret, struct error *err)
{
	struct portless *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	self->base.ops = ops;
	self->base.params = *params;
	stream_init(&self->nobody, &nobody_ops, on_nobody_closed);
	loop_task_init(&self->give_task, params->loop, on_give_task);
	loop_task_init(&self->close_task, params->loop, on_close_task);
	loop_task_post(&self->give_task);
	*ret = &self->base;
	return 0;
}

void portless_close(struct backend *backend, void (*closed)(void *device))
{
	struct portless *self = container_of(backend, struct portless, base);
	self->closed = closed;
	loop_task_cancel(&self->give_task);
	loop_task_post(&self->close_task);
}
