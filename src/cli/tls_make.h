/*
 * Makes a set of certificates for a trial of TLS: an authority of its own, and what it has signed
 * for a server and for a client, in the convention of stream/tls_credentials.h.
 *
 * This is no authority to live with: it has no list of what it has signed and revokes nothing.
 */
#ifndef CHARDEV_CLI_TLS_MAKE_H
#define CHARDEV_CLI_TLS_MAKE_H

#include "util/error.h"
#include "util/strlist.h"

#include <stddef.h>

#define TLS_CLIENT_NAME "chardev client"

enum tls_file {
	TLS_FILE_CA_CERT,
	TLS_FILE_CA_KEY,
	TLS_FILE_SERVER_CERT,
	TLS_FILE_SERVER_KEY,
	TLS_FILE_CLIENT_CERT,
	TLS_FILE_CLIENT_KEY,
	TLS_FILE_COUNT
};

extern const char *const tls_file_names[TLS_FILE_COUNT];

/* Appends the names of this machine by which a client may call it; the list says if it failed. */
void tls_own_hosts(struct strlist *hosts);

/* Is it a name for a certificate, or an IP address? */
bool tls_is_host(const char *host);

/*
 * Makes the files in `dir`, which is made if it is not there, for a server of these hosts, the
 * first of which is its common name, valid for a year. 0, or a negative errno with a sentence: then
 * nothing is left that was not there.
 */
int tls_make_set(const char *dir, const struct strlist *hosts, struct error *err);

#endif
