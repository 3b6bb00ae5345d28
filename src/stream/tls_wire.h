/*
 * Between GnuTLS and the stream below: what came and GnuTLS has not asked for yet, and what it has
 * made and the stream has not taken yet. One chunk and one record, and no more.
 *
 * A record is made only when the one before is gone, so that GnuTLS never holds any of ours: what
 * gnutls_record_send() takes is taken. Only a handshake may make more than fits; it waits in
 * GnuTLS.
 */
#ifndef CHARDEV_STREAM_TLS_WIRE_H
#define CHARDEV_STREAM_TLS_WIRE_H

#include "stream/layer.h"

#include <gnutls/gnutls.h>

enum {
	/* The most plain text of one record (RFC 8446, 5.1). */
	TLS_RECORD_BYTES = 16 * 1024,
	/* What is around it, at its most (RFC 5246, 6.2.3), and an alert and a new key before it.
	 */
	TLS_RECORD_ROOM = TLS_RECORD_BYTES + 2048 + 5 + 512,
};

/* A record that holds an alert and is not enciphered (RFC 8446, 5.1 and 6). */
enum { TLS_ALERT_RECORD_BYTES = 7 };

struct tls_wire {
	struct stream *lower;
	size_t in_at;
	size_t in_end;
	size_t out_at;
	size_t out_end;
	bool borrowed;  /* the stream below has what is in `out` */
	int failure;    /* of the output: what is made from then on is thrown away */
	uint64_t made;  /* bytes of TLS altogether */
	uint64_t taken; /* of these, by the stream below */
	unsigned char last[TLS_ALERT_RECORD_BYTES]; /* the bytes that GnuTLS has taken last */
	char in[LAYER_CHUNK];
	char out[TLS_RECORD_ROOM];
};

/* Makes `wire`, a zeroed object, the transport of a session. */
void tls_wire_init(struct tls_wire *wire, struct stream *lower, gnutls_session_t session);

/* The stream below asks where to read to: the parts, 0 while GnuTLS has not asked for the rest. */
int tls_wire_space(struct tls_wire *wire, struct iovec iov[STREAM_MAX_PARTS]);
/* n bytes are there; 0: whatever is there is not wanted. */
void tls_wire_received(struct tls_wire *wire, size_t n);
bool tls_wire_has_input(const struct tls_wire *wire);

/*
 * Was the last that GnuTLS has taken a fatal alert in plain text? OpenSSL sends such a one in TLS
 * 1.3, where GnuTLS expects a cipher, and takes it for a forgery.
 */
bool tls_wire_ends_in_alert(const struct tls_wire *wire, gnutls_alert_description_t *ret);

/* Hands on what was made, as far as the stream below takes it; its `writable` asks for the rest. */
void tls_wire_flush(struct tls_wire *wire);
void tls_wire_written(struct tls_wire *wire, size_t done, int failure);
/* Is everything handed on, or thrown away? */
bool tls_wire_is_flushed(const struct tls_wire *wire);

#endif
