/*
 * Certificates for tests of TLS: authorities and what they sign, good or with the fault that a test
 * is about, written into a directory in the convention of stream/tls_credentials.h.
 */
#ifndef CHARDEV_TEST_CERTIFICATES_H
#define CHARDEV_TEST_CERTIFICATES_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct certificate {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

/* What is asked of a certificate; 0 and NULL are what a good one has. */
struct certificate_wish {
	const char *dn;       /* RFC 4514 */
	const char *host;     /* a DNS name that it is for */
	const char *address;  /* an IPv4 address that it is for */
	const char *purpose;  /* an OID; NULL: any */
	int valid_from_days;  /* from today */
	int valid_until_days; /* 0: a year */
};

/* Signed by `authority`, NULL: an authority, signed by itself. */
struct certificate certificate_make(
	const struct certificate *authority, const struct certificate_wish *wish);
void certificate_free(struct certificate *certificate);

/* As DIR/NAME-cert.pem and, with_key, DIR/NAME-key.pem. */
void certificate_write(
	const struct certificate *certificate, const char *dir, const char *name, int with_key);

/* DIR/ca-crl.pem, in which `revoked` is (NULL: nobody); due for renewal in so many days. */
void certificate_revoke(const struct certificate *authority, const struct certificate *revoked,
	int next_days, const char *dir);

/* Any text into DIR/NAME. */
void certificate_write_text(const char *dir, const char *name, const char *text);

#endif
