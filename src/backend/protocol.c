/* The layers of connections; see protocol.h. */
#include "backend/protocol.h"

#include "stream/tls_credentials.h"

#include <errno.h>

bool protocol_has(const struct protocol *protocol, const struct layer_type *type)
{
	for (int i = 0; protocol->layers[i] != NULL; i++)
		if (protocol->layers[i] == type)
			return true;
	return false;
}

static int load(const struct protocol *protocol, struct tls_credentials **ret, struct error *err)
{
	const struct extensions *said = &protocol->params->config->extensions;
	const struct tls_settings settings = {
		.dir = said->tls.dir,
		.verify = said->tls.verify != TRISTATE_NO,
		.allow = said->tls.allow,
	};
	return tls_credentials_load(&settings, protocol->is_server, ret, err);
}

int protocol_init(struct protocol *protocol, const struct layer_type *const *layers,
	const struct backend_params *params, bool is_server, const char *host, struct error *err)
{
	*protocol = (struct protocol){.params = params, .is_server = is_server, .host = host};
	for (int i = 0; i < PROTOCOL_LAYERS_MAX && layers[i] != NULL; i++)
		protocol->layers[i] = layers[i];
	if (!protocol_has(protocol, &layer_tls))
		return 0;
	/* Without a stamp: the first connection reads them once more, for they may have changed. */
	return load(protocol, &protocol->tls, err);
}

void protocol_fini(struct protocol *protocol)
{
	protocol->tls = tls_credentials_unref(protocol->tls);
}

int protocol_refresh(struct protocol *protocol, struct error *err)
{
	struct tls_credentials *fresh = NULL;
	uint64_t stamp = protocol->tls != NULL ? tls_credentials_stamp(protocol->tls) : 0;
	if (protocol->tls == NULL || stamp == protocol->stamp)
		return 0;
	int rc = load(protocol, &fresh, err);
	/* What was short may be there for the next connection, without a file being changed. */
	if (rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM)
		protocol->stamp = stamp;
	if (rc < 0)
		return rc;
	tls_credentials_unref(protocol->tls);
	protocol->tls = fresh;
	return 0;
}

int protocol_wrap(struct protocol *protocol, int depth, struct stream *lower,
	const struct layer_listener *listener, void *owner, struct stream **ret)
{
	const struct layer_type *type = protocol->layers[depth];
	const struct layer_params params = {
		.loop = protocol->params->loop,
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
