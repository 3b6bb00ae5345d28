/* stream/tls_credentials.c, tls_allow.c: what is loaded, and each fault of a file in a sentence. */
#include "test.h"

#include "certificates.h"
#include "cli/tls_make.h"
#include "fail.h"
#include "stream/tls_credentials.h"
#include "stream/tls_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct certificate ca, other;
static struct error err;

static int group_setup(void **state)
{
	ca = certificate_make(NULL, &(struct certificate_wish){.dn = "CN=authority"});
	other = certificate_make(NULL, &(struct certificate_wish){.dn = "CN=other"});
	return 0;
}

static int group_teardown(void **state)
{
	certificate_free(&ca);
	certificate_free(&other);
	return 0;
}

/* A directory with a good set for a server. */
static int setup(void **state)
{
	fail_reset();
	strcpy(dir, "/tmp/chardev-credentials-XXXXXX");
	assert_non_null(mkdtemp(dir));
	struct certificate own = certificate_make(&ca, &(struct certificate_wish){.dn = "CN=s"});
	certificate_write(&ca, dir, "ca", 0);
	certificate_write(&own, dir, "server", 1);
	certificate_free(&own);
	err = (struct error){0};
	return 0;
}

static void remove_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	remove(path);
}

static int teardown(void **state)
{
	static const char *const names[] = {"ca-cert.pem", "ca-key.pem", "ca-crl.pem",
		"server-cert.pem", "server-key.pem", "client-cert.pem", "client-key.pem"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove_file(names[i]);
	return rmdir(dir);
}

static void expect_loaded(bool is_server, const char *allow)
{
	const struct tls_settings settings = {.dir = dir, .verify = true, .allow = allow};
	struct tls_credentials *credentials = NULL;
	if (tls_credentials_load(&settings, is_server, &credentials, &err) < 0)
		fail_msg("%s", err.message);
	assert_null(tls_credentials_unref(credentials));
}

static void expect_fault(bool is_server, const char *allow, int code, const char *sentence)
{
	const struct tls_settings settings = {.dir = dir, .verify = true, .allow = allow};
	struct tls_credentials *credentials = NULL;
	char expected[ERROR_MESSAGE_SIZE];
	snprintf(expected, sizeof(expected), sentence, dir, dir, dir);
	assert_int_equal(tls_credentials_load(&settings, is_server, &credentials, &err), code);
	assert_null(credentials);
	assert_int_equal(err.code, code);
	assert_string_equal(err.message, expected);
}

#define INIT "\"chardev tls init DIR\" makes a set for a trial"
#define MISSING                                                                       \
	"which does not exist; put it there, or name another directory with dir= in " \
	"<chardev:tls> (" INIT ")"

static void good_files_are_loaded(void **state)
{
	expect_loaded(true, NULL);
	expect_loaded(true, "CN=alice");
	expect_loaded(false, NULL); /* without a certificate of its own */
	certificate_revoke(&ca, NULL, 1, dir);
	expect_loaded(true, NULL);
}

static void missing_files_are_named(void **state)
{
	remove_file("server-key.pem");
	expect_fault(true, NULL, -ENOENT, "TLS needs %s/server-key.pem, " MISSING);
	remove_file("server-cert.pem");
	expect_fault(true, NULL, -ENOENT, "TLS needs %s/server-cert.pem, " MISSING);
	remove_file("ca-cert.pem");
	expect_fault(true, NULL, -ENOENT, "TLS needs %s/ca-cert.pem, " MISSING);
	expect_fault(false, NULL, -ENOENT, "TLS needs %s/ca-cert.pem, " MISSING);
}

static void who_verifies_nobody_needs_no_authority(void **state)
{
	const struct tls_settings settings = {.dir = dir};
	struct tls_credentials *credentials;
	remove_file("ca-cert.pem");
	assert_int_equal(tls_credentials_load(&settings, true, &credentials, &err), 0);
	tls_credentials_unref(credentials);
	/* A client verifies always. */
	assert_int_equal(tls_credentials_load(&settings, false, &credentials, &err), -ENOENT);
	const struct tls_settings both = {.dir = dir, .allow = "CN=a"};
	assert_int_equal(tls_credentials_load(&both, true, &credentials, &err), -EINVAL);
	assert_non_null(strstr(err.message, "remove one of the two"));
}

static void what_is_no_pem_is_named(void **state)
{
	certificate_write_text(dir, "server-key.pem", "not a key");
	expect_fault(true, NULL, -EINVAL,
		"%s/server-key.pem is no private key in PEM format; "
		"replace it (" INIT ")");
	certificate_write_text(dir, "server-cert.pem", "");
	expect_fault(true, NULL, -EINVAL,
		"%s/server-cert.pem is no certificate in PEM format; "
		"replace it (" INIT ")");
	certificate_write_text(dir, "ca-crl.pem", "not a list");
	expect_fault(true, NULL, -EINVAL,
		"%s/ca-crl.pem is no revocation list in PEM format; "
		"replace it (" INIT ")");
	certificate_write_text(dir, "ca-cert.pem", "-----BEGIN CERTIFICATE-----\nAA\n");
	assert_int_equal(
		tls_credentials_load(&(struct tls_settings){.dir = dir}, false, NULL, &err),
		-EINVAL);
	remove_file("ca-cert.pem");
	char path[128];
	snprintf(path, sizeof(path), "%s/ca-cert.pem", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_fault(true, NULL, -EINVAL, "%s/ca-cert.pem is not a file; put a PEM file there");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0700), 0); /* which does not hold us up */
	expect_fault(true, NULL, -EINVAL, "%s/ca-cert.pem is not a file; put a PEM file there");
	remove_file("ca-cert.pem");
	certificate_write_text(dir, "ca-cert.pem", "");
	assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
	expect_fault(
		true, NULL, -EINVAL, "%s/ca-cert.pem is larger than 1 MiB; put a PEM file there");
}

