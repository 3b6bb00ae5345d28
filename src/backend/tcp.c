/*
 * <serial type='tcp'>: a server (mode='bind') or a client (mode='connect') on TCP.
 *
 * Not here: accepting (listener.c), connecting (connector.c, socket_client.c), bytes (stream/).
 * What a protocol is made of stands in one table below; none of it ever falls back to plain TCP.
 *
 * TCP_USER_TIMEOUT is not set: with it Linux also ends a connection whose peer is alive and
 * acknowledges, but does not read (measured: 3.5 s after the window closed with 3 s), and a
 * terminal stopped by ^S is such a peer. See docs/adr/0020-no-tcp-user-timeout.md.
 */
#include "backend/describe.h"
#include "backend/listener.h"
#include "backend/socket_client.h"
#include "backend/table.h"
#include "backend/tcp_bind.h"

#include "util/fd.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	KEEPALIVE_IDLE_S = 15,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_PROBES = 3,
	RETRY_FIRST_MS = 1000, /* a name to bind that does not resolve, or is not ours yet */
	RETRY_LONGEST_MS = 30 * 1000,
};

/* What bytes pass through between a peer and the device, from the wire inwards. */
static const struct layer_type *const protocol_layers[TCP_PROTOCOL_COUNT][PROTOCOL_LAYERS_MAX + 1] =
	{
		[TCP_PROTOCOL_RAW] = {NULL},
		[TCP_PROTOCOL_TELNET] = {&layer_telnet, NULL},
		[TCP_PROTOCOL_TELNETS] = {&layer_tls, &layer_telnet, NULL},
		[TCP_PROTOCOL_TLS] = {&layer_tls, NULL},
};

struct tcp_backend {
	struct backend base;
	const struct tcp_source *source;
	struct protocol protocol;
	uint16_t port; /* as asked for */
	struct loop_task start;
	/* mode='connect' */
	struct socket_client client;
	/* mode='bind' */
	struct listener listener;
	struct loop_resolve resolve;
	struct loop_timer retry;
	uint64_t retry_ms;
	bool resolving;
	int closes_pending;
	void (*closed)(void *device);
};

static void report(struct tcp_backend *tcp, enum backend_state state, int code, const char *reason)
{
	tcp->base.params.sink->state(tcp->base.params.device, state, code, reason);
}

/* tls='yes' is TLS below whatever is spoken. */
static enum tcp_protocol protocol_spoken(const struct tcp_source *source)
{
	if (source->tls != TRISTATE_YES)
		return source->protocol;
	return source->protocol == TCP_PROTOCOL_TELNET || source->protocol == TCP_PROTOCOL_TELNETS
		       ? TCP_PROTOCOL_TELNETS
		       : TCP_PROTOCOL_TLS;
}

/* ---- options of connections ----------------------------------------------------------------- */

static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_OOBINLINE, 1},
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof(options[i].value));
}

static void admit(int fd, const struct sockaddr_storage *from, char name[PEER_NAME_SIZE])
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	set_options(fd);
	address_from_socket(from, &address);
	snprintf(name, PEER_NAME_SIZE, "%s", address_text(&address, text));
}

/* ---- mode='connect' ------------------------------------------------------------------------- */

static void name_server(int fd, const struct address *address, char ret[PEER_NAME_SIZE])
{
	char text[ADDRESS_TEXT_SIZE];
	snprintf(ret, PEER_NAME_SIZE, "%s", address_text(address, text));
}

/* The network has no events to wait for. */
static void prepare_nothing(struct socket_client *client)
{
}

static bool will_kick(struct socket_client *client, int code)
{
	return false;
}

static const struct socket_client_kind client_kind = {
	.stream = FD_STREAM_TCP,
	.set_options = set_options,
	.name = name_server,
	.prepare = prepare_nothing,
	.will_kick = will_kick,
	.settle = prepare_nothing,
};

static void free_and_tell(struct tcp_backend *tcp)
{
	void (*closed)(void *device) = tcp->closed;
	void *device = tcp->base.params.device;
	protocol_fini(&tcp->protocol);
	free(tcp);
	closed(device);
}

static void on_client_closed(struct socket_client *client)
{
	free_and_tell(container_of(client, struct tcp_backend, client));
}

