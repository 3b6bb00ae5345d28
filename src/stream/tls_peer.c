/*
 * Who the other side of a TLS connection is, and why it was refused, or has refused us: clauses
 * that follow a peer's name. Certificates are judged by RFC 5280, a server's name by RFC 6125
 * (GnuTLS).
 *
 * Nobody else is asked: what is revoked is what ca-crl.pem says (no OCSP).
 */
#include "stream/tls_internal.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

/* How much of what the other side has chosen goes into a sentence. */
enum { MAX_NAME_BYTES = 200 };

/* What is wrong with a certificate, what most counts first; each %s is the directory. */
static const struct {
	unsigned status;
	gnutls_alert_description_t alert;
	const char *reason;
} faults[] = {
	{GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA,
		"its certificate is not signed by the authority in %s/ca-cert.pem"},
	{GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
		"its certificate is signed with one in %s/ca-cert.pem that is no authority's"},
	{GNUTLS_CERT_SIGNATURE_FAILURE, GNUTLS_A_BAD_CERTIFICATE,
		"its certificate is not what the authority in %s/ca-cert.pem has signed"},
	{GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED,
		"its certificate is revoked by %s/ca-crl.pem"},
	{GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED | GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE,
		GNUTLS_A_INTERNAL_ERROR,
		"it cannot be verified, because %s/ca-crl.pem is not of these days"},
	{GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "its certificate has expired"},
	{GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED,
		"its certificate is not valid yet"},
	{GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_INSUFFICIENT_SECURITY,
		"its certificate is signed in a way that is not safe any more"},
};

static int explain_fault(unsigned status, const struct tls_credentials *credentials,
	const char *host, gnutls_alert_description_t *ret_alert, struct error *err)
{
	*ret_alert = GNUTLS_A_BAD_CERTIFICATE;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if ((status & faults[i].status) == 0)
			continue;
		*ret_alert = faults[i].alert;
		/* A reason without a %s leaves the argument unused. */
		return error_set(err, -EACCES, faults[i].reason, credentials->dir);
	}
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
		return error_set(err, -EACCES, "its certificate is not for host %s", host);
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return error_set(err, -EACCES, "its certificate is not for a %s",
			credentials->is_server ? "client" : "server");
	return error_set(err, -EACCES, "its certificate is not valid (status 0x%x)", status);
}

/* A name may hold anything: control characters would reach terminals and logs. */
static void make_printable(char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			name[i] = '?';
}

static int check_allowed(gnutls_session_t session, const struct tls_credentials *credentials,
	gnutls_alert_description_t *ret_alert, struct error *err)
{
	unsigned count = 0;
	const gnutls_datum_t *certificates = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t certificate = NULL;
	gnutls_datum_t dn = {0};
	int code = count > 0 ? gnutls_x509_crt_init(&certificate) : GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (code == 0)
		code = gnutls_x509_crt_import(certificate, &certificates[0], GNUTLS_X509_FMT_DER);
	if (code == 0)
		code = gnutls_x509_crt_get_dn3(certificate, &dn, 0);
	int r = 0;
	if (code < 0 || dn.data == NULL) {
		*ret_alert = GNUTLS_A_BAD_CERTIFICATE;
		r = error_set(
			err, -EACCES, "its certificate has no name (%s)", gnutls_strerror(code));
	} else if (memchr(dn.data, '\0', dn.size) != NULL ||
		   !tls_allow_matches(&credentials->allow, (char *)dn.data)) {
		make_printable((char *)dn.data, dn.size);
		*ret_alert = GNUTLS_A_ACCESS_DENIED;
		r = error_set(err, -EACCES, "%.*s is not in <chardev:tls allow=>", MAX_NAME_BYTES,
			(char *)dn.data);
	}
	gnutls_free(dn.data);
	gnutls_x509_crt_deinit(certificate);
	return r;
}

gnutls_alert_description_t tls_peer_alert_without_certificate(gnutls_session_t session)
{
	/* RFC 5246, 7.4.6; RFC 8446, 4.4.2.4 */
	return gnutls_protocol_get_version(session) < GNUTLS_TLS1_3 ? GNUTLS_A_HANDSHAKE_FAILURE
								    : GNUTLS_A_CERTIFICATE_REQUIRED;
}

