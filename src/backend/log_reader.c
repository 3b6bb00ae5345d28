/*
 * Reads a log as one; see log_reader.h. A job has the catalog, the file that is open and the place
 * in the log, and brings one event; the loop tells it. Between the jobs nothing is read ahead.
 */
#include "backend/log_reader.h"

#include "backend/log_catalog.h"
#include "backend/path_wait.h"
#include "util/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum event { EVENT_NONE, EVENT_BYTES, EVENT_MARK, EVENT_GAP, EVENT_LAST };

enum {
	WATCHED = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |
		  IN_MOVE_SELF,
	WATCH_ENDED = IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF,
};

struct log_reader {
	struct loop *loop;
	const struct log_reader_sink *sink;
	void *user;
	struct log_reader_start start;
	char *path;
	char *directory;
	const char *name; /* in path */

	/* Following: what has happened to the log's files. */
	struct loop_watch watch;
	struct path_wait path_wait; /* for the directory */
	bool changed;
	bool wanted; /* the caller waits for an event */

	/* The job's own while it runs. */
	bool busy;
	struct loop_job job;
	struct loop_task not_started;
	struct log_catalog catalog;
	struct log_source source;
	uint64_t place; /* in the log, of what is to come */
	bool begun;     /* the place is known */
	bool drained;   /* what is open was read to its end after it had left its name */
	enum event event;
	char bytes[LOG_READER_PIECE_MAX];
	size_t size;
	struct log_mark mark;
	uint64_t missed;
	int code;

	atomic_bool closing;
	struct loop_task closed_task;
	void (*closed)(void *user);
};

/* ---- in the job: from one file to the next --------------------------------------------------- */

static int find_start(struct log_reader *reader)
{
	if (reader->start.has_tail)
		return log_catalog_tail(&reader->catalog, reader->start.tail, &reader->place);
	if (reader->start.has_since)
		return log_catalog_since(&reader->catalog, reader->start.since_ms, &reader->place);
	reader->place = 0;
	return 0;
}

static void tell_gap(struct log_reader *reader, uint64_t place, uint64_t missed)
{
	reader->event = EVENT_GAP;
	reader->place = place;
	reader->missed = missed;
}

/* Marks before where it begins: only the last time is of interest, that of the first bytes. */
static void skip_marks(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	struct log_mark mark;
	bool has_time = false;
	while (log_source_mark(source, &mark) && mark.offset < source->offset) {
		reader->mark.time_ms = mark.time_ms;
		has_time = true;
		log_source_pass_mark(source);
	}
	if (!has_time || reader->event != EVENT_NONE)
		return;
	reader->event = EVENT_MARK;
	reader->mark.what[0] = '\0';
}

static void leave_source(struct log_reader *reader)
{
	log_source_close(&reader->source);
	reader->drained = false;
}

/* Nothing more is there, for now or at all. */
static void end_for_now(struct log_reader *reader)
{
	reader->event = EVENT_LAST;
	reader->code = 0;
}

/* FILE before its first byte: its index, which says where it begins, comes with that. */
static bool is_unborn(const struct log_source *source)
{
	return source->number < 0 && !source->has_start && source->length == 0;
}

static int open_next(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	int code = reader->begun ? 0 : find_start(reader);
	if (code == 0)
		code = log_catalog_open(&reader->catalog, reader->place, source);
	if (code == -ENOENT) {
		end_for_now(reader);
		return 0;
	}
	if (code < 0)
		return code;
	if (is_unborn(source)) {
		leave_source(reader);
		end_for_now(reader);
		return 0;
	}
	uint64_t at = source->start + source->offset;
	if (reader->begun && at != reader->place)
		tell_gap(reader, at, at > reader->place ? at - reader->place : 0);
	reader->begun = true;
	reader->place = at;
	skip_marks(reader);
	return 0;
}

/* It was cut by others (copytruncate): it begins anew, and who knows what was in between. */
static int follow_cut(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	source->start = reader->place;
	source->index_fd = fd_close(source->index_fd);
	source->index_at = 0;
	source->index_held = 0;
	tell_gap(reader, reader->place, 0);
	return log_source_seek(source, 0);
}

static int at_end(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	if (log_source_is_current(source, &reader->catalog.files)) {
		if (source->length < source->offset)
			return follow_cut(reader);
		end_for_now(reader);
		return 0;
	}
	/* Something may have been written between our last look and its last byte. */
	if (!reader->drained) {
		reader->drained = true;
	} else if (source->number < 0 && !log_catalog_has_current(&reader->catalog)) {
		/* Moved away, and nothing in its place yet: it may still be written to. */
		reader->drained = false;
		end_for_now(reader);
	} else {
		leave_source(reader);
	}
	return 0;
}

/* ---- in the job: marks and bytes ------------------------------------------------------------- */

static void tell_mark(struct log_reader *reader, const struct log_mark *mark)
{
	uint64_t position;
	log_source_pass_mark(&reader->source);
	if (log_mark_is_start(mark, &position))
		return;
	reader->mark = *mark;
	reader->event = EVENT_MARK;
}

static int read_bytes(struct log_reader *reader, uint64_t limit)
{
	struct log_source *source = &reader->source;
	size_t n = limit < sizeof(reader->bytes) ? (size_t)limit : sizeof(reader->bytes);
	ssize_t got = log_source_read(source, reader->bytes, n);
	if (got == -EBADMSG) {
		/* A compressed file that is damaged: what it had is lost, what follows is not. */
		tell_gap(reader, source->start + source->length, source->length - source->offset);
		leave_source(reader);
		return 0;
	}
	if (got <= 0)
		return got < 0 ? (int)got : at_end(reader);
	reader->event = EVENT_BYTES;
	reader->size = (size_t)got;
	reader->place += (uint64_t)got;
	return 0;
}

/*
 * The length first, then the index: marks are written before their bytes, so that those of all
 * bytes up to that length are there.
 */
static int advance(struct log_reader *reader)
{
	struct log_source *source = &reader->source;
	struct log_mark mark;
	if (source->fd < 0)
		return open_next(reader);
	int code = log_source_refresh(source);
	if (code < 0)
		return code;
	if (source->index_fd < 0 && source->length > source->offset)
		log_source_find_index(source, &reader->catalog.files);
	bool has_mark = log_source_mark(source, &mark);
	uint64_t left = source->length > source->offset ? source->length - source->offset : 0;
	if (has_mark && (mark.offset <= source->offset || left == 0)) {
		tell_mark(reader, &mark);
		return 0;
	}
	if (left == 0)
		return at_end(reader);
	if (has_mark && mark.offset - source->offset < left)
		left = mark.offset - source->offset;
	return read_bytes(reader, left);
}

static void produce(struct loop_job *job)
{
	struct log_reader *reader = container_of(job, struct log_reader, job);
	reader->event = EVENT_NONE;
	reader->code = 0;
	while (reader->event == EVENT_NONE && reader->code == 0)
		reader->code = atomic_load(&reader->closing) ? -ECANCELED : advance(reader);
	if (reader->code < 0)
		reader->event = EVENT_LAST;
}

static void close_all(struct loop_job *job)
{
	struct log_reader *reader = container_of(job, struct log_reader, job);
	log_source_close(&reader->source);
	log_catalog_fini(&reader->catalog);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

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
	int code = loop_job_submit(&reader->job, reader->loop, produce, on_produced);
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
