/* Certificates for tests; see certificates.h. */
#include "certificates.h"

#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 24 * 60 * 60 };

static void must(int code)
{
	if (code < 0)
		fail_msg("%s", gnutls_strerror(code));
}

static void set_names(gnutls_x509_crt_t crt, const struct certificate_wish *wish)
{
	struct in_addr address;
	must(gnutls_x509_crt_set_dn(crt, wish->dn, NULL));
	if (wish->host != NULL)
		must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, wish->host,
			(unsigned)strlen(wish->host), GNUTLS_FSAN_APPEND));
	if (wish->address != NULL) {
		assert_int_equal(inet_pton(AF_INET, wish->address, &address), 1);
		must(gnutls_x509_crt_set_subject_alt_name(
			crt, GNUTLS_SAN_IPADDRESS, &address, 4, GNUTLS_FSAN_APPEND));
	}
	if (wish->purpose != NULL)
		must(gnutls_x509_crt_set_key_purpose_oid(crt, wish->purpose, 0));
}

struct certificate certificate_make(
	const struct certificate *authority, const struct certificate_wish *wish)
{
	struct certificate made;
	time_t now = time(NULL);
	unsigned char serial[8];
	must(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial)));
	serial[0] = 1; /* positive */
	must(gnutls_x509_privkey_init(&made.key));
	must(gnutls_x509_privkey_generate(
		made.key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	must(gnutls_x509_crt_init(&made.crt));
	must(gnutls_x509_crt_set_version(made.crt, 3));
	must(gnutls_x509_crt_set_serial(made.crt, serial, sizeof(serial)));
	must(gnutls_x509_crt_set_activation_time(
		made.crt, now - 60 + (time_t)wish->valid_from_days * DAY));
	int until = wish->valid_until_days != 0 ? wish->valid_until_days : 365;
	must(gnutls_x509_crt_set_expiration_time(made.crt, now + (time_t)until * DAY));
	must(gnutls_x509_crt_set_key(made.crt, made.key));
	must(gnutls_x509_crt_set_basic_constraints(made.crt, authority == NULL, -1));
	must(gnutls_x509_crt_set_key_usage(
		made.crt, authority == NULL ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
					    : GNUTLS_KEY_DIGITAL_SIGNATURE));
	set_names(made.crt, wish);
	const struct certificate *signer = authority != NULL ? authority : &made;
	must(gnutls_x509_crt_sign2(made.crt, signer->crt, signer->key, GNUTLS_DIG_SHA256, 0));
	return made;
}

void certificate_free(struct certificate *certificate)
{
	gnutls_x509_crt_deinit(certificate->crt);
	gnutls_x509_privkey_deinit(certificate->key);
}

static void write_datum(const char *dir, const char *name, const gnutls_datum_t *text)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text->data, text->size), text->size);
	close(fd);
}

void certificate_write_text(const char *dir, const char *name, const char *text)
{
	const gnutls_datum_t datum = {(unsigned char *)text, (unsigned)strlen(text)};
	write_datum(dir, name, &datum);
}

void certificate_write(
	const struct certificate *certificate, const char *dir, const char *name, int with_key)
{
	char file[64];
	gnutls_datum_t pem;
	must(gnutls_x509_crt_export2(certificate->crt, GNUTLS_X509_FMT_PEM, &pem));
	snprintf(file, sizeof(file), "%s-cert.pem", name);
	write_datum(dir, file, &pem);
	gnutls_free(pem.data);
	if (!with_key)
		return;
	must(gnutls_x509_privkey_export2(certificate->key, GNUTLS_X509_FMT_PEM, &pem));
	snprintf(file, sizeof(file), "%s-key.pem", name);
	write_datum(dir, file, &pem);
	gnutls_free(pem.data);
}

void certificate_revoke(const struct certificate *authority, const struct certificate *revoked,
	int next_days, const char *dir)
{
	gnutls_x509_crl_t crl;
	gnutls_datum_t pem;
	time_t now = time(NULL);
	must(gnutls_x509_crl_init(&crl));
	must(gnutls_x509_crl_set_version(crl, 2));
	must(gnutls_x509_crl_set_this_update(crl, now - 2 * DAY));
	must(gnutls_x509_crl_set_next_update(crl, now + (time_t)next_days * DAY));
	must(gnutls_x509_crl_set_number(crl, "\x01", 1));
	if (revoked != NULL)
		must(gnutls_x509_crl_set_crt(crl, revoked->crt, now - DAY));
	must(gnutls_x509_crl_sign2(crl, authority->crt, authority->key, GNUTLS_DIG_SHA256, 0));
	must(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem));
	write_datum(dir, "ca-crl.pem", &pem);
	gnutls_free(pem.data);
	gnutls_x509_crl_deinit(crl);
}
