/* What all layers have in common; see layer.h. */
#include "stream/layer.h"

static void on_closed(struct stream *stream)
{
	struct layer *layer = container_of(stream, struct layer, base);
	const struct layer_listener *listener = layer->params.listener;
	void *owner = layer->params.owner;
	layer->free(layer);
	listener->closed(owner);
}

/* The layer is its lower stream's consumer, also after that was closed. */
static void on_lower_closed(struct stream *lower)
{
	struct layer *layer = lower->consumer;
	layer->lower_closed(lower);
	layer->base.on_closed(&layer->base);
}

void layer_init(struct layer *layer, const struct stream_ops *ops, struct stream *lower,
	const struct stream_sink *lower_sink, const struct layer_params *params,
	void (*free)(struct layer *layer))
{
	stream_init(&layer->base, ops, on_closed);
	layer->params = *params;
	layer->lower = lower;
	layer->lower_closed = lower->on_closed;
	layer->free = free;
	lower->on_closed = on_lower_closed;
	stream_attach(lower, lower_sink, layer);
}

void layer_close_lower(struct layer *layer)
{
	stream_close(layer->lower);
}
