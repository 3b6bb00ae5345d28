/*
 * A layer: a stream that consumes a lower stream and hands its bytes on, changed (tls.c, telnet.c).
 *
 * Layers are put one upon the other, from the wire inwards, by whoever made the lowest stream
 * (backend/socket_peers.c). A layer takes over the stream that it wraps: closing the layer closes
 * it, and when that is done, and its maker told, `closed` follows and the layer is freed.
 *
 * A layer is ready when bytes may pass: TLS when the other side has proved who it is, telnet at
 * once. Until then no consumer may be attached. A layer that cannot become ready says why and
 * carries nothing, ever; its owner then closes it.
 *
 * A layer stages at most one chunk of LAYER_CHUNK bytes each way, and reads its lower stream only
 * while its own consumer reads or its protocol wants to. Closed with output staged, it may take a
 * second to send it.
 */
#ifndef CHARDEV_STREAM_LAYER_H
#define CHARDEV_STREAM_LAYER_H

#include "loop/loop.h"
#include "stream/stream.h"

enum {
	LAYER_CHUNK = 16 * 1024,
	LAYER_LINGER_MS = 1000, /* after stream_close(): what is staged may still go */
};

/* The owner's side. Each comes from the loop, never from within a call of the owner's. */
struct layer_listener {
	/* Once, unless it failed: the stream may be handed to a consumer. */
	void (*ready)(void *owner);
	/* Once, instead of `ready`: a negative errno, and one clause for a person. */
	void (*failed)(void *owner, int failure, const char *reason);
	/*
	 * After `ready`, just before the consumer is told `gone` because of something that the
	 * layer itself has seen: a negative errno, and one clause for a person; `gone` then has no
	 * reason of its own. In TLS 1.3 a client is ready before the server has judged its
	 * certificate: a refusal comes so. NULL: not interested, and `gone` has the errno.
	 */
	void (*broken)(void *owner, int failure, const char *reason);
	/* After stream_close(): the layer is freed. */
	void (*closed)(void *owner);
};

struct tls_credentials;

/* What layers may want to know; pointers are borrowed for the layer's whole life. */
struct layer_params {
	struct loop *loop;
	bool is_server;              /* the other side has come to us */
	struct tls_credentials *tls; /* tls: not NULL */
	const char *host;            /* tls, as a client: the name the server must prove */
	unsigned handshake_ms;       /* tls: the deadline until `ready`; 0: 10 s */
	const struct layer_listener *listener;
	void *owner;
};

struct layer {
	struct stream base;
	struct layer_params params;
	struct stream *lower;
	void (*lower_closed)(struct stream *lower); /* its maker's */
	void (*free)(struct layer *layer);
};

/* One kind of layer. */
struct layer_type {
	const char *name;
	/*
	 * Makes one on `lower`, a stream that is ready and has no consumer yet. 0, or a negative
	 * errno with the lower stream as it was.
	 */
	int (*wrap)(struct stream *lower, const struct layer_params *params, struct stream **ret);
};

extern const struct layer_type layer_tls;
extern const struct layer_type layer_telnet;

/*
 * For the layers: ties one to its lower stream, to which it attaches with `lower_sink` and itself
 * as the consumer. `free` releases the layer's memory at its end.
 */
void layer_init(struct layer *layer, const struct stream_ops *ops, struct stream *lower,
	const struct stream_sink *lower_sink, const struct layer_params *params,
	void (*free)(struct layer *layer));

/* The last step of a layer's own close operation. */
void layer_close_lower(struct layer *layer);

#endif
