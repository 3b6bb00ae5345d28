/*
 * The domain's log file; see domain_log.h.
 *
 * One write is in flight for the file. Streams that want to write meanwhile wait for their turn:
 * the list of streams is its order, and who has written goes to its end.
 */
#include "backend/domain_log.h"

#include "util/fd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line_stream {
	struct stream base;
	struct list link;
	struct domain_log *log;
	const struct domain_log_owner *owner;
	void *user;
	struct loop_task closed_task;
	char *held; /* the start of a line, taken from the device and not yet written */
	size_t held_size;
	bool waiting;   /* was refused: `writable` is due */
	bool flush_due; /* is alone now: nothing need be held */
};

/* What is being written: a newline that ends another's line, held, borrowed, a newline that cuts.
 */
enum { WRITE_PARTS = STREAM_MAX_PARTS + 3 };
_Static_assert((int)WRITE_PARTS <= (int)LOG_WRITER_PARTS, "the writer takes them all");

struct domain_log {
	struct loop *loop;
	char *path;
	struct log_limits limits;
	struct log_share *share;
	struct log_writer *log_writer;   /* NULL while there are no streams */
	struct line_stream *last_closed; /* waits for the end of log_writer */
	struct list streams;
	int count;

	/* The stream whose unfinished line ends the file; NULL and torn: it has closed since. */
	struct line_stream *last;
	bool torn;

	struct line_stream *writer; /* whose write is in flight */
	bool telling;               /* within a callback after a write: nobody begins another */
	struct loop_task turn_task;
	struct iovec parts[WRITE_PARTS];
	int part_count;
	size_t before;   /* of the other's newline, */
	size_t held;     /* of held bytes, */
	size_t borrowed; /* and of the device's, how many are being written */
	bool borrows;
	size_t written;
	int failure;
};

static char newline[] = "\n";

