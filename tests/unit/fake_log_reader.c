/* A log that is empty, and remembers how it was asked for; see fake_log_reader.h. */
#include "fake_log_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct fake_log_asked fake_log_asked;

struct log_reader {
	const struct log_reader_sink *sink;
	void *user;
	struct loop_task end, closed_task;
	void (*closed)(void *user);
};

static void on_end(struct loop_task *task)
{
	struct log_reader *reader = container_of(task, struct log_reader, end);
	reader->sink->end(reader->user, 0, "");
}

static void on_closed(struct loop_task *task)
{
	struct log_reader *reader = container_of(task, struct log_reader, closed_task);
	void (*closed)(void *user) = reader->closed;
	void *user = reader->user;
	free(reader);
	closed(user);
}

int log_reader_new(struct loop *loop, const char *path, const struct log_reader_start *start,
	const struct log_reader_sink *sink, void *user, struct log_reader **ret, struct error *err)
{
	struct log_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return error_set(err, -ENOMEM, "no memory for the log's reader");
	snprintf(fake_log_asked.path, sizeof(fake_log_asked.path), "%s", path);
	fake_log_asked.start = *start;
	fake_log_asked.count++;
	reader->sink = sink;
	reader->user = user;
	loop_task_init(&reader->end, loop, on_end);
	loop_task_init(&reader->closed_task, loop, on_closed);
	*ret = reader;
	return 0;
}

void log_reader_next(struct log_reader *reader)
{
	loop_task_post(&reader->end);
}

void log_reader_close(struct log_reader *reader, void (*closed)(void *user))
{
	reader->closed = closed;
	loop_task_cancel(&reader->end);
	loop_task_post(&reader->closed_task);
}
