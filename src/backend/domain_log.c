/*
 * The domain's log file; see domain_log.h.
 *
 * One write is in flight for the file. Streams that want to write meanwhile wait for their turn:
 * the list of streams is its order, and who has written goes to its end.
 */
#include "backend/domain_log.h"

#include "backend/log_file.h"
#include "stream/file_stream.h"
#include "util/fd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct log_stream {
	struct stream base;
	struct list link;
	struct domain_log *log;
	void *owner;
	struct loop_task closed_task;
	char *held; /* the start of a line, taken from the device and not yet written */
	size_t held_size;
	bool waiting;   /* was refused: `writable` is due */
	bool flush_due; /* is alone now: nothing need be held */
};

/* What is being written: a newline that ends another's line, held, borrowed, a newline that cuts.
 */
enum { WRITE_PARTS = STREAM_MAX_PARTS + 3 };

struct domain_log {
	struct loop *loop;
	char *path;
	int fd;
	struct list streams;
	int count;

	/* The stream whose unfinished line ends the file; NULL and torn: it has closed since. */
	struct log_stream *last;
	bool torn;

	struct log_stream *writer; /* whose write is in flight */
	bool telling;              /* within a callback after a write: nobody begins another */
	struct loop_task turn_task;
	struct loop_task not_started;
	struct loop_job job;
	struct iovec parts[WRITE_PARTS];
	int part_count;
	size_t before;   /* of the other's newline, */
	size_t held;     /* of held bytes, */
	size_t borrowed; /* and of the device's, how many are being written */
	bool borrows;
	size_t written; /* by the thread */
	int failure;
};

static char newline[] = "\n";

static struct log_stream *of(struct stream *stream)
{
	return container_of(stream, struct log_stream, base);
}

