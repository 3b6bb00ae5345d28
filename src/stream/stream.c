/* What all streams have in common; see stream.h. */
#include "stream/stream.h"

#include <assert.h>

void stream_init(struct stream *stream, const struct stream_ops *ops,
	void (*on_closed)(struct stream *stream))
{
	*stream = (struct stream){.ops = ops, .on_closed = on_closed};
}

void stream_attach(struct stream *stream, const struct stream_sink *sink, void *consumer)
{
	assert(stream->sink == NULL && !stream->closing);
	stream->sink = sink;
	stream->consumer = consumer;
}

void stream_read_start(struct stream *stream)
{
	if (!stream->closing)
		stream->ops->read_start(stream);
}

void stream_read_stop(struct stream *stream)
{
	if (!stream->closing)
		stream->ops->read_stop(stream);
}

ssize_t stream_write(struct stream *stream, const struct iovec *iov, int count)
{
	assert(count > 0 && count <= STREAM_MAX_PARTS);
	return stream->closing ? -EPIPE : stream->ops->write(stream, iov, count);
}

int stream_signal(struct stream *stream, const struct stream_signal *signal)
{
	return stream->closing ? -EPIPE : stream->ops->signal(stream, signal);
}

void stream_close(struct stream *stream)
{
	if (stream->closing)
		return;
	stream->closing = true;
	stream->sink = NULL;
	stream->ops->close(stream);
}
