/*
 * <console type='stdio'>: output goes into the log file of the domain, which all its stdio devices
 * share (domain_log.h). All input is disabled. It has nothing to do with anybody's terminal.
 */
#include "backend/describe.h"
#include "backend/domain_log.h"
#include "backend/table.h"

#include <stdio.h>
#include <stdlib.h>

struct stdio_backend {
	struct backend base;
	struct stream *stream; /* NULL when closed */
	struct loop_task task; /* hands out the peer, then, at the end, reports the close */
	void (*closed)(void *device);
};

static void on_task(struct loop_task *task)
{
	struct stdio_backend *self = container_of(task, struct stdio_backend, task);
	const struct backend_params *params = &self->base.params;
	if (self->closed != NULL) {
		void (*closed)(void *device) = self->closed;
		void *device = params->device;
		free(self);
		closed(device);
		return;
	}
	const struct peer_info info = {
		.kind = PEER_FILE,
		.name = domain_log_path(params->domain_log),
		.no_input = true,
	};
	params->sink->state(params->device, BACKEND_CONNECTED, 0, NULL);
	params->sink->peer(params->device, self->stream, &info);
}

static void on_stream_closed(struct stream *stream)
{
	struct stdio_backend *self = domain_log_stream_owner(stream);
	const struct backend_params *params = &self->base.params;
	domain_log_stream_free(stream);
	self->stream = NULL;
	if (self->closed != NULL)
		loop_task_post(&self->task);
	else
		params->sink->state(params->device, BACKEND_IDLE, 0, "the log was closed");
}

static void on_trouble(void *user, int code, const char *clause)
{
	struct stdio_backend *self = user;
	const struct backend_params *params = &self->base.params;
	char reason[PEER_REASON_SIZE];
	snprintf(reason, sizeof(reason), "%s: %s", domain_log_path(params->domain_log), clause);
	params->sink->state(params->device, BACKEND_CONNECTED, code, reason);
}

static const struct domain_log_owner log_owner = {.trouble = on_trouble};

static int stdio_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	if (params->domain_log == NULL)
		return error_set(err, -EINVAL,
			"type='stdio' writes to the domain's log, and there is none here; name a "
			"file with type='file'");
	struct stdio_backend *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int r = domain_log_stream_new(
		params->domain_log, &log_owner, self, on_stream_closed, &self->stream, err);
	if (r < 0) {
		free(self);
		return r;
	}
	self->base.ops = &stdio_backend;
	self->base.params = *params;
	loop_task_init(&self->task, params->loop, on_task);
	loop_task_post(&self->task);
	*ret = &self->base;
	return 0;
}

static void stdio_close(struct backend *backend, void (*closed)(void *device))
{
	struct stdio_backend *self = container_of(backend, struct stdio_backend, base);
	self->closed = closed;
	loop_task_cancel(&self->task);
	if (self->stream != NULL)
		stream_close(self->stream); /* nobody has it yet, or it is closing */
	else
		loop_task_post(&self->task);
}

static void stdio_describe(const struct backend *backend, struct backend_description *ret)
{
	const char *path = domain_log_path(backend->params.domain_log);
	describe_where(ret, "domain log %s", path);
	describe_command(ret, "tail -f ", path, "");
}

/* All of them share it; it is asked once for each. */
static void stdio_reopen(struct backend *backend)
{
	domain_log_reopen(backend->params.domain_log);
}

const struct backend_ops stdio_backend = {
	.open = stdio_open,
	.close = stdio_close,
	.describe = stdio_describe,
	.reopen = stdio_reopen,
};
