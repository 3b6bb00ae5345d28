/* A stream without a descriptor; see memory_stream.h. Each task is one event of it. */
#include "memory_stream.h"

#include "util/fd.h"

#include <string.h>

static struct memory_stream *of(struct stream *stream)
{
	return container_of(stream, struct memory_stream, base);
}

static size_t put(struct memory_stream *ms, const struct iovec *iov, int parts)
{
	size_t left = ms->size - ms->at;
	if (ms->piece != 0 && left > ms->piece)
		left = ms->piece;
	size_t done = 0;
	for (int i = 0; i < parts && left > 0; i++) {
		size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
		memcpy(iov[i].iov_base, ms->input + ms->at, n);
		ms->at += n;
		left -= n;
		done += n;
	}
	return done;
}

static void read_once(struct memory_stream *ms)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int parts = ms->base.sink->space(ms->base.consumer, iov);
	if (ms->base.closing || !ms->reading)
		return;
	if (parts == 0)
		ms->reading = false;
	else
		ms->base.sink->received(ms->base.consumer, put(ms, iov, parts));
}

static void on_task(struct loop_task *task)
{
	struct memory_stream *ms = container_of(task, struct memory_stream, task);
	if (ms->base.closing) {
		ms->base.on_closed(&ms->base);
		return;
	}
	if (ms->want_writable) {
		ms->want_writable = false;
		ms->base.sink->writable(ms->base.consumer);
	} else if (ms->reading && ms->at < ms->size) {
		read_once(ms);
	} else if (ms->ends && ms->at == ms->size && !ms->told_end) {
		ms->told_end = true;
		ms->base.sink->end_of_input(ms->base.consumer);
	} else if (ms->told_end && !ms->told_gone) {
		ms->told_gone = true;
		ms->base.sink->gone(ms->base.consumer, 0, 0);
		return;
	} else {
		return;
	}
	loop_task_post(&ms->task);
}

static void read_start(struct stream *stream)
{
	struct memory_stream *ms = of(stream);
	ms->reading = true;
	loop_task_post(&ms->task);
}

static void read_stop(struct stream *stream)
{
	of(stream)->reading = false;
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct memory_stream *ms = of(stream);
	size_t offered = iov_total(iov, count);
	size_t taken = 0;
	size_t most = ms->piece != 0 ? ms->piece : offered;
	if (ms->told_gone)
		return -EPIPE;
	for (int i = 0; i < count && taken < most && !ms->want_writable; i++) {
		size_t n = iov[i].iov_len < most - taken ? iov[i].iov_len : most - taken;
		if (ms->kept != NULL && ms->output + n <= ms->kept_size)
			memcpy(ms->kept + ms->output, iov[i].iov_base, n);
		ms->output += n;
		taken += n;
	}
	ms->want_writable = taken < offered;
	if (ms->want_writable)
		loop_task_post(&ms->task);
	return (ssize_t)taken;
}

static int no_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void close_stream(struct stream *stream)
{
	loop_task_post(&of(stream)->task);
}

static const struct stream_ops ops = {
	.name = "memory",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_some,
	.signal = no_signal,
	.close = close_stream,
};

void memory_stream_init(
	struct memory_stream *ms, struct loop *loop, void (*on_closed)(struct stream *stream))
{
	stream_init(&ms->base, &ops, on_closed);
	loop_task_init(&ms->task, loop, on_task);
}

void memory_stream_kick(struct memory_stream *ms)
{
	loop_task_post(&ms->task);
}