static void a_key_of_another_certificate(void **state)
{
	struct certificate own = certificate_make(&ca, &(struct certificate_wish){.dn = "CN=s"});
	certificate_write(&own, dir, "server", 0);
	certificate_free(&own);
	expect_fault(true, NULL, -EINVAL,
		"the key in %s/server-key.pem does not belong to the certificate in "
		"%s/server-cert.pem; put the two files of one pair there");
}

static void a_key_with_a_password(void **state)
{
	char path[128];
	gnutls_datum_t pem;
	struct certificate own = certificate_make(&ca, &(struct certificate_wish){.dn = "CN=s"});
	certificate_write(&own, dir, "server", 0);
	assert_int_equal(gnutls_x509_privkey_export2_pkcs8(own.key, GNUTLS_X509_FMT_PEM, "secret",
				 GNUTLS_PKCS_PBES2_AES_128, &pem),
		0);
	certificate_write_text(dir, "server-key.pem", (char *)pem.data);
	gnutls_free(pem.data);
	certificate_free(&own);
	snprintf(path, sizeof(path), "%s/server-key.pem", dir);
	expect_fault(true, NULL, -EINVAL,
		"the key in %s/server-key.pem has a password, which nobody could type here; store "
		"it "
		"without (\"openssl pkey\") and let only this user read it");
}

static void what_is_out_of_its_time(void **state)
{
	static const struct certificate_wish expired = {
		.dn = "CN=s", .valid_from_days = -9, .valid_until_days = -1};
	static const struct certificate_wish early = {.dn = "CN=s", .valid_from_days = 2};
	struct certificate own = certificate_make(&ca, &expired);
	certificate_write(&own, dir, "server", 1);
	certificate_free(&own);
	assert_int_equal(tls_credentials_load(&(struct tls_settings){.dir = dir}, true, NULL, &err),
		-EKEYEXPIRED);
	assert_non_null(strstr(err.message, "server-cert.pem has expired on 2"));
	assert_non_null(strstr(err.message, "; replace it with a new one"));
	own = certificate_make(&ca, &early);
	certificate_write(&own, dir, "server", 1);
	certificate_free(&own);
	assert_int_equal(tls_credentials_load(&(struct tls_settings){.dir = dir}, true, NULL, &err),
		-EKEYEXPIRED);
	assert_non_null(strstr(err.message, "server-cert.pem is valid from 2"));
	certificate_revoke(&ca, NULL, -1, dir);
	assert_int_equal(
		tls_credentials_load(&(struct tls_settings){.dir = dir}, false, NULL, &err),
		-EKEYEXPIRED);
	assert_non_null(strstr(err.message, "ca-crl.pem was to be renewed on 2"));
	own = certificate_make(NULL, &expired);
	certificate_write(&own, dir, "ca", 0);
	certificate_free(&own);
	assert_int_equal(
		tls_credentials_load(&(struct tls_settings){.dir = dir}, false, NULL, &err),
		-EKEYEXPIRED);
	assert_non_null(strstr(err.message, "ca-cert.pem has expired on 2"));
}

static void a_revocation_list_of_another_authority(void **state)
{
	certificate_revoke(&other, NULL, 1, dir);
	expect_fault(true, NULL, -EINVAL,
		"the revocation list %s/ca-crl.pem is not signed by an authority of "
		"%s/ca-cert.pem; "
		"fetch the list that belongs to it");
}

static void memory_and_reads_that_fail(void **state)
{
	const struct tls_settings settings = {.dir = dir, .verify = true, .allow = "CN=a;CN=b"};
	struct tls_credentials *credentials = NULL;
	int failed = 0;
	for (int n = 1; n <= 8; n++) {
		static const enum fail_call calls[] = {FAIL_MALLOC, FAIL_CALLOC, FAIL_READ};
		static const int errors[] = {ENOMEM, ENOMEM, EIO};
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
			fail_reset();
			fail_nth(calls[i], n, errors[i]);
			int r = tls_credentials_load(&settings, true, &credentials, &err);
			assert_true(r == 0 || r == -errors[i]);
			failed += r < 0;
			if (r == 0)
				tls_credentials_unref(credentials);
		}
	}
	assert_true(failed >= 6);
	fail_reset();
	fail_nth(FAIL_READ, 1, EINTR);
	expect_loaded(true, NULL);
}

