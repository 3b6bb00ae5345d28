/* Two sides of TLS on one loop, over a socket pair; for tests of the layer. */
#ifndef CHARDEV_TEST_TLS_PAIR_H
#define CHARDEV_TEST_TLS_PAIR_H

#include "certificates.h"
#include "recorder.h"
#include "stream/fd_stream.h"
#include "stream/layer.h"
#include "stream/tls_credentials.h"

/* One side: a layer over its end of a socket pair, and what was told of it. */
struct tls_side {
	struct fd_stream lower;
	struct stream *stream;
	struct recorder recorder;
	struct loop *loop;
	bool lower_closed;
	bool ready;
	bool failed;
	bool broken;
	bool closed;
	bool close_when_ready;
	bool close_when_broken;
	bool in_operation; /* nothing may be told now */
	int failure;
	char reason[512];
};

/*
 * The files in which every test finds good certificates: `ca`, who has signed the server's (for
 * localhost and 127.0.0.1) and the client's (CN=alice,O=Example), and `other`, who has signed none.
 */
struct tls_files {
	char base[64];
	char server[96]; /* the directories of the two sides */
	char client[96];
	struct certificate ca;
	struct certificate other;
};

void tls_files_make(struct tls_files *files);
void tls_files_remove(struct tls_files *files);
/* Credentials that must load; NULL for what is not said. */
struct tls_credentials *tls_files_load(const char *dir, bool is_server, const char *allow);

/* A layer on `fd`, which it takes over; `host` makes it a client. */
void tls_side_begin(struct tls_side *side, struct loop *loop, int fd,
	struct tls_credentials *credentials, const char *host, unsigned handshake_ms);
/* Until it is ready or has failed. */
void tls_side_wait(struct tls_side *side);
/* Closes it unless that was done, and waits for the end; once more changes nothing. */
void tls_side_end(struct tls_side *side);

/* Both sides with good certificates, ready. */
void tls_pair_begin(struct tls_side *server, struct tls_side *client, struct loop *loop,
	const struct tls_files *files);

#endif
