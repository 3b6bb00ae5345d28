/*
 * The telnet layer, layer.h: moves bytes between a stream and the two codecs, telnet_codec.h and
 * rfc2217_codec.h, which know the protocol. Not here: what a signal does to anybody.
 *
 * Input. One chunk is staged, and decoded directly into the consumer's space. While the consumer
 * does not read, the lower stream is read for one more chunk, so that options are agreed on;
 * decoding stops before the first byte or signal that has its place among them. Input also waits
 * where its answers find no room: a peer that asks has to read.
 *
 * Output. One chunk is staged, encoded. The consumer is told to write on when it is all sent, and
 * not while the other side has suspended data. `unsent` counts what is staged as well; since it
 * counts the protocol's own bytes, too, it may be too much, and never exceeds what was taken. A
 * closed layer sends what is still staged, as a kernel does for a socket, if that is soon done.
 */
#include "stream/layer.h"
#include "stream/rfc2217_codec.h"
#include "stream/telnet_codec.h"
#include "util/fd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(RFC2217_MESSAGES_SIZE_MAX + 3 <= TELNET_ANSWER_MAX, "all that an event may answer");

/* What a signal takes on the wire at most, but for what COM-PORT-OPTION says. */
enum { SIGNAL_SIZE_MAX = 16 };

struct telnet {
	struct layer layer;
	struct loop_task ready_task;
	struct loop_task deliver_task;
	struct telnet_codec codec;
	struct rfc2217 port;
	bool port_is_on;
	bool port_is_refused;

	bool reading; /* the consumer's wish */
	bool input_ended;
	bool told_end;
	bool is_gone;
	bool told_gone;
	int reason;
	size_t in_at;
	size_t in_end;

	bool want_writable;
	bool is_borrowed; /* what is sent, up to where the wire ended then */
	int output_failure;
	struct telnet_wire wire;
	size_t sent;     /* of the wire: the lower stream has taken it */
	uint64_t taken;  /* from the consumer, ever */
	uint64_t unsent; /* of what is not on the wire any more */

	struct loop_timer linger_timer; /* closed, with output staged */
	bool is_lingering;

	uint8_t in[LAYER_CHUNK];
	uint8_t out[LAYER_CHUNK];
};

static struct telnet *of(struct stream *stream)
{
	return container_of(stream, struct telnet, layer.base);
}