/* What `chardev tls init` makes is what is loaded. */
static void a_set_for_a_trial(void **state)
{
	struct strlist hosts = STRLIST_INIT;
	strlist_add(&hosts, "localhost");
	assert_int_equal(tls_make_set(dir, &hosts, &err), -EEXIST);
	teardown(state);
	assert_int_equal(tls_make_set(dir, &hosts, &err), 0);
	expect_loaded(true, "CN=" TLS_CLIENT_NAME);
	expect_loaded(false, NULL);
	/* Nothing is left of a set that cannot be made whole. */
	for (int n = 1; n <= TLS_FILE_COUNT; n++) {
		teardown(state);
		fail_reset();
		fail_nth(FAIL_WRITE, n, ENOSPC);
		assert_int_equal(tls_make_set(dir, &hosts, &err), -ENOSPC);
		assert_int_equal(access(dir, F_OK), -1);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	strlist_fini(&hosts);
}

/* ---- allow= ---------------------------------------------------------------------------------- */

static bool allows(const char *allow, const char *dn)
{
	struct strlist list = STRLIST_INIT;
	assert_int_equal(tls_allow_parse(allow, &list, NULL), 0);
	bool matches = tls_allow_matches(&list, dn);
	strlist_fini(&list);
	return matches;
}

static void names_that_are_allowed(void **state)
{
	static const struct {
		const char *allow, *dn;
		bool matches;
	} cases[] = {
		{"CN=alice", "CN=alice", true},
		{"CN=alice", "CN=alice,O=Example", true},
		{"CN=alice", "O=Example,CN=alice", true},
		{"CN=alice", "UID=1+CN=alice,O=Example", true},
		{"CN=alice", "CN=alice2", false},
		{"CN=alice", "CN=Alice", false},
		{"CN=alice", "O=alice", false},
		{"CN=alice", "O=x\\,CN=alice", false},
		{"CN=alice", "CN=alice,CN=bob", false}, /* which of the two is it? */
		{"CN=bob;CN=alice", "CN=alice", true},
		{" CN=bob ;\n\tCN=alice ;", "CN=alice", true},
		{"CN=bob;CN=carol", "CN=alice", false},
		{"CN=alice,O=Example", "CN=alice,O=Example", true},
		{"CN=alice,O=Example", "CN=alice", false},
		{"CN=alice,O=Example", "CN=alice,O=Example,C=DE", false},
		{"O=Example", "CN=alice,O=Example", false},
		{"CN=*", "CN=alice,O=Example", true},
		{"CN=al*", "CN=alice", true},
		{"CN=*ce", "CN=alice", true},
		{"CN=a*i*e", "CN=alice", true},
		{"CN=a*x*e", "CN=alice", false},
		{"CN=a**", "CN=a", true},
		{"CN=*,O=Example", "CN=alice,O=Example", true},
		{"CN=*,O=Example", "CN=alice,OU=Guests,O=Example", false},
		{"CN=*,O=Example", "CN=a\\,b,O=Example", true},
		{"*,O=Example", "UID=1+CN=a,O=Example", false},
		{"CN=a\\;b", "CN=a\\;b", true},
		{"CN=a\\,b", "CN=a\\,b", true},
		{"CN=a?ice", "CN=alice", false}, /* only '*' is special */
		{"CN=[a]lice", "CN=alice", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (allows(cases[i].allow, cases[i].dn) != cases[i].matches)
			fail_msg("%s: %s", cases[i].allow, cases[i].dn);
}

static void names_that_are_none(void **state)
{
	expect_fault(true, " ; ", -EINVAL,
		"allow=' ; ' of <chardev:tls> names nobody; write a client as CN=name, or remove "
		"allow= "
		"to let in all whose certificates are verified");
	expect_fault(true, "CN=a;bob", -EINVAL,
		"\"bob\" in allow= of <chardev:tls> is no name of a certificate; write CN=name or "
		"a "
		"whole distinguished name such as CN=name,O=organisation");
}

#define credentials_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		credentials_test(good_files_are_loaded),
		credentials_test(missing_files_are_named),
		credentials_test(who_verifies_nobody_needs_no_authority),
		credentials_test(what_is_no_pem_is_named),
		credentials_test(a_key_of_another_certificate),
		credentials_test(a_key_with_a_password),
		credentials_test(what_is_out_of_its_time),
		credentials_test(a_revocation_list_of_another_authority),
		credentials_test(memory_and_reads_that_fail),
		credentials_test(a_set_for_a_trial),
		cmocka_unit_test(names_that_are_allowed),
		credentials_test(names_that_are_none),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
