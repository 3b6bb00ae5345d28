/* Certificates for a trial; see tls_make.h. The fields are RFC 5280's. */
#include "cli/tls_make.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"

enum {
	PATH_BYTES = 4096,
	HOST_BYTES = 253, /* RFC 1035's limit as text */
	SERIAL_BYTES = 16,
	KEY_ID_BYTES = 20,
	HOUR = 60 * 60,
	YEAR = 365 * 24 * HOUR,
};

const char *const tls_file_names[TLS_FILE_COUNT] = {
	[TLS_FILE_CA_CERT] = "ca-cert.pem",
	[TLS_FILE_CA_KEY] = "ca-key.pem",
	[TLS_FILE_SERVER_CERT] = "server-cert.pem",
	[TLS_FILE_SERVER_KEY] = "server-key.pem",
	[TLS_FILE_CLIENT_CERT] = "client-cert.pem",
	[TLS_FILE_CLIENT_KEY] = "client-key.pem",
};

/* A certificate and its key; zeroed: not made yet. */
struct pair {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

static bool is_key(enum tls_file file)
{
	return file % 2 == 1;
}

void tls_own_hosts(struct strlist *hosts)
{
	char name[HOST_BYTES + 1];
	strlist_add(hosts, "localhost");
	strlist_add(hosts, "127.0.0.1");
	strlist_add(hosts, "::1");
	if (gethostname(name, sizeof(name)) == 0 && memchr(name, '\0', sizeof(name)) != NULL &&
		tls_is_host(name) && strcmp(name, "localhost") != 0)
		strlist_add(hosts, name);
}

/* The bytes of an IP address: how many, 0 when it is none. */
static unsigned address_of(const char *host, unsigned char bytes[16])
{
	if (inet_pton(AF_INET, host, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, host, bytes) == 1 ? 16 : 0;
}

bool tls_is_host(const char *host)
{
	unsigned char bytes[16];
	if (address_of(host, bytes) > 0)
		return true;
	size_t n = strlen(host);
	return n > 0 && n <= HOST_BYTES && host[0] != '-' && host[0] != '.' &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*") ==
		       n;
}

/* ---- one certificate ------------------------------------------------------------------------- */

static void free_pair(struct pair *pair)
{
	if (pair->crt != NULL)
		gnutls_x509_crt_deinit(pair->crt);
	if (pair->key != NULL)
		gnutls_x509_privkey_deinit(pair->key);
}

static int set_hosts(gnutls_x509_crt_t crt, const struct strlist *hosts)
{
	int code = 0;
	for (size_t i = 0; i < hosts->count && code == 0; i++) {
		unsigned char bytes[16];
		const char *host = hosts->items[i];
		unsigned n = address_of(host, bytes);
		code = n > 0 ? gnutls_x509_crt_set_subject_alt_name(
				       crt, GNUTLS_SAN_IPADDRESS, bytes, n, GNUTLS_FSAN_APPEND)
			     : gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
				       (unsigned)strlen(host), GNUTLS_FSAN_APPEND);
	}
	return code;
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t signer)
{
	unsigned char id[KEY_ID_BYTES];
	size_t n = sizeof(id);
	int code = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &n);
	if (code == 0)
		code = gnutls_x509_crt_set_subject_key_id(crt, id, n);
	n = sizeof(id);
	if (code == 0)
		code = gnutls_x509_crt_get_key_id(signer, GNUTLS_KEYID_USE_SHA1, id, &n);
	return code == 0 ? gnutls_x509_crt_set_authority_key_id(crt, id, n) : code;
}

/* What every certificate has; a bit of time before now, for clocks that do not agree. */
static int set_common(const struct pair *pair, const char *name)
{
	unsigned char serial[SERIAL_BYTES];
	time_t now = time(NULL);
	int code = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and without a zero in front */
	if (code == 0)
		code = gnutls_x509_crt_set_version(pair->crt, 3);
	if (code == 0)
		code = gnutls_x509_crt_set_serial(pair->crt, serial, sizeof(serial));
	if (code == 0)
		code = gnutls_x509_crt_set_activation_time(pair->crt, now - HOUR);
	if (code == 0)
		code = gnutls_x509_crt_set_expiration_time(pair->crt, now + YEAR);
	if (code == 0)
		code = gnutls_x509_crt_set_dn_by_oid(
			pair->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	return code == 0 ? gnutls_x509_crt_set_key(pair->crt, pair->key) : code;
}

struct key_kind {
	gnutls_pk_algorithm_t algorithm;
	unsigned bits;
};

static const struct key_kind usual_key = {
	GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)};
/* telnet-ssl(1) takes no other from a file. */
static const struct key_kind client_key = {GNUTLS_PK_RSA, 3072};

static int generate(struct pair *pair, const char *name, const struct key_kind *kind)
{
	int code = gnutls_x509_privkey_init(&pair->key);
	if (code == 0)
		code = gnutls_x509_privkey_generate(pair->key, kind->algorithm, kind->bits, 0);
	if (code == 0)
		code = gnutls_x509_crt_init(&pair->crt);
	return code == 0 ? set_common(pair, name) : code;
}

/* Signs what is complete; the authority signs itself. */
static int sign(const struct pair *pair, const struct pair *authority)
{
	int code = set_key_ids(pair->crt, authority->crt);
	return code == 0 ? gnutls_x509_crt_sign2(
				   pair->crt, authority->crt, authority->key, GNUTLS_DIG_SHA256, 0)
			 : code;
}