/* On a thread. */
static void write_parts(struct loop_job *job)
{
	struct domain_log *log = container_of(job, struct domain_log, job);
	struct iovec iov[WRITE_PARTS];
	memcpy(iov, log->parts, sizeof(iov));
	int count = iov_skip(iov, log->part_count, 0);
	while (count > 0) {
		ssize_t n = writev(log->fd, iov, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			log->failure = -errno;
			return;
		}
		log->written += (size_t)n;
		count = iov_skip(iov, count, (size_t)n);
	}
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char last_written(const struct domain_log *log)
{
	size_t at = log->written - 1;
	int i = 0;
	for (; at >= log->parts[i].iov_len; i++)
		at -= log->parts[i].iov_len;
	return ((const char *)log->parts[i].iov_base)[at];
}

static void finish_write(struct domain_log *log)
{
	struct log_stream *s = log->writer;
	if (log->written > 0) {
		log->torn = last_written(log) != '\n';
		log->last = log->torn ? s : NULL;
	}
	size_t n = log->written - min_size(log->written, log->before);
	size_t held = min_size(n, log->held);
	if (held > 0)
		memmove(s->held, s->held + held, s->held_size - held);
	s->held_size -= held;
	size_t done = min_size(n - held, log->borrowed);
	list_remove(&s->link);
	list_append(&log->streams, &s->link);
	log->writer = NULL;
	if (s->base.closing) {
		if (log->failure != 0)
			s->held_size = 0; /* there is no later */
	} else if (log->borrows) {
		log->telling = true;
		s->base.sink->written(s->base.consumer, done, log->failure);
		log->telling = false;
	}
	loop_task_post(&log->turn_task);
}

static void on_written(struct loop_job *job)
{
	finish_write(container_of(job, struct domain_log, job));
}

/* No thread could be had: a failed write that nothing was written of. */
static void on_not_started(struct loop_task *task)
{
	finish_write(container_of(task, struct domain_log, not_started));
}

static void add_part(struct domain_log *log, void *base, size_t size)
{
	if (size > 0)
		log->parts[log->part_count++] = (struct iovec){base, size};
}

/* Writes what s holds, then the first `size` bytes offered, then, if `cut`, a newline. */
static void begin_write(struct log_stream *s, const struct iovec *iov, size_t size, bool cut)
{
	struct domain_log *log = s->log;
	log->writer = s;
	log->part_count = 0;
	log->written = 0;
	log->failure = 0;
	log->before = log->torn && log->last != s ? 1 : 0;
	log->held = s->held_size;
	log->borrowed = size;
	log->borrows = size > 0;
	add_part(log, newline, log->before);
	add_part(log, s->held, s->held_size);
	for (int i = 0; size > 0; i++) {
		size_t n = min_size(iov[i].iov_len, size);
		add_part(log, iov[i].iov_base, n);
		size -= n;
	}
	add_part(log, newline, cut ? 1 : 0);
	int r = loop_job_submit(&log->job, log->loop, write_parts, on_written);
	if (r < 0) {
		log->failure = r;
		loop_task_post(&log->not_started);
	}
}

/* Where the next newline is among the bytes from `at` on; `limit` when there is none before it. */
static size_t find_newline(const struct iovec *iov, size_t at, size_t limit)
{
	size_t start = 0;
	for (int i = 0; start < limit; start += iov[i++].iov_len) {
		size_t end = min_size(start + iov[i].iov_len, limit);
		if (at >= end)
			continue;
		const char *base = iov[i].iov_base;
		const char *found = memchr(base + (at - start), '\n', end - at);
		if (found != NULL)
			return start + (size_t)(found - base);
		at = end;
	}
	return limit;
}

/* How much of what is offered are whole lines, after `held` bytes of the first one. */
static size_t whole_lines(const struct iovec *iov, size_t offered, size_t held, bool *ret_cut)
{
	size_t at = 0;
	*ret_cut = false;
	for (;;) {
		size_t end = find_newline(iov, at, offered);
		if (held + end - at > DOMAIN_LOG_MAX_LINE) {
			*ret_cut = true;
			return at + DOMAIN_LOG_MAX_LINE - held;
		}
		if (end == offered)
			return at;
		at = end + 1;
		held = 0;
	}
}

static bool hold(struct log_stream *s, const struct iovec *iov, size_t size)
{
	if (s->held == NULL)
		s->held = malloc(DOMAIN_LOG_MAX_LINE);
	if (s->held == NULL)
		return false;
	for (int i = 0; size > 0; i++) {
		size_t n = min_size(iov[i].iov_len, size);
		memcpy(s->held + s->held_size, iov[i].iov_base, n);
		s->held_size += n;
		size -= n;
	}
	return true;
}

static ssize_t write_lines(struct stream *stream, const struct iovec *iov, int count)
{
	struct log_stream *s = of(stream);
	struct domain_log *log = s->log;
	if (log->writer != NULL || log->telling) {
		s->waiting = true;
		return 0;
	}
	size_t offered = min_size(iov_total(iov, count), FILE_STREAM_MAX_WRITE);
	size_t size = offered;
	bool cut = false;
	if (log->count > 1) {
		size = whole_lines(iov, offered, s->held_size, &cut);
		if (size == 0 && !cut && hold(s, iov, offered))
			return (ssize_t)offered;
		if (size == 0 && !cut)
			size = offered; /* no memory: rather a torn line than a lost one */
	}
	begin_write(s, iov, size, cut);
	/* Also of nothing, when what is held is a whole cut line: whether that failed is told. */
	log->borrows = true;
	return STREAM_BORROWED;
}

/* Gives the next one its turn. */
static void on_turn(struct loop_task *task)
{
	struct domain_log *log = container_of(task, struct domain_log, turn_task);
	bool found = true;
	while (log->writer == NULL && found) {
		found = false;
		list_for_each(node, &log->streams) {
			struct log_stream *s = container_of(node, struct log_stream, link);
			if (s->held_size > 0 && (s->base.closing || s->flush_due)) {
				s->flush_due = false; /* if it fails, the next write has it */
				begin_write(s, NULL, 0, s->base.closing && log->count > 1);
				return;
			}
			if (s->base.closing) {
				loop_task_post(&s->closed_task);
			} else if (s->waiting) {
				s->waiting = false;
				found = true;
				s->base.sink->writable(s->base.consumer);
				break;
			}
		}
	}
}

static void ignore_reading(struct stream *stream)
{
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void close_stream(struct stream *stream)
{
	loop_task_post(&of(stream)->log->turn_task);
}

static const struct stream_ops ops = {
	.name = "domain log",
	.read_start = ignore_reading,
	.read_stop = ignore_reading,
	.write = write_lines,
	.signal = send_signal,
	.close = close_stream,
};

static void on_closed_task(struct loop_task *task)
{
	struct log_stream *s = container_of(task, struct log_stream, closed_task);
	struct domain_log *log = s->log;
	list_remove(&s->link);
	log->count--;
	if (log->last == s)
		log->last = NULL;
	if (log->count == 1) {
		container_of(log->streams.next, struct log_stream, link)->flush_due = true;
		loop_task_post(&log->turn_task);
	}
	s->base.on_closed(&s->base);
}

int domain_log_new(struct loop *loop, const char *path, struct domain_log **ret, struct error *err)
{
	struct domain_log *log = calloc(1, sizeof(*log));
	if (log == NULL || (log->path = strdup(path)) == NULL) {
		free(log);
		return error_set(err, -ENOMEM, "out of memory");
	}
	log->loop = loop;
	log->fd = -1;
	list_init(&log->streams);
	loop_task_init(&log->turn_task, loop, on_turn);
	loop_task_init(&log->not_started, loop, on_not_started);
	*ret = log;
	return 0;
}

const char *domain_log_path(const struct domain_log *log)
{
	return log->path;
}

int domain_log_stream_new(struct domain_log *log, void *owner,
	void (*on_closed)(struct stream *stream), struct stream **ret, struct error *err)
{
	int r = log->fd >= 0 ? 0 : log_file_open(log->path, true, &log->fd, err);
	if (r < 0)
		return r;
	struct log_stream *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	stream_init(&s->base, &ops, on_closed);
	s->log = log;
	s->owner = owner;
	loop_task_init(&s->closed_task, log->loop, on_closed_task);
	list_append(&log->streams, &s->link);
	log->count++;
	*ret = &s->base;
	return 0;
}

void *domain_log_stream_owner(const struct stream *stream)
{
	return container_of(stream, const struct log_stream, base)->owner;
}

void domain_log_stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	free(of(stream)->held);
	free(of(stream));
}

struct domain_log *domain_log_free(struct domain_log *log)
{
	if (log == NULL)
		return NULL;
	assert(list_is_empty(&log->streams));
	loop_task_cancel(&log->turn_task);
	fd_close(log->fd);
	free(log->path);
	free(log);
	return NULL;
}
