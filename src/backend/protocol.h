/*
 * What the connections of a socket backend pass through: layers (stream/layer.h), from the wire
 * inwards, and what these need. None at all is plain bytes; no layer is ever left out because it
 * cannot be had.
 */
#ifndef CHARDEV_BACKEND_PROTOCOL_H
#define CHARDEV_BACKEND_PROTOCOL_H

#include "backend/address.h"
#include "backend/backend.h"
#include "stream/layer.h"

enum { PROTOCOL_LAYERS_MAX = 2 };

struct protocol {
	const struct layer_type *layers[PROTOCOL_LAYERS_MAX + 1]; /* ends with NULL */
	bool is_server;
	const char *host; /* the server's name, as a client */
	const struct backend_params *params;
	struct tls_credentials *tls; /* NULL without TLS */
	uint64_t stamp; /* of their files when they were last read anew, or tried to be; 0: not yet
			 */
};

/*
 * `layers` ends with NULL. With TLS among them the certificates of the device's <chardev:tls> are
 * read: a negative errno and a sentence when they cannot be used. params and host must outlive it.
 */
int protocol_init(struct protocol *protocol, const struct layer_type *const *layers,
	const struct backend_params *params, bool is_server, const char *host, struct error *err);
void protocol_fini(struct protocol *protocol);

/* Whether a connection passes through a layer of this type. */
bool protocol_has(const struct protocol *protocol, const struct layer_type *type);

/*
 * Before a new connection: certificates that were changed on the disk are read again; connections
 * that there are keep theirs. A negative errno and a sentence, once, when the new ones cannot be
 * used: then the old ones still are.
 */
int protocol_refresh(struct protocol *protocol, struct error *err);

/*
 * Puts layer number `depth` on `lower`: 1 and the layer's stream, 0 when there is none of that
 * number, or a negative errno.
 */
int protocol_wrap(struct protocol *protocol, int depth, struct stream *lower,
	const struct layer_listener *listener, void *owner, struct stream **ret);

/*
 * The command by which a person talks to our end of `address`: a client where we are the server,
 * and the other way round. None when there is none that a shell can take.
 */
void protocol_describe_tcp(const struct protocol *protocol, const struct address *address,
	struct backend_description *ret);
void protocol_describe_unix(
	const struct protocol *protocol, const char *path, struct backend_description *ret);

#endif