static int open_client(struct tcp_backend *tcp, struct error *err)
{
	const struct backend_params *params = &tcp->base.params;
	if (tcp->port == 0)
		return error_set(err, -EINVAL,
			"service \"0\" cannot be connected to; name the server's port");
	connector_init_host(&tcp->client.connector, params->loop, &socket_client_connector_ops,
		tcp->source->host, tcp->port);
	socket_client_start(
		&tcp->client, &client_kind, params, &tcp->protocol, &tcp->source->reconnect);
	return 0;
}

/* ---- mode='bind' ---------------------------------------------------------------------------- */

static void resolve_again_later(struct tcp_backend *tcp, int code, const char *reason)
{
	loop_timer_start(&tcp->retry, tcp->retry_ms);
	tcp->retry_ms *= 2;
	if (tcp->retry_ms > RETRY_LONGEST_MS)
		tcp->retry_ms = RETRY_LONGEST_MS;
	report(tcp, BACKEND_IDLE, code, reason);
}

static int listen_on(struct tcp_backend *tcp, const int *fds, int count)
{
	int failure = 0;
	for (int i = 0; i < count; i++) {
		int rc = listener_add(&tcp->listener, fds[i]);
		if (rc < 0)
			failure = rc;
	}
	return failure;
}

static void on_resolved(struct loop_resolve *resolve, int status, const struct addrinfo *list)
{
	struct tcp_backend *tcp = container_of(resolve, struct tcp_backend, resolve);
	struct address addresses[ADDRESS_MAX];
	struct error err = {0};
	int fds[LISTENER_MAX_SOCKETS];
	tcp->resolving = false;
	int count = status == 0 ? address_from_list(list, tcp->port, addresses) : 0;
	if (count == 0) {
		error_set(&err, -EHOSTUNREACH, "cannot resolve \"%s\": %s", tcp->source->host,
			status != 0 ? gai_strerror(status) : "it has no address");
		resolve_again_later(tcp, err.code, err.message);
		return;
	}
	int made = tcp_bind(addresses, count, tcp->port, fds, &err);
	if (made < 0) {
		resolve_again_later(tcp, err.code, err.message);
		return;
	}
	int rc = listen_on(tcp, fds, made);
	if (tcp->listener.socket_count > 0)
		report(tcp, BACKEND_LISTENING, rc, rc < 0 ? error_text(rc) : NULL);
	else
		resolve_again_later(tcp, rc, error_text(rc));
}

static void resolve(struct tcp_backend *tcp)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	int rc = loop_resolve_start(
		&tcp->resolve, tcp->base.params.loop, tcp->source->host, NULL, &hints, on_resolved);
	tcp->resolving = rc == 0;
	if (rc < 0)
		resolve_again_later(tcp, rc, error_text(rc));
}

static void on_retry(struct loop_timer *timer)
{
	resolve(container_of(timer, struct tcp_backend, retry));
}

static void on_start(struct loop_task *task)
{
	struct tcp_backend *tcp = container_of(task, struct tcp_backend, start);
	if (tcp->listener.socket_count > 0)
		report(tcp, BACKEND_LISTENING, 0, NULL);
	else
		resolve(tcp);
}

static int open_server(struct tcp_backend *tcp, struct error *err)
{
	const struct backend_params *params = &tcp->base.params;
	struct address addresses[ADDRESS_MAX];
	int fds[LISTENER_MAX_SOCKETS];
	int made = 0;
	int count = address_now(tcp->source->host, tcp->port, true, addresses);
	if (count > 0)
		made = tcp_bind(addresses, count, tcp->port, fds, err);
	if (made < 0)
		return made;
	int rc = 0;
	for (int i = 0; i < made && rc == 0; i++)
		rc = loop_poll_check(params->loop, fds[i]);
	if (rc < 0) {
		while (made > 0)
			fd_close(fds[--made]);
		return error_set(err, rc, "cannot wait for clients: %s", error_text(rc));
	}
	listener_init(&tcp->listener, params, &tcp->protocol, FD_STREAM_TCP, admit);
	loop_timer_init(&tcp->retry, params->loop, on_retry);
	tcp->retry_ms = RETRY_FIRST_MS;
	listen_on(tcp, fds, made);
	loop_task_post(&tcp->start);
	return 0;
}

static void finish_server(struct tcp_backend *tcp)
{
	if (--tcp->closes_pending == 0)
		free_and_tell(tcp);
}

