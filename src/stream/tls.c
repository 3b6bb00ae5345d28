/*
 * The layer of TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over any stream, with GnuTLS: the handshake
 * with its deadline, then the bytes. Who may come is tls_peer.c's, where bytes wait tls_wire.c's
 * matter.
 *
 * Reading is direct: GnuTLS deciphers into the space that the consumer gives. A record is made of
 * what the consumer offers only when the one before has gone to the stream below.
 *
 * An end of the stream below without TLS's own (close_notify) is an end of input like any other:
 * real programs leave so. Whoever can cut a connection can thus cut its bytes short, as with TCP.
 *
 * TLS's own end is answered, for programs wait for it (RFC 5246, 7.2.1 demands it): by a client at
 * once, by a server when its output has been quiet for a moment, so that who ends its input first
 * still gets what that led to. With the answer both directions are over.
 *
 * There is no renegotiation, no resumption and no early data: sessions are few and long.
 */
#include "stream/tls_layer.h"
#include "util/fd.h"

#include <assert.h>
#include <stdlib.h>

enum {
	HANDSHAKE_MS = 10 * 1000,
	QUIET_MS = 1000, /* without output, after the other side's end */
};

static struct tls *of(struct stream *stream)
{
	return container_of(stream, struct tls, layer.base);
}

static const struct stream_sink *sink_of(const struct tls *tls)
{
	return tls->layer.base.sink;
}

static void *consumer_of(const struct tls *tls)
{
	return tls->layer.base.consumer;
}

static bool is_closing(const struct tls *tls)
{
	return tls->layer.base.closing;
}

/* ---- input ----------------------------------------------------------------------------------- */

static bool has_input(const struct tls *tls)
{
	return !tls->input_over &&
	       (tls_wire_has_input(&tls->wire) || gnutls_record_check_pending(tls->session) > 0);
}

/* Who refuses us has read nothing of what was sent meanwhile. Else it is not known. */
static uint64_t unsent_when_broken(const struct tls *tls, int failure)
{
	return failure == -EKEYREJECTED ? tls->sent.plain : 0;
}

/* A session that TLS itself ends, with `code`. */
static void end_session(struct tls *tls, int code)
{
	const struct layer_params *params = &tls->layer.params;
	tls_send_alert(tls, code);
	int failure = tls_peer_explain(tls->session, tls->credentials, code, &tls->error);
	tls_end(tls);
	bool told = params->listener->broken != NULL;
	if (told)
		params->listener->broken(params->owner, failure, tls->error.message);
	if (!is_closing(tls))
		sink_of(tls)->gone(
			consumer_of(tls), told ? 0 : failure, unsent_when_broken(tls, failure));
}

static void end_input(struct tls *tls)
{
	tls->input_over = true;
	tls_wire_received(&tls->wire, 0);
}

static void on_close_notify(struct tls *tls)
{
	tls->notified = true;
	end_input(tls);
}

/* Says our end as well, if there is room for it. */
static void say_end(struct tls *tls)
{
	if (!tls_wire_is_flushed(&tls->wire))
		return;
	gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	tls_wire_flush(&tls->wire);
}

static void answer_end(struct tls *tls)
{
	bool flushed = tls_wire_is_flushed(&tls->wire);
	say_end(tls);
	tls_end(tls);
	sink_of(tls)->gone(
		consumer_of(tls), 0, flushed ? 0 : tls_sent_missing(&tls->sent, tls->wire.taken));
}

/* A client's server is gone, but for what it still takes of what has been given to it. */
static bool may_answer_at_once(const struct tls *tls)
{
	return tls->notified && !tls->layer.params.is_server && tls_wire_is_flushed(&tls->wire);
}

static void await_quiet(struct tls *tls)
{
	tls->wrote = false;
	loop_timer_start(&tls->deadline, QUIET_MS);
}

/* Into the space given; the second part is only for what GnuTLS has deciphered already. */
static void receive(struct tls *tls, const struct iovec *iov, int parts)
{
	ssize_t n = gnutls_record_recv(tls->session, iov[0].iov_base, iov[0].iov_len);
	if (n == (ssize_t)iov[0].iov_len && parts > 1 &&
		gnutls_record_check_pending(tls->session) > 0) {
		ssize_t more = gnutls_record_recv(tls->session, iov[1].iov_base, iov[1].iov_len);
		n += more > 0 ? more : 0;
	}
	if (n > 0)
		sink_of(tls)->received(consumer_of(tls), (size_t)n);
	else if (n == 0)
		on_close_notify(tls);
	else if (gnutls_error_is_fatal((int)n) || n == GNUTLS_E_REHANDSHAKE)
		end_session(tls, (int)n);
}