int tls_peer_verify(gnutls_session_t session, const struct tls_credentials *credentials,
	const char *host, gnutls_alert_description_t *ret_alert, struct error *err)
{
	const char *purpose =
		credentials->is_server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
	gnutls_typed_vdata_st wanted[] = {
		{GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)purpose, 0},
		{GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)host, 0}, /* or an IP address */
	};
	unsigned status = 0;
	if (!credentials->verify)
		return 0;
	int code = gnutls_certificate_verify_peers(session, wanted, host != NULL ? 2 : 1, &status);
	if (code == GNUTLS_E_NO_CERTIFICATE_FOUND) {
		*ret_alert = tls_peer_alert_without_certificate(session);
		return error_set(err, -EACCES, "it sent no certificate");
	}
	if (code < 0) {
		*ret_alert = GNUTLS_A_BAD_CERTIFICATE;
		return error_set(err, code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EACCES,
			"its certificate cannot be verified (%s)", gnutls_strerror(code));
	}
	if (status != 0)
		return explain_fault(status, credentials, host, ret_alert, err);
	return credentials->allow.count > 0 ? check_allowed(session, credentials, ret_alert, err)
					    : 0;
}

/* Is it our certificate, or that we have none, that the other side complains of? */
static bool is_about_certificates(gnutls_alert_description_t alert)
{
	switch (alert) {
	case GNUTLS_A_BAD_CERTIFICATE:
	case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
	case GNUTLS_A_CERTIFICATE_REVOKED:
	case GNUTLS_A_CERTIFICATE_EXPIRED:
	case GNUTLS_A_CERTIFICATE_UNKNOWN:
	case GNUTLS_A_UNKNOWN_CA:
	case GNUTLS_A_ACCESS_DENIED:
	case GNUTLS_A_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

/* In TLS 1.2 the alert for a client without a certificate is one for many things. */
static bool is_for_want_of_ours(gnutls_session_t session, const struct tls_credentials *credentials,
	gnutls_alert_description_t alert)
{
	return !credentials->is_server && !credentials->has_certificate &&
	       alert == GNUTLS_A_HANDSHAKE_FAILURE &&
	       gnutls_certificate_client_get_request_status(session) != 0;
}

int tls_peer_explain_alert(gnutls_session_t session, const struct tls_credentials *credentials,
	gnutls_alert_description_t alert, struct error *err)
{
	const char *name = gnutls_alert_get_name(alert);
	if (name == NULL)
		name = "an alert that nobody knows";
	if (!is_about_certificates(alert) && !is_for_want_of_ours(session, credentials, alert))
		return error_set(err, -EPROTO, "it ended TLS: %s", name);
	if (!credentials->has_certificate)
		return error_set(err, -EKEYREJECTED,
			"it refused us, who have no %s/client-cert.pem: %s", credentials->dir,
			name);
	return error_set(err, -EKEYREJECTED, "it refused our certificate: %s", name);
}

int tls_peer_explain(gnutls_session_t session, const struct tls_credentials *credentials, int code,
	struct error *err)
{
	switch (code) {
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
	case GNUTLS_E_WARNING_ALERT_RECEIVED:
		return tls_peer_explain_alert(session, credentials, gnutls_alert_get(session), err);
	case GNUTLS_E_MEMORY_ERROR:
		return error_set(err, -ENOMEM, "there is no memory for its TLS session");
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
		return error_set(err, -EACCES, "it sent no certificate");
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		return error_set(err, -EPROTO, "it speaks neither TLS 1.3 nor TLS 1.2");
	case GNUTLS_E_NO_CIPHER_SUITES:
		return error_set(err, -EPROTO, "it has no cipher of TLS in common with us");
	case GNUTLS_E_REHANDSHAKE:
		return error_set(err, -EPROTO, "it wants to renegotiate TLS, which is not safe");
	case GNUTLS_E_DECRYPTION_FAILED:
		return error_set(err, -EPROTO, "what it sent was changed on its way");
	default:
		return error_set(
			err, -EPROTO, "it does not keep to TLS: %s", gnutls_strerror(code));
	}
}
