/* The files of one side of TLS; see tls_credentials.h. */
#include "stream/tls_internal.h"
#include "util/fd.h"
#include "util/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The directory of chardev's own comes first, so that QEMU's need not be shared. */
#define OWN_DIR  "/etc/pki/chardev"
#define QEMU_DIR "/etc/pki/qemu"

/*
 * The host's policy (or GnuTLS's NORMAL) without the versions that RFC 8996 retired. It is only
 * taken from: what an administrator forbids stays forbidden, which naming versions would undo.
 */
#define PRIORITY "-VERS-TLS1.1:-VERS-TLS1.0"

#define MAKE_A_SET "\"chardev tls init DIR\" makes a set for a trial"

enum { MAX_FILE_BYTES = 1024 * 1024, MAX_PATH_BYTES = 4096 };

/* A file of the directory, read whole. */
struct pem {
	char path[MAX_PATH_BYTES];
	gnutls_datum_t text; /* data == NULL: not there */
};

static void forget(struct pem *pem)
{
	if (pem->text.data != NULL)
		gnutls_memset(pem->text.data, 0, pem->text.size); /* it may be a key */
	free(pem->text.data);
	pem->text = (gnutls_datum_t){0};
}

static int read_whole(int fd, size_t size, struct pem *pem, struct error *err)
{
	pem->text.data = malloc(size + 1);
	if (pem->text.data == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	size_t at = 0;
	ssize_t n;
	do {
		n = read(fd, pem->text.data + at, size - at);
		at += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && at < size) || (n < 0 && errno == EINTR));
	pem->text.size = (unsigned)at;
	pem->text.data[at] = '\0';
	if (n < 0)
		return error_set(err, -errno,
			"cannot read %s: %s; mend the disk, or restore the file", pem->path,
			error_text(errno));
	return 0;
}

/* -ENOENT only when the file is not there. */
static int read_pem(const struct tls_credentials *credentials, const char *name, struct pem *pem,
	struct error *err)
{
	*pem = (struct pem){0};
	if (snprintf(pem->path, sizeof(pem->path), "%s/%s", credentials->dir, name) >=
		(int)sizeof(pem->path))
		return error_set(err, -ENAMETOOLONG,
			"the directory of dir= in <chardev:tls> is longer than %d bytes; shorten "
			"it",
			MAX_PATH_BYTES);
	/* O_NONBLOCK: a FIFO of that name must not hold up the loop. */
	int fd = open(pem->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"TLS needs %s, which does not exist; put it there, or name another "
			"directory "
			"with dir= in <chardev:tls> (" MAKE_A_SET ")",
			pem->path);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %s; let this user read it",
			pem->path, error_text(errno));
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && !S_ISREG(st.st_mode))
		r = error_set(err, -EINVAL, "%s is not a file; put a PEM file there", pem->path);
	else if (r == 0 && st.st_size > MAX_FILE_BYTES)
		r = error_set(
			err, -EINVAL, "%s is larger than 1 MiB; put a PEM file there", pem->path);
	else if (r == 0)
		r = read_whole(fd, (size_t)st.st_size, pem, err);
	fd_close(fd);
	if (r < 0)
		forget(pem);
	return r;
}

static int not_pem(struct error *err, const struct pem *pem, const char *what, int code)
{
	if (code == GNUTLS_E_MEMORY_ERROR)
		return error_set(err, -ENOMEM, "out of memory");
	return error_set(err, -EINVAL, "%s is no %s in PEM format; replace it (" MAKE_A_SET ")",
		pem->path, what);
}

static void day_of(time_t when, char day[32])
{
	struct tm tm;
	if (gmtime_r(&when, &tm) == NULL || strftime(day, 32, "%Y-%m-%d", &tm) == 0)
		snprintf(day, 32, "an unknown day");
}

/* Is it valid today? */
static int check_dates(gnutls_x509_crt_t certificate, const struct pem *pem, struct error *err)
{
	time_t now = time(NULL);
	time_t from = gnutls_x509_crt_get_activation_time(certificate);
	time_t until = gnutls_x509_crt_get_expiration_time(certificate);
	char day[32];
	if (from > now) {
		day_of(from, day);
		return error_set(err, -EKEYEXPIRED,
			"the certificate in %s is valid from %s on; set the clock, or replace it",
			pem->path, day);
	}
	if (until < now) {
		day_of(until, day);
		return error_set(err, -EKEYEXPIRED,
			"the certificate in %s has expired on %s; replace it with a new one",
			pem->path, day);
	}
	return 0;
}

