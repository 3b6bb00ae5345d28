/* The layer of TLS between its files: tls.c, which is the stream, and tls_handshake.c. */
#ifndef CHARDEV_STREAM_TLS_LAYER_H
#define CHARDEV_STREAM_TLS_LAYER_H

#include "stream/tls_internal.h"
#include "stream/tls_sent.h"
#include "stream/tls_wire.h"

enum tls_state {
	TLS_HANDSHAKE, /* until `ready` or `failed` */
	TLS_OPEN,
	TLS_ENDED, /* `failed` or `gone` was told */
};

struct tls {
	struct layer layer;
	enum tls_state state;
	gnutls_session_t session;
	struct tls_credentials *credentials;
	struct loop_timer deadline; /* of the handshake; of quiet after the other side's end; of the
				       last record after the close */
	bool lingering;             /* closed, and the last record is not gone yet */
	struct loop_task task;      /* the first step of the handshake; later: deliver */
	bool heard;                 /* anything at all came */
	bool reading;
	bool want_writable;
	bool input_over; /* nothing more will be delivered */
	bool told_end;
	bool notified; /* the other side has said its end in TLS (close_notify) */
	bool wrote;    /* since the deadline began that its answer waits for */
	bool lower_ended;
	bool lower_gone;
	int lower_reason;
	uint64_t lower_unsent;            /* in bytes of the consumer's */
	int send_code;                    /* of GnuTLS: sending failed */
	gnutls_alert_description_t alert; /* why the other side was refused */
	struct error error;               /* likewise */
	struct tls_sent sent;
	struct tls_wire wire;
};

/* Makes the session of a layer whose credentials are set. 0 or a negative errno. */
int tls_handshake_init(struct tls *tls, const struct layer_params *params);

/*
 * Goes on with the handshake: at its beginning, when there is input, and when output has gone. The
 * listener may be told `ready` or `failed`, and may close the layer then.
 */
void tls_handshake_step(struct tls *tls);
/* Likewise: the stream below has no more input, or is gone. */
void tls_handshake_cut(struct tls *tls);
/* Likewise: time is up. */
void tls_handshake_expire(struct tls *tls);

/* The session is over: nothing is read any more. */
void tls_end(struct tls *tls);
/* Says in TLS why, unless the other side has said it: with an alert for `code`, GnuTLS's error. */
void tls_send_alert(struct tls *tls, int code);

#endif
