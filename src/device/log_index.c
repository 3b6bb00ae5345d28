/* The index beside a raw log; see log_index.h. */
#include "device/log_index.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 128 };

struct gap {
	uint64_t log_offset;
	uint64_t history_offset;
	uint64_t missed;
	struct timespec when;
};

struct log_index {
	struct loop *loop;
	char *path;
	struct gap waiting[LOG_INDEX_MAX_PENDING];
	size_t waiting_count;
	/* The job's own: what it is writing now. */
	struct loop_job job;
	struct gap writing[LOG_INDEX_MAX_PENDING];
	size_t writing_count;
	int failure;
	bool in_flight;
	bool again; /* asked for while one was in flight, which may fail for what is over by now */
	struct loop_task close_task;
	bool closing;
	void (*closed)(void *user);
	void *user;
};

void log_index_free(struct log_index *index)
{
	if (index == NULL)
		return;
	free(index->path);
	free(index);
}

static void finish(struct loop_task *task)
{
	struct log_index *index = container_of(task, struct log_index, close_task);
	void (*closed)(void *user) = index->closed;
	void *user = index->user;
	log_index_free(index);
	closed(user);
}

struct log_index *log_index_new(struct loop *loop, const char *path)
{
	struct log_index *index = calloc(1, sizeof(*index));
	if (index == NULL)
		return NULL;
	index->loop = loop;
	loop_task_init(&index->close_task, loop, finish);
	if (asprintf(&index->path, "%s.idx", path) < 0) {
		free(index);
		return NULL;
	}
	return index;
}

static size_t format_gap(const struct gap *gap, char line[LINE_SIZE])
{
	struct tm utc;
	char time[32];
	gmtime_r(&gap->when.tv_sec, &utc);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &utc);
	return (size_t)snprintf(line, LINE_SIZE,
		"%" PRIu64 " %" PRIu64 " %s.%03ldZ gap %" PRIu64 "\n", gap->log_offset,
		gap->history_offset, time, gap->when.tv_nsec / 1000000, gap->missed);
}

/* On a thread. All lines or none: a part of a line is taken back, to be written again later. */
static void write_gaps(struct loop_job *job)
{
	struct log_index *index = container_of(job, struct log_index, job);
	char text[LOG_INDEX_MAX_PENDING * LINE_SIZE];
	size_t n = 0;
	for (size_t i = 0; i < index->writing_count; i++)
		n += format_gap(&index->writing[i], text + n);
	int fd = open(index->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat before;
	if (fd < 0 || fstat(fd, &before) < 0) {
		index->failure = -errno;
		fd_close(fd);
		return;
	}
	index->failure = fd_write_all(fd, text, n);
	if (index->failure != 0 && ftruncate(fd, before.st_size) < 0)
		index->failure = -errno;
	fd_close(fd);
}

static void add(struct log_index *index, const struct gap *gap);

static void wrote_gaps(struct loop_job *job)
{
	struct log_index *index = container_of(job, struct log_index, job);
	index->in_flight = false;
	if (index->failure != 0) {
		/* Back to those that wait, in their order. */
		struct gap newer[LOG_INDEX_MAX_PENDING];
		size_t newer_count = index->waiting_count;
		memcpy(newer, index->waiting, newer_count * sizeof(newer[0]));
		memcpy(index->waiting, index->writing, index->writing_count * sizeof(newer[0]));
		index->waiting_count = index->writing_count;
		for (size_t i = 0; i < newer_count; i++)
			add(index, &newer[i]);
	}
	if (index->failure == 0 || index->again)
		log_index_flush(index);
	if (index->closing && !index->in_flight)
		loop_task_post(&index->close_task);
}

void log_index_flush(struct log_index *index)
{
	index->again = index->in_flight;
	if (index->in_flight || index->waiting_count == 0)
		return;
	memcpy(index->writing, index->waiting, sizeof(index->writing));
	index->writing_count = index->waiting_count;
	index->waiting_count = 0;
	index->in_flight = loop_job_submit(&index->job, index->loop, write_gaps, wrote_gaps) == 0;
	if (!index->in_flight) {
		index->waiting_count = index->writing_count;
		memcpy(index->waiting, index->writing, sizeof(index->writing));
	}
}

static void add(struct log_index *index, const struct gap *gap)
{
	struct gap *last =
		index->waiting_count > 0 ? &index->waiting[index->waiting_count - 1] : NULL;
	bool same_place = last != NULL && last->log_offset == gap->log_offset;
	if (same_place || index->waiting_count == LOG_INDEX_MAX_PENDING) {
		last->missed += gap->missed;
		last->history_offset = gap->history_offset;
		return;
	}
	index->waiting[index->waiting_count++] = *gap;
}

void log_index_gap(
	struct log_index *index, uint64_t log_offset, uint64_t history_offset, uint64_t missed)
{
	struct gap gap = {
		.log_offset = log_offset,
		.history_offset = history_offset,
		.missed = missed,
	};
	clock_gettime(CLOCK_REALTIME, &gap.when);
	add(index, &gap);
	log_index_flush(index);
}

void log_index_close(struct log_index *index, void (*closed)(void *user), void *user)
{
	index->closing = true;
	index->closed = closed;
	index->user = user;
	if (!index->in_flight)
		log_index_flush(index);
	if (!index->in_flight)
		loop_task_post(&index->close_task);
}