static void on_listener_closed(struct listener *listener)
{
	finish_server(container_of(listener, struct tcp_backend, listener));
}

static void on_retry_closed(struct loop_timer *timer)
{
	finish_server(container_of(timer, struct tcp_backend, retry));
}

static void on_resolve_closed(struct loop_resolve *resolve)
{
	finish_server(container_of(resolve, struct tcp_backend, resolve));
}

static void close_server(struct tcp_backend *tcp)
{
	tcp->closes_pending = 2;
	listener_close(&tcp->listener, on_listener_closed);
	loop_timer_close(&tcp->retry, on_retry_closed);
	if (tcp->resolving) {
		tcp->closes_pending++;
		loop_resolve_cancel(&tcp->resolve, on_resolve_closed);
	}
}

/* ---- the operations ------------------------------------------------------------------------- */

static int tcp_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	const struct tcp_source *source = &params->config->source.u.tcp;
	bool listens = source->mode == SOCKET_BIND;
	uint16_t port = 0;
	int rc = address_port_parse(source->service, SOCK_STREAM, &port, err);
	if (rc < 0)
		return rc;
	struct tcp_backend *tcp = calloc(1, sizeof(*tcp));
	if (tcp == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	tcp->base = (struct backend){.ops = &tcp_backend, .params = *params};
	tcp->source = source;
	tcp->port = port;
	loop_task_init(&tcp->start, params->loop, on_start);
	rc = protocol_init(&tcp->protocol, protocol_layers[protocol_spoken(source)],
		&tcp->base.params, listens, source->host, err);
	if (rc == 0)
		rc = listens ? open_server(tcp, err) : open_client(tcp, err);
	if (rc < 0) {
		protocol_fini(&tcp->protocol);
		free(tcp);
		return rc;
	}
	*ret = &tcp->base;
	return 0;
}

static void tcp_close(struct backend *backend, void (*closed)(void *device))
{
	struct tcp_backend *tcp = container_of(backend, struct tcp_backend, base);
	tcp->closed = closed;
	loop_task_cancel(&tcp->start);
	if (tcp->source->mode == SOCKET_BIND)
		close_server(tcp);
	else
		socket_client_close(&tcp->client, on_client_closed);
}

static void describe_server(const struct tcp_backend *tcp, struct backend_description *ret)
{
	char text[ADDRESS_TEXT_SIZE];
	char where[LISTENER_MAX_SOCKETS * (ADDRESS_TEXT_SIZE + 2)] = "";
	struct address bound, reach;
	int count = tcp->listener.socket_count;
	size_t used = 0;
	for (int i = 0; i < count; i++) {
		if (address_of_socket(tcp->listener.sockets[i].fd, &bound) < 0)
			continue;
		used += (size_t)snprintf(where + used, sizeof(where) - used, "%s%s",
			i > 0 ? ", " : "", address_text(&bound, text));
	}
	if (used == 0) {
		describe_where(ret, "tcp %s:%s", tcp->source->host, tcp->source->service);
		return;
	}
	describe_where(ret, "tcp %s", where);
	address_of_socket(tcp->listener.sockets[0].fd, &bound);
	address_to_reach(&bound, &reach);
	snprintf(ret->service, sizeof(ret->service), "%u", address_port(&bound));
	protocol_describe_tcp(&tcp->protocol, &reach, ret);
}

static void describe_client(const struct tcp_backend *tcp, struct backend_description *ret)
{
	const struct connector *connector = &tcp->client.connector;
	char text[ADDRESS_TEXT_SIZE];
	if (connector->host != NULL) {
		describe_where(ret, "tcp to %s:%u", connector->host, tcp->port);
		return;
	}
	const struct address *server = &connector->addresses[0];
	describe_where(ret, "tcp to %s", address_text(server, text));
	if (!address_is_local(server) || socket_client_is_connected(&tcp->client))
		return;
	protocol_describe_tcp(&tcp->protocol, server, ret);
}

static void tcp_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct tcp_backend *tcp = container_of(backend, const struct tcp_backend, base);
	if (tcp->source->mode == SOCKET_BIND)
		describe_server(tcp, ret);
	else
		describe_client(tcp, ret);
}

const struct backend_ops tcp_backend = {
	.open = tcp_open,
	.close = tcp_close,
	.describe = tcp_describe,
	.reopen = backend_has_no_file,
};
