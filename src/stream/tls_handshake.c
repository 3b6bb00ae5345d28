/*
 * How a session of TLS begins: the handshake, with a deadline for all of it, and the reason when it
 * leads to nothing. Whether the other side is who it must be: tls_peer.c.
 */
#include "stream/tls_layer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* The first byte of a record that can begin a session (RFC 8446, 5.1). */
enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };

void tls_end(struct tls *tls)
{
	tls->state = TLS_ENDED;
	loop_timer_stop(&tls->deadline);
	loop_task_cancel(&tls->task);
	stream_read_stop(tls->layer.lower);
}

/* The reason is in tls->error. */
static void fail(struct tls *tls, int failure)
{
	tls_end(tls);
	tls->layer.params.listener->failed(tls->layer.params.owner, failure, tls->error.message);
}

/* Says why in TLS: what we have found ourselves, or GnuTLS, unless the other side has said it. */
void tls_send_alert(struct tls *tls, int code)
{
	if (tls->error.code != 0)
		gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, tls->alert);
	else if (code == GNUTLS_E_NO_CERTIFICATE_FOUND || code == GNUTLS_E_CERTIFICATE_REQUIRED)
		gnutls_alert_send(tls->session, GNUTLS_AL_FATAL,
			tls_peer_alert_without_certificate(tls->session));
	else if (code != GNUTLS_E_FATAL_ALERT_RECEIVED)
		gnutls_alert_send_appropriate(tls->session, code);
	tls_wire_flush(&tls->wire);
}

static void fail_with(struct tls *tls, int code)
{
	gnutls_alert_description_t alert;
	/* GnuTLS has another name for an alert where it waits for a certificate, or a cipher. */
	if (tls->error.code == 0 && code != GNUTLS_E_FATAL_ALERT_RECEIVED &&
		tls_wire_ends_in_alert(&tls->wire, &alert)) {
		fail(tls,
			tls_peer_explain_alert(tls->session, tls->credentials, alert, &tls->error));
		return;
	}
	tls_send_alert(tls, code);
	if (tls->error.code == 0)
		tls_peer_explain(tls->session, tls->credentials, code, &tls->error);
	fail(tls, tls->error.code);
}

void tls_handshake_expire(struct tls *tls)
{
	unsigned ms = tls->layer.params.handshake_ms;
	const char *what = tls->heard ? "it was not done with TLS's handshake" : "no answer";
	bool whole = ms % 1000 == 0;
	fail(tls, error_set(&tls->error, -ETIMEDOUT, "%s within %u %s", what,
			  whole ? ms / 1000 : ms, whole ? "s" : "ms"));
}

void tls_handshake_cut(struct tls *tls)
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
		tls_handshake_cut(tls);
	} else {
		stream_read_start(tls->layer.lower); /* it may have stopped while output waited */
	}
}

/* What is no TLS at all is known by its first byte, before it is long enough to be a record. */
static bool is_foreign(struct tls *tls)
{
	if (tls->heard || !tls_wire_has_input(&tls->wire))
		return false;
	tls->heard = true;
	return tls->wire.in[0] != RECORD_HANDSHAKE && tls->wire.in[0] != RECORD_ALERT;
}

void tls_handshake_step(struct tls *tls)
{
	if (!is_foreign(tls)) {
		shake(tls);
		return;
	}
	tls->alert = GNUTLS_A_UNEXPECTED_MESSAGE;
	error_set(&tls->error, -EPROTO, "it does not speak TLS");
	fail_with(tls, GNUTLS_E_UNEXPECTED_PACKET);
}

static bool is_address(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

int tls_handshake_init(struct tls *tls, const struct layer_params *params)
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
