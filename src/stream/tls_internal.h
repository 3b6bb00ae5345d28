/* What the files of TLS have in common, beside the layer itself (tls_layer.h). */
#ifndef CHARDEV_STREAM_TLS_INTERNAL_H
#define CHARDEV_STREAM_TLS_INTERNAL_H

#include "stream/tls_credentials.h"
#include "util/strlist.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>

struct tls_credentials {
	unsigned references;
	bool is_server;
	bool verify;
	bool has_certificate;
	char *dir;
	struct strlist allow; /* no item: whoever is verified */
	gnutls_certificate_credentials_t x509;
	gnutls_priority_t priority;
};

/*
 * Appends the names of `allow` (tls_credentials.h). 0, -EINVAL with a sentence for a text that
 * names nobody, or -ENOMEM.
 */
int tls_allow_parse(const char *allow, struct strlist *list, struct error *err);

/* Does a name of the list fit `dn`, a distinguished name as RFC 4514 writes it? */
bool tls_allow_matches(const struct strlist *list, const char *dn);

/*
 * Whether the other side of a handshake is who it must be: 0, or a negative errno with the alert
 * to send and the reason, a clause such as "its certificate has expired". `host` is the name that a
 * server must prove, NULL for a client.
 */
int tls_peer_verify(gnutls_session_t session, const struct tls_credentials *credentials,
	const char *host, gnutls_alert_description_t *ret_alert, struct error *err);

/* What a client without a certificate is told: the alert of its version. */
gnutls_alert_description_t tls_peer_alert_without_certificate(gnutls_session_t session);

/* What the other side's `alert` says; returns the negative errno. */
int tls_peer_explain_alert(gnutls_session_t session, const struct tls_credentials *credentials,
	gnutls_alert_description_t alert, struct error *err);

/* Why a handshake or a session ended with the GnuTLS error `code`; returns the negative errno. */
int tls_peer_explain(gnutls_session_t session, const struct tls_credentials *credentials, int code,
	struct error *err);

#endif
