/* libchardev's engine: the loop, nested in the caller's or by itself; see chardev.h, library.h. */
#include "lib/library.h"

#include "device/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* What a device's end may take by itself, and a little for the turns that it needs. */
	FREE_MS = DEVICE_END_MS + 500,
};

/* ---- telling --------------------------------------------------------------------------------- */

void library_note(struct chardev_device *device, unsigned notes)
{
	struct chardev_engine *engine = device->engine;
	if (device->closed)
		return;
	device->notes |= notes;
	if (list_is_empty(&device->noted_link))
		list_append(&engine->noted, &device->noted_link);
	if (engine->delivering)
		loop_task_post(&engine->deliver_task);
}

/* Within dispatch or run. A callback may close any device, which takes it off the list. */
static void deliver(struct loop_task *task)
{
	struct chardev_engine *engine = container_of(task, struct chardev_engine, deliver_task);
	struct list last;
	list_append(&engine->noted, &last);
	while (engine->noted.next != &last) {
		struct chardev_device *device =
			container_of(engine->noted.next, struct chardev_device, noted_link);
		list_remove(&device->noted_link);
		library_device_tell(device);
	}
	/* What was noted meanwhile has posted the task anew. */
	list_remove(&last);
}

void library_turn(struct chardev_engine *engine)
{
	if (engine->delivering)
		return; /* within a callback: the turn under way goes on after it */
	loop_task_cancel(&engine->deliver_task);
	loop_turn(engine->loop);
	if (!list_is_empty(&engine->noted))
		loop_task_post(&engine->deliver_task);
}

void chardev_engine_dispatch(struct chardev_engine *engine)
{
	if (engine->delivering)
		return;
	engine->delivering = true;
	loop_turn(engine->loop);
	engine->delivering = false;
}

void chardev_engine_run(struct chardev_engine *engine)
{
	if (engine->delivering)
		return;
	engine->delivering = true;
	loop_run(engine->loop);
	engine->delivering = false;
}

void chardev_engine_stop(struct chardev_engine *engine)
{
	loop_stop(engine->loop);
}

int chardev_engine_fd(const struct chardev_engine *engine)
{
	return loop_fd(engine->loop);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int chardev_engine_new(struct chardev_engine **ret_engine, struct chardev_error *error)
{
	struct error err = {0};
	struct chardev_engine *engine = calloc(1, sizeof(*engine));
	int code = engine == NULL ? -ENOMEM : loop_new(&engine->loop);
	if (code == 0) {
		code = loop_fd(engine->loop);
		if (code < 0)
			loop_free(engine->loop);
	}
	if (code < 0) {
		free(engine);
		error_set(&err, code, "cannot make an event loop: %s", error_text(code));
		return library_error(&err, error);
	}
	loop_task_init(&engine->deliver_task, engine->loop, deliver);
	list_init(&engine->devices);
	list_init(&engine->noted);
	list_init(&engine->logs);
	*ret_engine = engine;
	return 0;
}

struct chardev_engine *chardev_engine_free(struct chardev_engine *engine)
{
	if (engine == NULL || engine->delivering)
		return engine;
	list_for_each(link, &engine->devices) {
		struct chardev_device *device = container_of(link, struct chardev_device, link);
		if (device->closed)
			continue;
		device->closed = true;
		device_close(device->device, false);
	}
	loop_task_cancel(&engine->deliver_task);
	/* A disk that hangs keeps what it was given, and with it the loop. */
	if (loop_drain_within(engine->loop, FREE_MS) < 0)
		return NULL;
	loop_free(engine->loop);
	free(engine);
	return NULL;
}

/* ---- the logs of domains --------------------------------------------------------------------- */

int library_log_get(struct chardev_engine *engine, const struct domain *domain,
	const char *runtime_dir, struct library_log **ret, struct error *err)
{
	char name[RUNTIME_NAME_SIZE];
	char *path = NULL;
	runtime_name(domain->name, name);
	if (asprintf(&path, "%s/%s.log", runtime_dir, name) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	list_for_each(link, &engine->logs) {
		struct library_log *log = container_of(link, struct library_log, link);
		if (strcmp(domain_log_path(log->log), path) == 0) {
			free(path);
			log->users++;
			*ret = log;
			return 0;
		}
	}
	struct library_log *log = calloc(1, sizeof(*log));
	if (log == NULL) {
		free(path);
		return error_set(err, -ENOMEM, "out of memory");
	}
	const struct domain_log_params params = {
		.loop = engine->loop,
		.path = path,
		.limits = domain_log_limits(domain),
	};
	int code = domain_log_new(&params, &log->log, err);
	free(path);
	if (code < 0) {
		free(log);
		return code;
	}
	log->users = 1;
	list_append(&engine->logs, &log->link);
	*ret = log;
	return 0;
}

void library_log_put(struct library_log *log)
{
	if (log == NULL || --log->users > 0)
		return;
	list_remove(&log->link);
	domain_log_free(log->log);
	free(log);
}
