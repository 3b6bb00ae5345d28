/* The connect mode of tcp and unix; see socket_client.h. */
#include "backend/socket_client.h"

#include <stdio.h>

static struct socket_client *of(struct connector *connector)
{
	return container_of(connector, struct socket_client, connector);
}

static void report(
	struct socket_client *client, enum backend_state state, int failure, const char *reason)
{
	client->params->sink->state(client->params->device, state, failure, reason);
}

static void on_prepare(struct connector *connector)
{
	of(connector)->kind->prepare(of(connector));
}

static void on_set_options(struct connector *connector, int fd)
{
	of(connector)->kind->set_options(fd);
}

static bool on_will_kick(struct connector *connector, int code)
{
	return of(connector)->kind->will_kick(of(connector), code);
}

static void on_failed(struct connector *connector, int code, const char *reason)
{
	report(of(connector), BACKEND_CONNECTING, code, reason);
}

static void on_connected(struct connector *connector, int fd, const struct address *address)
{
	struct socket_client *client = of(connector);
	char name[PEER_NAME_SIZE];
	client->kind->settle(client);
	client->kind->name(fd, address, name);
	int rc = socket_peers_add(&client->peers, fd, name);
	if (rc < 0) {
		connector_lost(connector);
		report(client, BACKEND_CONNECTING, rc, error_text(rc));
	}
}

const struct connector_ops socket_client_connector_ops = {
	.prepare = on_prepare,
	.set_options = on_set_options,
	.connected = on_connected,
	.failed = on_failed,
	.will_kick = on_will_kick,
};

static bool welcome(struct socket_peers *peers, const char *name)
{
	return true;
}

static void joined(struct socket_peers *peers)
{
	struct socket_client *client = container_of(peers, struct socket_client, peers);
	if (!client->closing)
		report(client, BACKEND_CONNECTED, 0, NULL);
}

static void refused(struct socket_peers *peers, const char *name, int failure, const char *reason)
{
	struct socket_client *client = container_of(peers, struct socket_client, peers);
	char text[PEER_NAME_SIZE + PEER_REASON_SIZE];
	snprintf(text, sizeof(text), "cannot use the connection to %s: %s", name, reason);
	report(client, BACKEND_CONNECTING, failure, text);
}

static void troubled(struct socket_peers *peers, int failure, const char *reason)
{
	struct socket_client *client = container_of(peers, struct socket_client, peers);
	report(client, BACKEND_CONNECTING, failure, reason);
}

static void finish(struct socket_client *client)
{
	if (client->connector_closed && client->peers.count == 0)
		client->closed(client);
}

static void left(struct socket_peers *peers, const char *name)
{
	struct socket_client *client = container_of(peers, struct socket_client, peers);
	char reason[PEER_NAME_SIZE + 100];
	if (client->closing) {
		finish(client);
	} else if (client->reconnect->enabled == TRISTATE_NO) {
		snprintf(reason, sizeof(reason),
			"the connection to %s ended, and <reconnect enabled='no'/> allows no other",
			name);
		report(client, BACKEND_IDLE, 0, reason);
	} else {
		snprintf(reason, sizeof(reason), "the connection to %s ended", name);
		connector_lost(&client->connector);
		report(client, BACKEND_CONNECTING, 0, reason);
	}
}

static const struct socket_peers_listener peers_listener = {
	.welcome = welcome,
	.joined = joined,
	.refused = refused,
	.broken = refused,
	.troubled = troubled,
	.left = left,
};

void socket_client_start(struct socket_client *client, const struct socket_client_kind *kind,
	const struct backend_params *params, struct protocol *protocol,
	const struct reconnect *reconnect)
{
	client->kind = kind;
	client->params = params;
	client->reconnect = reconnect;
	socket_peers_init(&client->peers, params, protocol, kind->stream, &peers_listener);
	client->peers.end_together = true;
	if (reconnect->enabled == TRISTATE_YES && reconnect->timeout > 0)
		client->connector.longest_pause_ms = (uint64_t)reconnect->timeout * 1000;
	connector_start(&client->connector);
}

static void on_connector_closed(struct connector *connector)
{
	struct socket_client *client = of(connector);
	client->connector_closed = true;
	finish(client);
}

void socket_client_close(struct socket_client *client, void (*closed)(struct socket_client *client))
{
	client->closing = true;
	client->closed = closed;
	socket_peers_close_unready(&client->peers);
	connector_close(&client->connector, on_connector_closed);
}

bool socket_client_is_connected(const struct socket_client *client)
{
	return socket_peers_joined(&client->peers) > 0;
}
