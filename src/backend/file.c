/*
 * <serial type='file'>: all output goes into a file, which is the one peer and always there. No
 * input. The file is not removed at the end: it is what the person asked for.
 *
 * Here stands only who opens it and who owns the stream; the writing, on threads, with rotation, is
 * log_stream.h.
 */
#include "backend/describe.h"
#include "backend/log_stream.h"
#include "backend/table.h"

#include <stdio.h>
#include <stdlib.h>

struct file_backend {
	struct backend base;
	struct log_stream stream;
	bool stream_open;
	struct loop_task task; /* hands out the peer, then, at the end, reports the close */
	void (*closed)(void *device);
};

static void on_task(struct loop_task *task)
{
	struct file_backend *self = container_of(task, struct file_backend, task);
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
		.name = params->config->source.u.file.path,
		.no_input = true,
	};
	params->sink->peer(params->device, &self->stream.base, &info);
	if (!self->stream.base.closing)
		params->sink->state(params->device, BACKEND_CONNECTED, 0, NULL);
}

static void on_stream_closed(struct stream *stream)
{
	struct file_backend *self = container_of(stream, struct file_backend, stream.base);
	const struct backend_params *params = &self->base.params;
	self->stream_open = false;
	if (self->closed != NULL)
		loop_task_post(&self->task);
	else
		params->sink->state(params->device, BACKEND_IDLE, 0, "the file was closed");
}

/* How much of the history it has is the device's to know. */
static uint64_t on_history(void *user)
{
	return LOG_MARK_NO_HISTORY;
}

static void on_moved(void *user, uint64_t size)
{
}

static void on_trouble(void *user, int code, const char *clause)
{
	struct file_backend *self = user;
	const struct backend_params *params = &self->base.params;
	char reason[PEER_REASON_SIZE];
	snprintf(reason, sizeof(reason), "%s: %s", params->config->source.u.file.path, clause);
	params->sink->state(params->device, BACKEND_CONNECTED, code, reason);
}

static const struct log_writer_owner writer_owner = {
	.moved = on_moved,
	.history = on_history,
	.trouble = on_trouble,
};

static int file_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	const struct source *source = &params->config->source;
	struct file_backend *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	const struct log_writer_params writer_params = {
		.loop = params->loop,
		.path = source->u.file.path,
		.limits = log_limits_of(&params->config->extensions),
		.append = source->u.file.append == TRISTATE_YES || params->continued,
		.share = params->log_share,
		.owner = &writer_owner,
		.user = self,
	};
	int r = log_stream_init(&self->stream, &writer_params, on_stream_closed, err);
	if (r < 0) {
		free(self);
		return r;
	}
	self->base.ops = &file_backend;
	self->base.params = *params;
	self->stream_open = true;
	loop_task_init(&self->task, params->loop, on_task);
	loop_task_post(&self->task);
	*ret = &self->base;
	return 0;
}

static void file_close(struct backend *backend, void (*closed)(void *device))
{
	struct file_backend *self = container_of(backend, struct file_backend, base);
	self->closed = closed;
	loop_task_cancel(&self->task);
	/* Nobody has it yet when the device ends before its first turn. */
	stream_close(&self->stream.base);
	if (!self->stream_open)
		loop_task_post(&self->task);
}

static void file_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct file_backend *self = container_of(backend, const struct file_backend, base);
	const char *path = backend->params.config->source.u.file.path;
	describe_where(ret, "file %s", path);
	describe_command(ret, "tail -f ", path, "");
	ret->has_file = self->stream_open;
	if (ret->has_file)
		log_writer_status(self->stream.writer, &ret->file);
}

static void file_reopen(struct backend *backend)
{
	struct file_backend *self = container_of(backend, struct file_backend, base);
	if (self->stream_open && !self->stream.base.closing)
		log_writer_reopen(self->stream.writer);
}

const struct backend_ops file_backend = {
	.open = file_open,
	.close = file_close,
	.describe = file_describe,
	.reopen = file_reopen,
};