static bool is_closing(const struct telnet *telnet)
{
	return telnet->layer.base.closing;
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void discard_output(struct telnet *telnet, int failure)
{
	if (telnet->output_failure == 0) {
		telnet->output_failure = failure;
		telnet->unsent += telnet->wire.end - telnet->sent;
	}
	telnet->sent = telnet->wire.end = 0; /* later answers, to nobody, do not count */
}

/* Sends what the lower stream takes, and makes the room that this leaves usable. */
static void flush(struct telnet *telnet)
{
	struct telnet_wire *wire = &telnet->wire;
	if (telnet->output_failure != 0)
		discard_output(telnet, telnet->output_failure);
	if (telnet->is_borrowed || wire->end == 0)
		return;
	struct iovec iov = {wire->bytes + telnet->sent, wire->end - telnet->sent};
	ssize_t n = stream_write(telnet->layer.lower, &iov, 1);
	if (n == STREAM_BORROWED) {
		telnet->is_borrowed = true;
		return;
	}
	if (n < 0) {
		discard_output(telnet, (int)n);
		return;
	}
	telnet->sent += (size_t)n;
	memmove(wire->bytes, wire->bytes + telnet->sent, wire->end - telnet->sent);
	wire->end -= telnet->sent;
	telnet->sent = 0;
}

static void tell_writable(struct telnet *telnet)
{
	bool is_dead = telnet->output_failure != 0; /* which the next write is told */
	if (!telnet->want_writable || telnet->told_gone ||
		(!is_dead && (telnet->wire.end > 0 || telnet->port.suspended)))
		return;
	telnet->want_writable = false;
	telnet->layer.base.sink->writable(telnet->layer.base.consumer);
}

static void say(struct telnet *telnet, const struct rfc2217_messages *messages)
{
	for (size_t i = 0; i < messages->count; i++)
		telnet_codec_port(
			&telnet->codec, messages->message[i].bytes, messages->message[i].size);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void signal_consumer(struct telnet *telnet, const struct stream_signal *signal)
{
	telnet->layer.base.sink->signalled(telnet->layer.base.consumer, signal);
}

static void on_port_message(struct telnet *telnet, const struct telnet_result *r)
{
	struct rfc2217_messages messages;
	struct stream_signal signal;
	bool has_signal =
		rfc2217_receive(&telnet->port, r->payload, r->payload_size, &messages, &signal);
	say(telnet, &messages);
	if (has_signal)
		signal_consumer(telnet, &signal);
}

static void on_event(struct telnet *telnet, const struct telnet_result *r)
{
	struct rfc2217_messages messages;
	struct stream_signal signal = {.type = STREAM_SIGNAL_BREAK};
	switch (r->event) {
	case TELNET_EVENT_BREAK:
		signal_consumer(telnet, &signal);
		break;
	case TELNET_EVENT_WINDOW:
		signal.type = STREAM_SIGNAL_WINDOW;
		signal.u.window = r->window;
		signal_consumer(telnet, &signal);
		break;
	case TELNET_EVENT_PORT_BEGIN:
		telnet->port_is_on = true;
		telnet->port_is_refused = false;
		rfc2217_begin(&telnet->port, &messages);
		say(telnet, &messages);
		break;
	case TELNET_EVENT_PORT_REFUSE:
		telnet->port_is_on = false;
		telnet->port_is_refused = true;
		rfc2217_end(&telnet->port);
		break;
	case TELNET_EVENT_PORT:
		on_port_message(telnet, r);
		break;
	default:
		break;
	}
}

/* Where the next bytes go; of size 0 while the consumer takes none. */
static struct iovec consumer_space(struct telnet *telnet)
{
	struct iovec iov[STREAM_MAX_PARTS];
	struct stream *base = &telnet->layer.base;
	if (telnet->reading && base->sink->space(base->consumer, iov) == 0)
		telnet->reading = false;
	/* It may have stopped reading, or closed, from within. */
	return telnet->reading && !base->closing ? iov[0] : (struct iovec){NULL, 0};
}

/* Decodes up to the next event. False: no further for now. */
static bool decode(struct telnet *telnet)
{
	struct stream *base = &telnet->layer.base;
	struct iovec space = consumer_space(telnet);
	if (is_closing(telnet))
		return false;
	if (telnet->wire.size - telnet->wire.end < TELNET_ANSWER_MAX)
		flush(telnet);
	struct telnet_result r = telnet_codec_decode(&telnet->codec, telnet->in + telnet->in_at,
		telnet->in_end - telnet->in_at, space.iov_base, space.iov_len);
	telnet->in_at += r.taken;
	if (r.size > 0)
		base->sink->received(base->consumer, r.size);
	if (r.event != TELNET_EVENT_NONE && !is_closing(telnet))
		on_event(telnet, &r);
	return r.taken > 0 && !is_closing(telnet);
}

/* All input is delivered: reads on, or tells what there is instead. */
static void go_on(struct telnet *telnet)
{
	struct stream *base = &telnet->layer.base;
	if (!telnet->input_ended && !telnet->is_gone) {
		stream_read_start(telnet->layer.lower);
		return;
	}
	if (telnet->input_ended && !telnet->told_end && base->sink != NULL) {
		telnet->told_end = true;
		base->sink->end_of_input(base->consumer);
	}
	if (telnet->is_gone && !telnet->told_gone && base->sink != NULL) {
		uint64_t unsent = telnet->unsent;
		telnet->told_gone = true;
		base->sink->gone(base->consumer, telnet->reason,
			unsent < telnet->taken ? unsent : telnet->taken);
	}
}

static void on_linger_timer_closed(struct loop_timer *timer)
{
	layer_close_lower(&container_of(timer, struct telnet, linger_timer)->layer);
}

static void end_linger(struct telnet *telnet)
{
	if (telnet->is_lingering)
		loop_timer_close(&telnet->linger_timer, on_linger_timer_closed);
	telnet->is_lingering = false;
}

static void on_lingered(struct loop_timer *timer)
{
	end_linger(container_of(timer, struct telnet, linger_timer));
}

/* Hands over what is staged, as far as it goes. From the loop only. */
static void deliver(struct telnet *telnet)
{
	if (is_closing(telnet)) {
		flush(telnet);
		if (telnet->wire.end == 0)
			end_linger(telnet);
		return;
	}
	while (telnet->in_at < telnet->in_end && decode(telnet))
		;
	if (is_closing(telnet))
		return;
	flush(telnet);
	if (telnet->in_at == telnet->in_end)
		go_on(telnet);
	if (!is_closing(telnet))
		tell_writable(telnet);
}

static void on_deliver(struct loop_task *task)
{
	deliver(container_of(task, struct telnet, deliver_task));
}

static void on_ready(struct loop_task *task)
{
	struct telnet *telnet = container_of(task, struct telnet, ready_task);
	telnet->layer.params.listener->ready(telnet->layer.params.owner);
	if (!is_closing(telnet))
		deliver(telnet);
}

/* ---- the lower stream's sink ----------------------------------------------------------------- */

static int lower_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct telnet *telnet = consumer;
	if (telnet->in_at < telnet->in_end || is_closing(telnet))
		return 0;
	iov[0] = (struct iovec){telnet->in, sizeof(telnet->in)};
	return 1;
}

static void lower_received(void *consumer, size_t n)
{
	struct telnet *telnet = consumer;
	telnet->in_at = 0;
	telnet->in_end = n;
	deliver(telnet);
	if (!is_closing(telnet) && telnet->in_at < telnet->in_end)
		stream_read_stop(telnet->layer.lower);
}

/* What is below telnet has no signals. */
static void lower_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void lower_writable(void *consumer)
{
	deliver(consumer);
}

static void lower_written(void *consumer, size_t done, int failure)
{
	struct telnet *telnet = consumer;
	telnet->is_borrowed = false;
	telnet->sent += done;
	if (failure != 0)
		discard_output(telnet, failure);
	else if (telnet->sent == telnet->wire.end)
		telnet->sent = telnet->wire.end = 0;
	deliver(telnet);
}

static void lower_end_of_input(void *consumer)
{
	struct telnet *telnet = consumer;
	telnet->input_ended = true;
	deliver(telnet);
}

static void lower_gone(void *consumer, int reason, uint64_t unsent)
{
	struct telnet *telnet = consumer;
	telnet->is_gone = true;
	telnet->is_borrowed = false;
	telnet->reason = reason;
	telnet->unsent += unsent;
	discard_output(telnet, -EPIPE);
	deliver(telnet);
}

static const struct stream_sink lower_sink = {
	.space = lower_space,
	.received = lower_received,
	.signalled = lower_signalled,
	.writable = lower_writable,
	.written = lower_written,
	.end_of_input = lower_end_of_input,
	.gone = lower_gone,
};

/* ---- the operations -------------------------------------------------------------------------- */

static void start_reading(struct stream *stream)
{
	struct telnet *telnet = of(stream);
	telnet->reading = true;
	loop_task_post(&telnet->deliver_task);
}

static void stop_reading(struct stream *stream)
{
	of(stream)->reading = false;
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct telnet *telnet = of(stream);
	struct iovec rest[STREAM_MAX_PARTS];
	size_t taken = 0;
	if (telnet->output_failure != 0)
		return telnet->output_failure;
	memcpy(rest, iov, (size_t)count * sizeof(*iov));
	count = iov_skip(rest, count, 0);
	/* As long as all that is staged is sent: after that, `writable` will come. */
	while (count > 0 && !telnet->port.suspended) {
		size_t n = telnet_codec_encode(&telnet->codec, rest->iov_base, rest->iov_len);
		taken += n;
		count = iov_skip(rest, count, n);
		if (n > 0 && count > 0)
			continue;
		flush(telnet);
		if (telnet->output_failure != 0)
			return telnet->output_failure;
		if (telnet->wire.end > 0)
			break;
	}
	telnet->taken += taken;
	telnet->want_writable = count > 0;
	return (ssize_t)taken;
}

/* What has COM-PORT-OPTION for a carrier, now or as soon as the other side agrees. */
static int send_port_signal(struct telnet *telnet, const struct stream_signal *signal)
{
	struct rfc2217_messages messages;
	bool is_kept = telnet->layer.params.is_server || !telnet->port_is_refused;
	if (!telnet->port_is_on && (signal->type == STREAM_SIGNAL_PURGE || !is_kept))
		return -EOPNOTSUPP;
	int rc = rfc2217_tell(&telnet->port, signal, &messages);
	if (rc == 0 && telnet->port_is_on)
		say(telnet, &messages);
	return rc;
}

static int put_signal(struct telnet *telnet, const struct stream_signal *signal)
{
	switch (signal->type) {
	case STREAM_SIGNAL_BREAK:
		if (!telnet->port_is_on || send_port_signal(telnet, signal) < 0)
			telnet_codec_break(&telnet->codec);
		return 0;
	case STREAM_SIGNAL_WINDOW:
		if (telnet->layer.params.is_server)
			return -EOPNOTSUPP;
		telnet_codec_window(&telnet->codec, signal->u.window);
		return 0;
	case STREAM_SIGNAL_GAP:
		return -EOPNOTSUPP;
	default:
		return send_port_signal(telnet, signal);
	}
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	struct telnet *telnet = of(stream);
	if (telnet->output_failure != 0)
		return telnet->output_failure;
	if (!telnet_codec_has_room(&telnet->codec, RFC2217_MESSAGES_SIZE_MAX + SIGNAL_SIZE_MAX)) {
		telnet->want_writable = true;
		return -EAGAIN;
	}
	int rc = put_signal(telnet, signal);
	flush(telnet);
	return rc;
}

static void close_stream(struct stream *stream)
{
	struct telnet *telnet = of(stream);
	loop_task_cancel(&telnet->ready_task);
	loop_task_cancel(&telnet->deliver_task);
	flush(telnet);
	if (telnet->wire.end == 0) {
		layer_close_lower(&telnet->layer);
		return;
	}
	stream_read_stop(telnet->layer.lower);
	loop_timer_init(&telnet->linger_timer, telnet->layer.params.loop, on_lingered);
	loop_timer_start(&telnet->linger_timer, LAYER_LINGER_MS);
	telnet->is_lingering = true;
}

static void release(struct layer *layer)
{
	struct telnet *telnet = container_of(layer, struct telnet, layer);
	telnet_codec_fini(&telnet->codec);
	free(telnet);
}

static const struct stream_ops ops = {
	.name = "telnet",
	.read_start = start_reading,
	.read_stop = stop_reading,
	.write = write_some,
	.signal = send_signal,
	.close = close_stream,
};

static int wrap(struct stream *lower, const struct layer_params *params, struct stream **ret)
{
	struct telnet *telnet = calloc(1, sizeof(*telnet));
	if (telnet == NULL)
		return -ENOMEM;
	telnet->wire = (struct telnet_wire){telnet->out, sizeof(telnet->out), 0};
	int rc = telnet_codec_init(&telnet->codec, params->is_server, &telnet->wire);
	if (rc < 0) {
		free(telnet);
		return rc;
	}
	rfc2217_init(&telnet->port, params->is_server);
	loop_task_init(&telnet->ready_task, params->loop, on_ready);
	loop_task_init(&telnet->deliver_task, params->loop, on_deliver);
	layer_init(&telnet->layer, &ops, lower, &lower_sink, params, release);
	flush(telnet);
	loop_task_post(&telnet->ready_task);
	*ret = &telnet->layer.base;
	return 0;
}

const struct layer_type layer_telnet = {
	.name = "telnet",
	.wrap = wrap,
};
