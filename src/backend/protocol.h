/*
 * What the connections of a socket backend pass through: layers (stream/layer.h), from the wire
 * inwards, and what these need. None at all is plain bytes; no layer is ever left out because it
 * cannot be had.
 */
#ifndef CHARDEV_BACKEND_PROTOCOL_H
#define CHARDEV_BACKEND_PROTOCOL_H

#include "backend/backend.h"
#include "stream/layer.h"

enum { PROTOCOL_LAYERS_MAX = 2 };

struct protocol {
	const struct layer_type *layers[PROTOCOL_LAYERS_MAX + 1]; /* ends with NULL */
	struct loop *loop;
	bool is_server;
	const char *host;            /* the server's name, as a client */
	struct tls_credentials *tls; /* NULL without TLS */
};

/*
 * `layers` ends with NULL. With TLS among them the certificates of the device's <chardev:tls> are
 * read: a negative errno and a sentence when they cannot be used. `host` is borrowed.
 */
int protocol_init(struct protocol *protocol, const struct layer_type *const *layers,
	const struct backend_params *params, bool is_server, const char *host, struct error *err);
void protocol_fini(struct protocol *protocol);

/* Whether connections have to be made ready before they are anybody's peers. */
bool protocol_has_layers(const struct protocol *protocol);

/*
 * Puts layer number `depth` on `lower`: 1 and the layer's stream, 0 when there is none of that
 * number, or a negative errno.
 */
int protocol_wrap(struct protocol *protocol, int depth, struct stream *lower,
	const struct layer_listener *listener, void *owner, struct stream **ret);

#endif
