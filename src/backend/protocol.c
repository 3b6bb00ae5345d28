/* The layers of connections; see protocol.h. */
#include "backend/protocol.h"

#include "stream/tls_credentials.h"

static bool wants_tls(const struct protocol *protocol)
{
	for (int i = 0; protocol->layers[i] != NULL; i++)
		if (protocol->layers[i] == &layer_tls)
			return true;
	return false;
}

int protocol_init(struct protocol *protocol, const struct layer_type *const *layers,
	const struct backend_params *params, bool is_server, const char *host, struct error *err)
{
	const struct extensions *said = &params->config->extensions;
	*protocol = (struct protocol){.loop = params->loop, .is_server = is_server, .host = host};
	for (int i = 0; i < PROTOCOL_LAYERS_MAX && layers[i] != NULL; i++)
		protocol->layers[i] = layers[i];
	if (!wants_tls(protocol))
		return 0;
	const struct tls_settings settings = {
		.dir = said->tls.dir,
		.verify = said->tls.verify != TRISTATE_NO,
		.allow = said->tls.allow,
	};
	return tls_credentials_load(&settings, is_server, &protocol->tls, err);
}

void protocol_fini(struct protocol *protocol)
{
	protocol->tls = tls_credentials_unref(protocol->tls);
}

bool protocol_has_layers(const struct protocol *protocol)
{
	return protocol->layers[0] != NULL;
}

int protocol_wrap(struct protocol *protocol, int depth, struct stream *lower,
	const struct layer_listener *listener, void *owner, struct stream **ret)
{
	const struct layer_type *type = protocol->layers[depth];
	const struct layer_params params = {
		.loop = protocol->loop,
		.is_server = protocol->is_server,
		.tls = protocol->tls,
		.host = protocol->host,
		.listener = listener,
		.owner = owner,
	};
	if (type == NULL)
		return 0;
	int rc = type->wrap(lower, &params, ret);
	return rc < 0 ? rc : 1;
}