/*
 * A file may have several certificates: with `any` one that is valid today is enough (of several
 * authorities), otherwise the first must be (one's own, before its issuers).
 */
static int check_certificates(const struct pem *pem, bool any, gnutls_x509_crt_t **ret,
	unsigned *ret_count, struct error *err)
{
	int code = gnutls_x509_crt_list_import2(ret, ret_count, &pem->text, GNUTLS_X509_FMT_PEM, 0);
	if (code < 0)
		return not_pem(err, pem, "certificate", code);
	int r = -EKEYEXPIRED;
	for (unsigned i = 0; r < 0 && i < (any ? *ret_count : 1); i++)
		r = check_dates((*ret)[i], pem, err);
	return r;
}

static void free_certificates(gnutls_x509_crt_t *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
}

static int load_authorities(struct tls_credentials *credentials, struct error *err)
{
	struct pem pem;
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;
	int r = read_pem(credentials, "ca-cert.pem", &pem, err);
	if (r == 0)
		r = check_certificates(&pem, true, &list, &count, err);
	if (r == 0) {
		int code = gnutls_certificate_set_x509_trust(credentials->x509, list, (int)count);
		if (code < 0)
			r = not_pem(err, &pem, "certificate", code);
	}
	free_certificates(list, count);
	forget(&pem);
	return r;
}

/* A list that is out of date would have everybody refused: better to say so at once. */
static int check_revocations(const struct pem *pem, struct error *err)
{
	gnutls_x509_crl_t crl;
	int code = gnutls_x509_crl_init(&crl);
	if (code < 0)
		return not_pem(err, pem, "revocation list", code);
	code = gnutls_x509_crl_import(crl, &pem->text, GNUTLS_X509_FMT_PEM);
	time_t until = code < 0 ? (time_t)-1 : gnutls_x509_crl_get_next_update(crl);
	gnutls_x509_crl_deinit(crl);
	if (code < 0)
		return not_pem(err, pem, "revocation list", code);
	if (until == (time_t)-1 || until >= time(NULL))
		return 0;
	char day[32];
	day_of(until, day);
	return error_set(err, -EKEYEXPIRED,
		"the revocation list %s was to be renewed on %s; fetch a new one from the "
		"authority, or "
		"remove it to accept what was revoked",
		pem->path, day);
}

static int load_revocations(struct tls_credentials *credentials, struct error *err)
{
	struct pem pem;
	int r = read_pem(credentials, "ca-crl.pem", &pem, err);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = check_revocations(&pem, err);
	if (r == 0) {
		/* Verified: a list that none of the authorities has signed is refused. */
		gnutls_certificate_set_flags(credentials->x509, GNUTLS_CERTIFICATE_VERIFY_CRLS);
		int code = gnutls_certificate_set_x509_crl_mem(
			credentials->x509, &pem.text, GNUTLS_X509_FMT_PEM);
		if (code == GNUTLS_E_CRL_VERIFICATION_ERROR)
			r = error_set(err, -EINVAL,
				"the revocation list %s is not signed by an authority of "
				"%s/ca-cert.pem; fetch the list that belongs to it",
				pem.path, credentials->dir);
		else if (code < 0)
			r = not_pem(err, &pem, "revocation list", code);
	}
	forget(&pem);
	return r;
}

static int use_pair(struct tls_credentials *credentials, const struct pem *certificate,
	const struct pem *key, struct error *err)
{
	int code = gnutls_certificate_set_x509_key_mem2(
		credentials->x509, &certificate->text, &key->text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code >= 0) {
		credentials->has_certificate = true;
		return 0;
	}
	if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return error_set(err, -EINVAL,
			"the key in %s does not belong to the certificate in %s; put the two files "
			"of "
			"one pair there",
			key->path, certificate->path);
	if (strstr((const char *)key->text.data, "ENCRYPTED") != NULL)
		return error_set(err, -EINVAL,
			"the key in %s has a password, which nobody could type here; store it "
			"without "
			"(\"openssl pkey\") and let only this user read it",
			key->path);
	return not_pem(err, key, "private key", code);
}