static int make_authority(struct pair *pair)
{
	int code = generate(pair, "chardev trial authority", &usual_key);
	if (code == 0)
		code = gnutls_x509_crt_set_basic_constraints(pair->crt, 1, 0);
	if (code == 0)
		code = gnutls_x509_crt_set_key_usage(
			pair->crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	return code == 0 ? sign(pair, pair) : code;
}

/* `hosts` make it a server's. */
static int make_signed(struct pair *pair, const struct pair *authority, const char *name,
	const struct strlist *hosts)
{
	const char *purpose = hosts != NULL ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
	int code = generate(pair, name, hosts != NULL ? &usual_key : &client_key);
	if (code == 0)
		code = gnutls_x509_crt_set_basic_constraints(pair->crt, 0, -1);
	if (code == 0)
		code = gnutls_x509_crt_set_key_usage(pair->crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (code == 0)
		code = gnutls_x509_crt_set_key_purpose_oid(pair->crt, purpose, 0);
	if (code == 0 && hosts != NULL)
		code = set_hosts(pair->crt, hosts);
	return code == 0 ? sign(pair, authority) : code;
}

/* ---- the files ------------------------------------------------------------------------------- */

/* telnet-ssl(1) looks for its server's name here, and not among the hosts. */
static const char *server_name(const struct strlist *hosts)
{
	enum { COMMON_NAME_BYTES = 64 }; /* RFC 5280, ub-common-name */
	return strlen(hosts->items[0]) <= COMMON_NAME_BYTES ? hosts->items[0] : "chardev server";
}

static int make_texts(const struct strlist *hosts, gnutls_datum_t texts[TLS_FILE_COUNT])
{
	struct pair pairs[TLS_FILE_COUNT / 2] = {0};
	int code = make_authority(&pairs[0]);
	if (code == 0)
		code = make_signed(&pairs[1], &pairs[0], server_name(hosts), hosts);
	if (code == 0)
		code = make_signed(&pairs[2], &pairs[0], TLS_CLIENT_NAME, NULL);
	for (int i = 0; i < TLS_FILE_COUNT && code == 0; i++)
		code = is_key(i) ? gnutls_x509_privkey_export2_pkcs8(pairs[i / 2].key,
					   GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &texts[i])
				 : gnutls_x509_crt_export2(
					   pairs[i / 2].crt, GNUTLS_X509_FMT_PEM, &texts[i]);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		free_pair(&pairs[i]);
	return code;
}

static int path_of(const char *dir, enum tls_file file, char path[PATH_BYTES], struct error *err)
{
	if (snprintf(path, PATH_BYTES, "%s/%s", dir, tls_file_names[file]) < PATH_BYTES)
		return 0;
	return error_set(err, -ENAMETOOLONG, "the directory's name is too long; choose another");
}

static int write_new(
	const char *path, enum tls_file file, const gnutls_datum_t *text, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, is_key(file) ? 0600 : 0644);
	if (fd < 0 && errno == EEXIST)
		return error_set(err, -EEXIST,
			"%s is there already and stays as it is; name another directory, or remove "
			"it",
			path);
	int r = fd < 0 ? -errno : fd_write_all(fd, text->data, text->size);
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlink(path);
	return r < 0 ? error_set(err, r, "cannot write %s: %s; name another directory", path,
			       error_text(r))
		     : 0;
}

/* All or none. */
static int write_all(const char *dir, const gnutls_datum_t texts[TLS_FILE_COUNT], struct error *err)
{
	char path[PATH_BYTES];
	int made = 0;
	int r = 0;
	for (; made < TLS_FILE_COUNT && r == 0; made += r == 0) {
		r = path_of(dir, made, path, err);
		if (r == 0)
			r = write_new(path, made, &texts[made], err);
	}
	while (r < 0 && made-- > 0)
		if (path_of(dir, made, path, NULL) == 0)
			unlink(path);
	return r;
}

/* Before anything is made: a set is not mixed with what is there. */
static int check_free(const char *dir, struct error *err)
{
	for (int i = 0; i < TLS_FILE_COUNT; i++) {
		char path[PATH_BYTES];
		struct stat st;
		int r = path_of(dir, i, path, err);
		if (r < 0)
			return r;
		if (lstat(path, &st) == 0)
			return error_set(err, -EEXIST,
				"%s is there already and stays as it is; name another directory, "
				"or "
				"remove it",
				path);
	}
	return 0;
}

int tls_make_set(const char *dir, const struct strlist *hosts, struct error *err)
{
	gnutls_datum_t texts[TLS_FILE_COUNT] = {0};
	bool made = mkdir(dir, 0755) == 0;
	if (!made && errno != EEXIST)
		return error_set(err, -errno, "cannot make the directory %s: %s", dir,
			errno == ENOENT ? "the one that it stands in is missing; make that first"
					: error_text(errno));
	int r = check_free(dir, err);
	if (r == 0) {
		int code = make_texts(hosts, texts);
		if (code < 0)
			r = error_set(err, code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL,
				"cannot make certificates: %s", gnutls_strerror(code));
	}
	if (r == 0)
		r = write_all(dir, texts, err);
	for (int i = 0; i < TLS_FILE_COUNT; i++) {
		if (texts[i].data != NULL)
			gnutls_memset(texts[i].data, 0, texts[i].size);
		gnutls_free(texts[i].data);
	}
	if (r < 0 && made)
		rmdir(dir);
	return r;
}