static void tell_end(struct tls *tls)
{
	if (tls->lower_ended)
		end_input(tls);
	if (tls->input_over && !tls->told_end) {
		tls->told_end = true;
		if (tls->notified)
			await_quiet(tls);
		sink_of(tls)->end_of_input(consumer_of(tls));
		if (is_closing(tls))
			return;
		if (may_answer_at_once(tls) && !tls->lower_gone) {
			answer_end(tls);
			return;
		}
	}
	if (tls->lower_gone && !is_closing(tls)) {
		tls_end(tls);
		sink_of(tls)->gone(consumer_of(tls), tls->lower_reason, tls->lower_unsent);
	}
}

/* Hands over what there is, then reads on, or tells the end. */
static void deliver(struct tls *tls)
{
	while (tls->state == TLS_OPEN && tls->reading && has_input(tls)) {
		struct iovec iov[STREAM_MAX_PARTS];
		int parts = sink_of(tls)->space(consumer_of(tls), iov);
		if (is_closing(tls))
			return;
		if (parts == 0)
			tls->reading = false;
		else if (tls->reading)
			receive(tls, iov, parts);
		if (is_closing(tls))
			return;
	}
	/* Without a consumer the end waits for its read_start. */
	if (tls->state != TLS_OPEN || sink_of(tls) == NULL)
		return;
	if (!has_input(tls))
		tell_end(tls);
	if (tls->state != TLS_OPEN || is_closing(tls))
		return;
	/* What follows TLS's end is ignored (RFC 8446, 6.1), and read to see the connection's end.
	 */
	if (tls->reading || tls->input_over)
		stream_read_start(tls->layer.lower);
	else
		stream_read_stop(tls->layer.lower);
}