/* What we prove ourselves with. A client may do without. */
static int load_own(struct tls_credentials *credentials, struct error *err)
{
	bool server = credentials->is_server;
	struct pem certificate;
	struct pem key = {0};
	gnutls_x509_crt_t *list = NULL;
	unsigned count = 0;
	int r = read_pem(
		credentials, server ? "server-cert.pem" : "client-cert.pem", &certificate, err);
	if (r == -ENOENT && !server)
		return 0;
	if (r == 0)
		r = check_certificates(&certificate, false, &list, &count, err);
	if (r == 0)
		r = read_pem(credentials, server ? "server-key.pem" : "client-key.pem", &key, err);
	if (r == 0)
		r = use_pair(credentials, &certificate, &key, err);
	free_certificates(list, count);
	forget(&certificate);
	forget(&key);
	return r;
}

static int init(
	struct tls_credentials *credentials, const struct tls_settings *settings, struct error *err)
{
	const char *dir = settings->dir;
	if (dir == NULL)
		dir = access(OWN_DIR, F_OK) == 0 ? OWN_DIR : QEMU_DIR;
	credentials->dir = strdup(dir);
	int code = gnutls_certificate_allocate_credentials(&credentials->x509);
	if (code == 0)
		code = gnutls_priority_init2(
			&credentials->priority, PRIORITY, NULL, GNUTLS_PRIORITY_INIT_DEF_APPEND);
	if (credentials->dir == NULL || code == GNUTLS_E_MEMORY_ERROR)
		return error_set(err, -ENOMEM, "out of memory");
	if (code < 0)
		return error_set(err, -EINVAL,
			"the host's policy for TLS leaves no version from 1.2 on (%s); mend "
			"GnuTLS's "
			"configuration",
			gnutls_strerror(code));
	return 0;
}

static int load(
	struct tls_credentials *credentials, const struct tls_settings *settings, struct error *err)
{
	int r = init(credentials, settings, err);
	if (r == 0 && credentials->is_server && settings->allow != NULL && !settings->verify)
		r = error_set(err, -EINVAL,
			"<chardev:tls> has allow= and verify='no', which verifies nobody; remove "
			"one of "
			"the two");
	if (r == 0 && credentials->is_server && settings->allow != NULL)
		r = tls_allow_parse(settings->allow, &credentials->allow, err);
	if (r == 0 && credentials->verify)
		r = load_authorities(credentials, err);
	if (r == 0 && credentials->verify)
		r = load_revocations(credentials, err);
	return r == 0 ? load_own(credentials, err) : r;
}

int tls_credentials_load(const struct tls_settings *settings, bool is_server,
	struct tls_credentials **ret, struct error *err)
{
	struct tls_credentials *credentials = calloc(1, sizeof(*credentials));
	if (credentials == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	credentials->references = 1;
	credentials->is_server = is_server;
	credentials->verify = settings->verify || !is_server;
	int r = load(credentials, settings, err);
	if (r < 0)
		tls_credentials_unref(credentials);
	else
		*ret = credentials;
	return r;
}

const char *tls_credentials_dir(const struct tls_credentials *credentials)
{
	return credentials->dir;
}

uint64_t tls_credentials_stamp(const struct tls_credentials *credentials)
{
	static const char *const leaves[] = {"ca-cert.pem", "ca-crl.pem", "server-cert.pem",
		"server-key.pem", "client-cert.pem", "client-key.pem"};
	uint64_t stamp = HASH_INIT;
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		char path[MAX_PATH_BYTES], facts[128];
		struct stat st = {0};
		snprintf(path, sizeof(path), "%s/%s", credentials->dir, leaves[i]);
		if (stat(path, &st) < 0)
			st = (struct stat){0};
		snprintf(facts, sizeof(facts), "%ju %jd %jd.%09ld;", (uintmax_t)st.st_ino,
			(intmax_t)st.st_size, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
		stamp = hash_text(stamp, facts);
	}
	return stamp;
}

struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials)
{
	credentials->references++;
	return credentials;
}

struct tls_credentials *tls_credentials_unref(struct tls_credentials *credentials)
{
	if (credentials == NULL || --credentials->references > 0)
		return NULL;
	if (credentials->x509 != NULL)
		gnutls_certificate_free_credentials(credentials->x509);
	if (credentials->priority != NULL)
		gnutls_priority_deinit(credentials->priority);
	strlist_fini(&credentials->allow);
	free(credentials->dir);
	free(credentials);
	return NULL;
}