static struct line_stream *of(struct stream *stream)
{
	return container_of(stream, struct line_stream, base);
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
	struct line_stream *s = log->writer;
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

static void on_written(void *user, size_t done, int failure)
{
	struct domain_log *log = user;
	log->written = done;
	log->failure = failure;
	finish_write(log);
}

static void add_part(struct domain_log *log, void *base, size_t size)
{
	if (size > 0)
		log->parts[log->part_count++] = (struct iovec){base, size};
}

/* Writes what s holds, then the first `size` bytes offered, then, if `cut`, a newline. */
static void begin_write(struct line_stream *s, const struct iovec *iov, size_t size, bool cut)
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
	log_writer_write(log->log_writer, log->parts, log->part_count);
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

static bool hold(struct line_stream *s, const struct iovec *iov, size_t size)
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
	struct line_stream *s = of(stream);
	struct domain_log *log = s->log;
	if (log->writer != NULL || log->telling) {
		s->waiting = true;
		return 0;
	}
	size_t offered =
		min_size(iov_total(iov, count), LOG_WRITER_MAX_WRITE - DOMAIN_LOG_MAX_LINE - 2);
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
			struct line_stream *s = container_of(node, struct line_stream, link);
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

static int mark_gap(struct stream *stream, const struct stream_signal *signal)
{
	struct log_writer *writer = of(stream)->log->log_writer;
	if (signal->type != STREAM_SIGNAL_GAP)
		return -EOPNOTSUPP;
	log_writer_gap(writer, log_writer_size(writer), LOG_MARK_NO_HISTORY, signal->u.gap);
	return 0;
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
	.signal = mark_gap,
	.close = close_stream,
};

/* ---- the writer ------------------------------------------------------------------------------ */

/* Another file begins: nobody's line stands at its end. */
static void on_moved(void *user, uint64_t size)
{
	struct domain_log *log = user;
	if (size > 0)
		return;
	log->torn = false;
	log->last = NULL;
}

static uint64_t on_history(void *user)
{
	return LOG_MARK_NO_HISTORY;
}

/* One of them tells it for all. */
static void on_trouble(void *user, int code, const char *clause)
{
	const struct domain_log *log = user;
	list_for_each(node, &log->streams) {
		const struct line_stream *s = container_of(node, struct line_stream, link);
		if (!s->base.closing) {
			s->owner->trouble(s->user, code, clause);
			return;
		}
	}
}

static void on_writer_closed(void *user)
{
	struct domain_log *log = user;
	struct line_stream *s = log->last_closed;
	log->log_writer = NULL;
	log->last_closed = NULL;
	s->base.on_closed(&s->base);
}

static const struct log_writer_owner writer_owner = {
	.written = on_written,
	.moved = on_moved,
	.history = on_history,
	.trouble = on_trouble,
	.closed = on_writer_closed,
};

/* ---- streams come and go --------------------------------------------------------------------- */

static void on_closed_task(struct loop_task *task)
{
	struct line_stream *s = container_of(task, struct line_stream, closed_task);
	struct domain_log *log = s->log;
	list_remove(&s->link);
	log->count--;
	if (log->last == s)
		log->last = NULL;
	if (log->count == 0) {
		log->last_closed = s;
		log_writer_close(log->log_writer);
		return;
	}
	if (log->count == 1) {
		container_of(log->streams.next, struct line_stream, link)->flush_due = true;
		loop_task_post(&log->turn_task);
	}
	s->base.on_closed(&s->base);
}

int domain_log_new(
	const struct domain_log_params *params, struct domain_log **ret, struct error *err)
{
	struct domain_log *log = calloc(1, sizeof(*log));
	if (log == NULL || (log->path = strdup(params->path)) == NULL) {
		free(log);
		return error_set(err, -ENOMEM, "out of memory");
	}
	log->loop = params->loop;
	log->limits = params->limits;
	log->share = params->share;
	list_init(&log->streams);
	loop_task_init(&log->turn_task, log->loop, on_turn);
	*ret = log;
	return 0;
}

struct log_limits domain_log_limits(const struct domain *domain)
{
	static const struct extensions nothing_said = {.log.max_backups = -1};
	for (size_t i = 0; i < domain->device_count; i++) {
		const struct device_config *device = &domain->devices[i];
		const struct extensions *said = &device->extensions;
		if (device->source.type == SOURCE_STDIO &&
			(said->log.max_size_set || said->log.max_backups >= 0 ||
				said->log.timestamps != TRISTATE_ABSENT ||
				said->log.compress != TRISTATE_ABSENT))
			return log_limits_of(said);
	}
	return log_limits_of(&nothing_said);
}

const char *domain_log_path(const struct domain_log *log)
{
	return log->path;
}

static int open_writer(struct domain_log *log, struct error *err)
{
	const struct log_writer_params params = {
		.loop = log->loop,
		.path = log->path,
		.limits = log->limits,
		.append = true,
		.share = log->share,
		.owner = &writer_owner,
		.user = log,
	};
	if (log->last_closed != NULL)
		return error_set(err, -EBUSY, "\"%s\" is still being closed; try again", log->path);
	return log->log_writer != NULL ? 0 : log_writer_new(&params, &log->log_writer, err);
}

int domain_log_stream_new(struct domain_log *log, const struct domain_log_owner *owner, void *user,
	void (*on_closed)(struct stream *stream), struct stream **ret, struct error *err)
{
	struct line_stream *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int r = open_writer(log, err);
	if (r < 0) {
		free(s);
		return r;
	}
	stream_init(&s->base, &ops, on_closed);
	s->log = log;
	s->owner = owner;
	s->user = user;
	loop_task_init(&s->closed_task, log->loop, on_closed_task);
	list_append(&log->streams, &s->link);
	log->count++;
	*ret = &s->base;
	return 0;
}

void *domain_log_stream_owner(const struct stream *stream)
{
	return container_of(stream, const struct line_stream, base)->user;
}

void domain_log_stream_free(struct stream *stream)
{
	if (stream == NULL)
		return;
	free(of(stream)->held);
	free(of(stream));
}

void domain_log_reopen(struct domain_log *log)
{
	if (log->log_writer != NULL && log->last_closed == NULL)
		log_writer_reopen(log->log_writer);
}

struct domain_log *domain_log_free(struct domain_log *log)
{
	if (log == NULL)
		return NULL;
	assert(list_is_empty(&log->streams) && log->log_writer == NULL);
	loop_task_cancel(&log->turn_task);
	free(log->path);
	free(log);
	return NULL;
}