static void on_task(struct loop_task *task)
{
	struct tls *tls = container_of(task, struct tls, task);
	if (tls->state == TLS_HANDSHAKE) {
		stream_read_start(tls->layer.lower);
		tls_handshake_step(tls);
	} else if (tls->send_code != 0) {
		end_session(tls, tls->send_code);
	} else {
		deliver(tls);
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_deadline_closed(struct loop_timer *timer)
{
	layer_close_lower(&container_of(timer, struct tls, deadline)->layer);
}

/* An orderly end is said if there is room for it. */
static void finish_close(struct tls *tls)
{
	tls->lingering = false;
	if (tls->state == TLS_OPEN)
		say_end(tls);
	loop_timer_close(&tls->deadline, on_deadline_closed);
}

/* Half a record is nothing to the other side: one that is slow has some time to take the rest. */
static void close_stream(struct stream *stream)
{
	struct tls *tls = of(stream);
	loop_task_cancel(&tls->task);
	stream_read_stop(tls->layer.lower);
	tls->lingering = tls->state == TLS_OPEN && !tls_wire_is_flushed(&tls->wire);
	if (tls->lingering)
		loop_timer_start(&tls->deadline, LAYER_LINGER_MS);
	else
		finish_close(tls);
}

static void go_on_closing(struct tls *tls)
{
	tls_wire_flush(&tls->wire);
	if (tls->lingering && tls_wire_is_flushed(&tls->wire))
		finish_close(tls);
}

static void on_deadline(struct loop_timer *timer)
{
	struct tls *tls = container_of(timer, struct tls, deadline);
	if (is_closing(tls))
		finish_close(tls);
	else if (tls->state == TLS_HANDSHAKE)
		tls_handshake_expire(tls);
	else if (tls->wrote && tls->layer.params.is_server)
		await_quiet(tls);
	else if (tls_wire_is_flushed(&tls->wire) || !tls->layer.params.is_server)
		answer_end(tls);
	/* Else it does not read, and begins anew when it does. */
}

/* ---- what the stream below tells ------------------------------------------------------------- */

static int lower_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct tls *tls = consumer;
	return is_closing(tls) || tls->state == TLS_ENDED ? 0 : tls_wire_space(&tls->wire, iov);
}

static void lower_received(void *consumer, size_t n)
{
	struct tls *tls = consumer;
	tls_wire_received(&tls->wire, tls->input_over ? 0 : n);
	if (is_closing(tls))
		return;
	if (tls->state == TLS_OPEN)
		deliver(tls);
	else if (tls->state == TLS_HANDSHAKE)
		tls_handshake_step(tls);
}

/* TLS carries no signals; whatever is below it has none to tell. */
static void lower_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void lower_writable(void *consumer)
{
	struct tls *tls = consumer;
	if (is_closing(tls)) {
		go_on_closing(tls);
		return;
	}
	tls_wire_flush(&tls->wire);
	if (tls->state == TLS_HANDSHAKE) {
		tls_handshake_step(tls);
	} else if (tls->state == TLS_OPEN && tls->told_end && may_answer_at_once(tls)) {
		answer_end(tls);
	} else if (tls->state == TLS_OPEN && tls->want_writable &&
		   tls_wire_is_flushed(&tls->wire)) {
		if (tls->notified)
			await_quiet(tls);
		tls->want_writable = false;
		sink_of(tls)->writable(consumer_of(tls));
	}
}

static void lower_written(void *consumer, size_t done, int failure)
{
	struct tls *tls = consumer;
	tls_wire_written(&tls->wire, done, failure);
	lower_writable(tls);
}

static void on_lower_end(struct tls *tls)
{
	if (is_closing(tls)) {
		if (tls->lingering && tls->lower_gone)
			finish_close(tls);
		return;
	}
	if (tls->state == TLS_HANDSHAKE)
		tls_handshake_cut(tls);
	else
		deliver(tls);
	/* `gone` may wait for input that nobody takes; who waits to write need not. */
	if (tls->lower_gone && tls->state == TLS_OPEN && !is_closing(tls) && tls->want_writable) {
		tls_wire_flush(&tls->wire); /* fails, as the next write then does */
		tls->want_writable = false;
		sink_of(tls)->writable(consumer_of(tls));
	}
}

static void lower_end_of_input(void *consumer)
{
	struct tls *tls = consumer;
	tls->lower_ended = true;
	on_lower_end(tls);
}

static void lower_gone(void *consumer, int reason, uint64_t unsent)
{
	struct tls *tls = consumer;
	tls->lower_gone = true;
	tls->lower_reason = reason;
	/* What was made and did not come to the stream below has not reached anybody either. */
	if (unsent > 0 || tls->wire.taken < tls->wire.made)
		tls->lower_unsent = tls_sent_missing(
			&tls->sent, tls->wire.taken > unsent ? tls->wire.taken - unsent : 0);
	on_lower_end(tls);
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

static void read_start(struct stream *stream)
{
	struct tls *tls = of(stream);
	tls->reading = true;
	if (tls->state == TLS_OPEN)
		loop_task_post(&tls->task);
}

static void read_stop(struct stream *stream)
{
	struct tls *tls = of(stream);
	tls->reading = false;
	if (tls->state == TLS_OPEN && !tls->input_over)
		stream_read_stop(tls->layer.lower);
}

/* One record after the other for as long as they go; 0, or the failure that ends the output. */
static int send_part(struct tls *tls, const struct iovec *part, size_t *taken)
{
	size_t at = 0;
	while (at < part->iov_len && tls_wire_is_flushed(&tls->wire)) {
		size_t n = part->iov_len - at;
		uint64_t made = tls->wire.made;
		ssize_t sent = gnutls_record_send(tls->session, (char *)part->iov_base + at,
			n < TLS_RECORD_BYTES ? n : TLS_RECORD_BYTES);
		if (sent < 0) {
			tls->send_code = (int)sent;
			loop_task_post(&tls->task);
			return sent == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EPROTO;
		}
		tls_wire_flush(&tls->wire);
		if (tls->wire.failure != 0)
			return tls->wire.failure; /* of this record nothing was taken */
		tls_sent_add(&tls->sent, made, tls->wire.made, (size_t)sent);
		at += (size_t)sent;
		*taken += (size_t)sent;
	}
	return 0;
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct tls *tls = of(stream);
	int failure = tls->state == TLS_OPEN ? tls->wire.failure : -EPIPE;
	size_t taken = 0;
	for (int i = 0; i < count && failure == 0 && tls->send_code == 0; i++)
		failure = send_part(tls, &iov[i], &taken);
	if (failure != 0 && taken == 0)
		return failure;
	tls->wrote |= taken > 0;
	tls->want_writable = taken < iov_total(iov, count);
	return (ssize_t)taken;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static const struct stream_ops ops = {
	.name = "tls",
	.read_start = read_start,
	.read_stop = read_stop,
	.write = write_some,
	.signal = send_signal,
	.close = close_stream,
};

/* ---- beginning and end ----------------------------------------------------------------------- */

static void free_tls(struct layer *layer)
{
	struct tls *tls = container_of(layer, struct tls, layer);
	if (tls->session != NULL)
		gnutls_deinit(tls->session);
	tls_credentials_unref(tls->credentials);
	free(tls);
}

static int wrap(struct stream *lower, const struct layer_params *params, struct stream **ret)
{
	assert(params->tls != NULL && params->tls->is_server == params->is_server);
	assert(params->is_server || params->host != NULL);
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return -ENOMEM;
	tls->credentials = tls_credentials_ref(params->tls);
	int r = tls_handshake_init(tls, params);
	if (r < 0) {
		free_tls(&tls->layer);
		return r;
	}
	tls_wire_init(&tls->wire, lower, tls->session);
	layer_init(&tls->layer, &ops, lower, &lower_sink, params, free_tls);
	if (params->handshake_ms == 0)
		tls->layer.params.handshake_ms = HANDSHAKE_MS;
	loop_task_init(&tls->task, params->loop, on_task);
	loop_timer_init(&tls->deadline, params->loop, on_deadline);
	loop_timer_start(&tls->deadline, tls->layer.params.handshake_ms);
	loop_task_post(&tls->task);
	*ret = &tls->layer.base;
	return 0;
}

const struct layer_type layer_tls = {"tls", wrap};
