/*
 * What one side of a TLS connection proves itself with, and what it asks of the other side: a
 * directory of X.509 files in the convention of QEMU and libvirt, and who may come.
 *
 *         ca-cert.pem                        the authorities whose certificates are accepted
 *         ca-crl.pem                         what they have revoked; need not be there
 *         server-cert.pem, server-key.pem    a server's
 *         client-cert.pem, client-key.pem    a client's; need not be there
 *
 * Credentials do not change. To read the files again, load new ones and drop the old: sessions that
 * have begun keep theirs. The files are small and are read where tls_credentials_load() is called.
 *
 * That a key file can be read by others is not looked at: the manual says it.
 */
#ifndef CHARDEV_STREAM_TLS_CREDENTIALS_H
#define CHARDEV_STREAM_TLS_CREDENTIALS_H

#include "util/error.h"

#include <stdbool.h>
#include <stdint.h>

struct tls_credentials;

/* The text is read by tls_credentials_load() and not kept. */
struct tls_settings {
	const char *dir; /* NULL: /etc/pki/chardev, or /etc/pki/qemu where that is not there */
	/* Of a server: clients must have a certificate. A client always verifies its server. */
	bool verify;
	/*
	 * Of a server that verifies: which clients may come, NULL: all that are verified. Names
	 * with ';' between them (a ';' of the name is written '\;'); white space around a name does
	 * not count. `CN=name` alone is compared with the certificate's common name, which must be
	 * its only one; any other is a whole distinguished name ("CN=alice,O=Example"). Both are
	 * written as in RFC 4514 and compared byte by byte. A '*' stands for any text within one
	 * value: it does not reach over a ',' or a '+' that is not escaped by '\'.
	 */
	const char *allow;
};

/*
 * 0 and the credentials with one reference, or a negative errno and a sentence that names the file:
 * -ENOENT, -EACCES and others of open(2) and read(2), -EINVAL for what is in it, -EKEYEXPIRED for
 * what is not valid today, -ENOMEM.
 */
int tls_credentials_load(const struct tls_settings *settings, bool is_server,
	struct tls_credentials **ret, struct error *err);

/* Where they were read. */
const char *tls_credentials_dir(const struct tls_credentials *credentials);

/* A number for the files as they are now: another when one of them was changed, came or went. */
uint64_t tls_credentials_stamp(const struct tls_credentials *credentials);

/* Returns its argument. */
struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials);
/* Takes and returns NULL. */
struct tls_credentials *tls_credentials_unref(struct tls_credentials *credentials);

#endif
