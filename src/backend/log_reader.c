/*
 * Reads a log as one; see log_reader.h. A job has the catalog, the file that is open and the place
 * in the log, and brings one event; the loop tells it. Between the jobs nothing is read ahead.
 */
#include "backend/log_reader_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	WATCHED = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
		  IN_MOVE_SELF,
	WATCH_ENDED = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF,
};

/* ---- on the loop ----------------------------------------------------------------------------- */

static void close_all(struct loop_job *job)
{
	struct log_reader *reader = container_of(job, struct log_reader, job);
	log_source_close(&reader->source);
	log_catalog_fini(&reader->catalog);
}

static void end_close(struct loop_task *task)
{
	struct log_reader *reader = container_of(task, struct log_reader, closed_task);
	void (*closed)(void *user) = reader->closed;
	void *user = reader->user;
	log_source_close(&reader->source);
	log_catalog_fini(&reader->catalog);
	free(reader->directory);
	free(reader->path);
	free(reader);
	closed(user);
}

static void on_all_closed(struct loop_job *job)
{
	end_close(&container_of(job, struct log_reader, job)->closed_task);
}

/* Closing a file may block, too. */
static void begin_close(struct log_reader *reader)
{
	if (loop_job_submit(&reader->job, reader->loop, close_all, on_all_closed) < 0)
		loop_task_post(&reader->closed_task);
}

static void tell_end(struct log_reader *reader)
{
	struct error err = {0};
	if (reader->code < 0)
		error_set(&err, reader->code, "cannot read the log \"%s\": %s", reader->path,
			error_text(reader->code));
	reader->sink->end(reader->user, reader->code, err.message);
}

static void begin_job(struct log_reader *reader);

static void tell(struct log_reader *reader)
{
	reader->wanted = false;
	switch (reader->event) {
	case EVENT_BYTES:
		reader->sink->bytes(
			reader->user, reader->place - reader->size, reader->bytes, reader->size);
		break;
	case EVENT_MARK:
		reader->sink->mark(
			reader->user, reader->place, reader->mark.time_ms, reader->mark.what);
		break;
	case EVENT_GAP:
		reader->sink->gap(reader->user, reader->place, reader->missed);
		break;
	default:
		tell_end(reader);
		break;
	}
}

static void finish(struct log_reader *reader)
{
	reader->busy = false;
	if (atomic_load(&reader->closing)) {
		begin_close(reader);
	} else if (reader->event == EVENT_LAST && reader->code == 0 && reader->start.follow) {
		if (reader->changed)
			begin_job(reader);
	} else {
		tell(reader);
	}
}

static void on_produced(struct loop_job *job)
{
	finish(container_of(job, struct log_reader, job));
}

static void on_not_started(struct loop_task *task)
{
	finish(container_of(task, struct log_reader, not_started));
}

static void begin_job(struct log_reader *reader)
{
	reader->busy = true;
	reader->changed = false;
	int code = loop_job_submit(&reader->job, reader->loop, log_reader_produce, on_produced);
	if (code < 0) {
		reader->event = EVENT_LAST;
		reader->code = code;
		loop_task_post(&reader->not_started);
	}
}

static void look_again(struct log_reader *reader)
{
	reader->changed = true;
	if (reader->wanted && !reader->busy)
		begin_job(reader);
}

static void on_directory_changed(struct path_wait *wait);

static void on_watched(struct loop_watch *watch, uint32_t mask, const char *name);

/* The directory, or what is to become it. */
static int arm(struct log_reader *reader)
{
	int code;
	do {
		loop_watch_fini(&reader->watch);
		path_wait_stop(&reader->path_wait);
		reader->watch = (struct loop_watch){0};
		reader->path_wait = (struct path_wait){0};
		code = loop_watch_init(
			&reader->watch, reader->loop, reader->directory, WATCHED, on_watched);
		if (code != -ENOENT && code != -ENOTDIR)
			return code;
		reader->watch = (struct loop_watch){0};
		code = path_wait_start(
			&reader->path_wait, reader->loop, reader->directory, on_directory_changed);
		/* What came before the wait began is not told. */
	} while (code == 0 && access(reader->directory, F_OK) == 0);
	return code;
}

static void arm_again(struct log_reader *reader)
{
	if (arm(reader) == 0) {
		look_again(reader);
		return;
	}
	/* Nobody would ever wake us: the next look is the last one. */
	reader->start.follow = false;
	look_again(reader);
}

static void on_directory_changed(struct path_wait *wait)
{
	arm_again(container_of(wait, struct log_reader, path_wait));
}

static void on_watched(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct log_reader *reader = container_of(watch, struct log_reader, watch);
	if ((mask & WATCH_ENDED) != 0)
		arm_again(reader);
	else if (name == NULL || strncmp(name, reader->name, strlen(reader->name)) == 0)
		look_again(reader);
}

/* ---- from outside ---------------------------------------------------------------------------- */

static int copy_path(struct log_reader *reader, const char *path)
{
	const char *slash = strrchr(path, '/');
	reader->path = strdup(path);
	reader->directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	if (reader->path == NULL || reader->directory == NULL)
		return -ENOMEM;
	reader->name = reader->path + (slash != NULL ? slash + 1 - path : 0);
	/* "/var/log/" is watched as "/var/log". */
	size_t n = strlen(reader->directory);
	if (n > 1 && reader->directory[n - 1] == '/')
		reader->directory[n - 1] = '\0';
	return 0;
}

int log_reader_new(struct loop *loop, const char *path, const struct log_reader_start *start,
	const struct log_reader_sink *sink, void *user, struct log_reader **ret, struct error *err)
{
	struct log_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	reader->loop = loop;
	reader->sink = sink;
	reader->user = user;
	reader->start = *start;
	reader->source = (struct log_source){.fd = -1, .index_fd = -1};
	atomic_init(&reader->closing, false);
	loop_task_init(&reader->not_started, loop, on_not_started);
	loop_task_init(&reader->closed_task, loop, end_close);
	int code = copy_path(reader, path);
	if (code == 0)
		code = log_catalog_init(&reader->catalog, path, &reader->closing);
	if (code == 0 && start->follow)
		code = arm(reader);
	if (code < 0) {
		log_catalog_fini(&reader->catalog);
		free(reader->directory);
		free(reader->path);
		free(reader);
		return error_set(
			err, code, "cannot read the log \"%s\": %s", path, error_text(code));
	}
	*ret = reader;
	return 0;
}

void log_reader_next(struct log_reader *reader)
{
	reader->wanted = true;
	begin_job(reader);
}

void log_reader_close(struct log_reader *reader, void (*closed)(void *user))
{
	atomic_store(&reader->closing, true);
	reader->closed = closed;
	loop_watch_fini(&reader->watch);
	path_wait_stop(&reader->path_wait);
	if (!reader->busy)
		begin_close(reader);
}
