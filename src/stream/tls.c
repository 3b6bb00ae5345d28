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
 * There is no renegotiation, no resumption and no early data: sessions are few and long.
 */
#include "stream/tls_internal.h"
#include "stream/tls_wire.h"
#include "util/fd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE_MS = 10 * 1000 };

/* The first byte of a record that can begin a session (RFC 8446, 5.1). */
enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };

enum tls_state {
	TLS_HANDSHAKE, /* until `ready` or `failed` */
	TLS_OPEN,
	TLS_ENDED, /* `failed` or `gone` was told */
};

struct tls {
	struct layer layer;
	enum tls_state state;
	gnutls_session_t session;
	struct tls_credentials *credentials;
	struct loop_timer deadline;
	struct loop_task task; /* the first step of the handshake; later: deliver */
	bool heard;            /* anything at all came */
	bool reading;
	bool want_writable;
	bool input_over; /* nothing more will be delivered */
	bool told_end;
	bool lower_ended;
	bool lower_gone;
	int lower_reason;
	int send_code;                    /* of GnuTLS: sending failed */
	gnutls_alert_description_t alert; /* why the other side was refused */
	struct error error;               /* likewise */
	struct tls_wire wire;
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

/* ---- the handshake --------------------------------------------------------------------------- */

static void end(struct tls *tls)
{
	tls->state = TLS_ENDED;
	loop_timer_stop(&tls->deadline);
	loop_task_cancel(&tls->task);
	stream_read_stop(tls->layer.lower);
}

/* The reason is in tls->error. */
static void fail(struct tls *tls, int failure)
{
	end(tls);
	tls->layer.params.listener->failed(tls->layer.params.owner, failure, tls->error.message);
}

/* Says why in TLS: what we have found ourselves, or GnuTLS, unless the other side has said it. */
static void send_alert(struct tls *tls, int code)
{
	if (tls->error.code != 0)
		gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, tls->alert);
	else if (code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		gnutls_alert_send_appropriate(tls->session, code);
	tls_wire_flush(&tls->wire);
}

static void fail_with(struct tls *tls, int code)
{
	send_alert(tls, code);
	if (tls->error.code == 0)
		tls_peer_explain(tls->session, tls->credentials, code, &tls->error);
	fail(tls, tls->error.code);
}

static void on_deadline(struct loop_timer *timer)
{
	struct tls *tls = container_of(timer, struct tls, deadline);
	unsigned ms = tls->layer.params.handshake_ms;
	const char *what = tls->heard ? "it was not done with TLS's handshake" : "no answer";
	bool whole = ms % 1000 == 0;
	fail(tls, error_set(&tls->error, -ETIMEDOUT, "%s within %u %s", what,
			  whole ? ms / 1000 : ms, whole ? "s" : "ms"));
}

static void on_ended_early(struct tls *tls)
{
	int reason = tls->lower_reason;
	if (reason != 0)
		error_set(&tls->error, reason, "the connection broke during TLS's handshake: %s",
			error_text(reason));
	else
		error_set(&tls->error, -ECONNRESET, "it closed the connection %s",
			tls->heard ? "during TLS's handshake" : "without a word of TLS");
	fail(tls, tls->error.code);
}

/* During the handshake, as soon as the other side has shown its certificate. */
static int verify(gnutls_session_t session)
{
	struct tls *tls = gnutls_session_get_ptr(session);
	const char *host = tls->layer.params.is_server ? NULL : tls->layer.params.host;
	return tls_peer_verify(session, tls->credentials, host, &tls->alert, &tls->error);
}

/* Can GnuTLS go on at once? */
static bool may_go_on(struct tls *tls, int code)
{
	if (code == GNUTLS_E_WARNING_ALERT_RECEIVED)
		return true;
	if (code != GNUTLS_E_AGAIN)
		return false;
	return gnutls_record_get_direction(tls->session) == 1 ? tls_wire_is_flushed(&tls->wire)
							      : tls_wire_has_input(&tls->wire);
}

static void shake(struct tls *tls)
{
	int code;
	do {
		code = gnutls_handshake(tls->session);
		tls_wire_flush(&tls->wire);
	} while (may_go_on(tls, code));
	if (code == 0) {
		loop_timer_stop(&tls->deadline);
		stream_read_stop(tls->layer.lower);
		tls->state = TLS_OPEN;
		tls->layer.params.listener->ready(tls->layer.params.owner);
	} else if (code != GNUTLS_E_AGAIN) {
		fail_with(tls, code);
	} else if (tls->lower_ended || tls->lower_gone) {
		on_ended_early(tls);
	}
}

/* What is no TLS at all is known by its first byte, before it is long enough to be a record. */
static void shake_first(struct tls *tls)
{
	tls->heard = true;
	if (tls->wire.in[0] == RECORD_HANDSHAKE || tls->wire.in[0] == RECORD_ALERT) {
		shake(tls);
		return;
	}
	tls->alert = GNUTLS_A_UNEXPECTED_MESSAGE;
	error_set(&tls->error, -EPROTO, "it does not speak TLS");
	fail_with(tls, GNUTLS_E_UNEXPECTED_PACKET);
}

/* ---- input ----------------------------------------------------------------------------------- */

static bool has_input(const struct tls *tls)
{
	return !tls->input_over &&
	       (tls_wire_has_input(&tls->wire) || gnutls_record_check_pending(tls->session) > 0);
}

/* A session that TLS itself ends, with `code`. */
static void end_session(struct tls *tls, int code)
{
	const struct layer_params *params = &tls->layer.params;
	send_alert(tls, code);
	int failure = tls_peer_explain(tls->session, tls->credentials, code, &tls->error);
	end(tls);
	bool told = params->listener->broken != NULL;
	if (told)
		params->listener->broken(params->owner, failure, tls->error.message);
	if (!is_closing(tls))
		sink_of(tls)->gone(consumer_of(tls), told ? 0 : failure, 0);
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
		tls->input_over = true;
	else if (gnutls_error_is_fatal((int)n) || n == GNUTLS_E_REHANDSHAKE)
		end_session(tls, (int)n);
}

static void tell_end(struct tls *tls)
{
	if (tls->lower_ended)
		tls->input_over = true;
	if (tls->input_over && !tls->told_end) {
		tls->told_end = true;
		sink_of(tls)->end_of_input(consumer_of(tls));
	}
	if (tls->lower_gone && !is_closing(tls)) {
		end(tls);
		sink_of(tls)->gone(consumer_of(tls), tls->lower_reason, 0);
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
	if (tls->reading && !tls->input_over)
		stream_read_start(tls->layer.lower);
	else
		stream_read_stop(tls->layer.lower);
}

static void on_task(struct loop_task *task)
{
	struct tls *tls = container_of(task, struct tls, task);
	if (tls->state == TLS_HANDSHAKE) {
		stream_read_start(tls->layer.lower);
		shake(tls);
	} else if (tls->send_code != 0) {
		end_session(tls, tls->send_code);
	} else {
		deliver(tls);
	}
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
	tls_wire_received(&tls->wire, n);
	if (is_closing(tls))
		return;
	if (tls->state == TLS_OPEN)
		deliver(tls);
	else if (tls->state == TLS_HANDSHAKE && tls->heard)
		shake(tls);
	else if (tls->state == TLS_HANDSHAKE)
		shake_first(tls);
}

/* TLS carries no signals; whatever is below it has none to tell. */
static void lower_signalled(void *consumer, const struct stream_signal *signal)
{
}

static void lower_writable(void *consumer)
{
	struct tls *tls = consumer;
	if (is_closing(tls))
		return;
	tls_wire_flush(&tls->wire);
	if (tls->state == TLS_HANDSHAKE) {
		shake(tls);
	} else if (tls->state == TLS_OPEN && tls->want_writable &&
		   tls_wire_is_flushed(&tls->wire)) {
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
	if (is_closing(tls))
		return;
	if (tls->state == TLS_HANDSHAKE)
		on_ended_early(tls);
	else
		deliver(tls);
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
	if (tls->state == TLS_OPEN)
		stream_read_stop(tls->layer.lower);
}

/* One record after the other for as long as they go; 0, or the failure that ends the output. */
static int send_part(struct tls *tls, const struct iovec *part, size_t *taken)
{
	size_t at = 0;
	while (at < part->iov_len && tls_wire_is_flushed(&tls->wire)) {
		size_t n = part->iov_len - at;
		ssize_t sent = gnutls_record_send(tls->session, (char *)part->iov_base + at,
			n < TLS_RECORD_BYTES ? n : TLS_RECORD_BYTES);
		if (sent < 0) {
			tls->send_code = (int)sent;
			loop_task_post(&tls->task);
			return sent == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EPROTO;
		}
		tls_wire_flush(&tls->wire);
		if (tls->wire.failure != 0)
			return tls->wire.failure;
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
	tls->want_writable = taken < iov_total(iov, count);
	return (ssize_t)taken;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void on_deadline_closed(struct loop_timer *timer)
{
	layer_close_lower(&container_of(timer, struct tls, deadline)->layer);
}

/* An orderly end is said if there is room for it: nobody waits for one who does not read. */
static void close_stream(struct stream *stream)
{
	struct tls *tls = of(stream);
	if (tls->state == TLS_OPEN && tls_wire_is_flushed(&tls->wire)) {
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
		tls_wire_flush(&tls->wire);
	}
	loop_task_cancel(&tls->task);
	stream_read_stop(tls->layer.lower);
	loop_timer_close(&tls->deadline, on_deadline_closed);
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

static bool is_address(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static int begin_session(struct tls *tls, const struct layer_params *params)
{
	const unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;
	const struct tls_credentials *credentials = tls->credentials;
	int code = gnutls_init(
		&tls->session, flags | (params->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT));
	if (code == 0)
		code = gnutls_priority_set(tls->session, credentials->priority);
	if (code == 0)
		code = gnutls_credentials_set(
			tls->session, GNUTLS_CRD_CERTIFICATE, credentials->x509);
	/* A name is told to the server, which may have several; an address must not be (RFC 6066).
	 */
	if (code == 0 && !params->is_server && !is_address(params->host))
		code = gnutls_server_name_set(
			tls->session, GNUTLS_NAME_DNS, params->host, strlen(params->host));
	if (code != 0)
		return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_session_set_verify_function(tls->session, verify);
	gnutls_certificate_server_set_request(
		tls->session, credentials->verify ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
	/* A client that is told of no authority shows what it has, and can be told what is wrong.
	 */
	gnutls_certificate_send_x509_rdn_sequence(tls->session, 1);
	gnutls_handshake_set_timeout(tls->session, 0); /* the deadline is ours */
	return 0;
}

static int wrap(struct stream *lower, const struct layer_params *params, struct stream **ret)
{
	assert(params->tls != NULL && params->tls->is_server == params->is_server);
	assert(params->is_server || params->host != NULL);
	struct tls *tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return -ENOMEM;
	tls->credentials = tls_credentials_ref(params->tls);
	int r = begin_session(tls, params);
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
