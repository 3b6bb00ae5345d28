/* A stream onto a log; see log_stream.h. */
#include "backend/log_stream.h"

static struct log_stream *of(struct stream *stream)
{
	return container_of(stream, struct log_stream, base);
}

/* ---- the writer's owner ---------------------------------------------------------------------- */

static void on_written(void *user, size_t done, int failure)
{
	struct log_stream *log = user;
	log->in_flight = false;
	log->base.sink->written(log->base.consumer, done, failure);
	if (log->base.closing || log->in_flight || !log->want_writable)
		return;
	log->want_writable = false;
	log->base.sink->writable(log->base.consumer);
}

static void on_moved(void *user, uint64_t size)
{
	struct log_stream *log = user;
	log->owner->moved(log->user, size);
}

static void on_gap_told(void *user, uint64_t missed)
{
	struct log_stream *log = user;
	if (log->owner->gap_told != NULL)
		log->owner->gap_told(log->user, missed);
}

static uint64_t on_history(void *user)
{
	struct log_stream *log = user;
	return log->owner->history(log->user);
}

static void on_trouble(void *user, int code, const char *clause)
{
	struct log_stream *log = user;
	log->owner->trouble(log->user, code, clause);
}

static void on_closed(void *user)
{
	struct log_stream *log = user;
	log->base.on_closed(&log->base);
}

static const struct log_writer_owner writer_owner = {
	.written = on_written,
	.moved = on_moved,
	.gap_told = on_gap_told,
	.history = on_history,
	.trouble = on_trouble,
	.closed = on_closed,
};

/* ---- the stream ------------------------------------------------------------------------------ */

static void read_nothing(struct stream *stream)
{
}

static ssize_t write_borrowed(struct stream *stream, const struct iovec *iov, int count)
{
	struct log_stream *log = of(stream);
	if (log->in_flight) {
		log->want_writable = true;
		return 0;
	}
	log->in_flight = true;
	log_writer_write(log->writer, iov, count);
	return STREAM_BORROWED;
}

static int mark_gap(struct stream *stream, const struct stream_signal *signal)
{
	struct log_stream *log = of(stream);
	if (signal->type != STREAM_SIGNAL_GAP)
		return -EOPNOTSUPP;
	log_writer_gap(log->writer, log_writer_size(log->writer), on_history(log), signal->u.gap);
	return 0;
}

static void close_stream(struct stream *stream)
{
	log_writer_close(of(stream)->writer);
}

static const struct stream_ops log_stream_ops = {
	.name = "log",
	.read_start = read_nothing,
	.read_stop = read_nothing,
	.write = write_borrowed,
	.signal = mark_gap,
	.close = close_stream,
};

int log_stream_init(struct log_stream *log, const struct log_writer_params *params,
	void (*on_stream_closed)(struct stream *stream), struct error *err)
{
	struct log_writer_params own = *params;
	*log = (struct log_stream){.owner = params->owner, .user = params->user};
	stream_init(&log->base, &log_stream_ops, on_stream_closed);
	own.owner = &writer_owner;
	own.user = log;
	return log_writer_new(&own, &log->writer, err);
}
