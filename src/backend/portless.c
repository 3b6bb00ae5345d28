/* Backends that nobody connects to; see portless.h. */
#include "backend/portless.h"

#include <stdlib.h>

struct portless {
	struct backend base;
	struct loop_task close_task;
	void (*closed)(void *device);
};

static void on_close_task(struct loop_task *task)
{
	struct portless *self = container_of(task, struct portless, close_task);
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
	loop_task_init(&self->close_task, params->loop, on_close_task);
	*ret = &self->base;
	return 0;
}

void portless_close(struct backend *backend, void (*closed)(void *device))
{
	struct portless *self = container_of(backend, struct portless, base);
	self->closed = closed;
	loop_task_post(&self->close_task);
}
