/*
 * <serial type='udp'>: datagrams to `connect`, from whoever sends to `bind`. One lossy peer, always
 * there.
 *
 * Not here: lines and datagrams (udp_stream.c).
 *
 * Who is let in: with a bind address, anybody who sends to it; without one, only the peer, from the
 * port that is sent to. QEMU lets in the peer alone, which keeps out a guest's netconsole: that
 * sends from port 6665 while it is told to listen elsewhere, and from an address that whoever wrote
 * the document may not know. See docs/adr/0022-udp-lets-in-whoever-sends.md.
 *
 * A name is resolved off the loop, again after a pause until it is, and then kept.
 */
#include "backend/describe.h"
#include "backend/table.h"
#include "backend/udp_stream.h"

#include "util/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_FIRST_MS = 1000, RETRY_LONGEST_MS = 30 * 1000 };

struct udp_backend {
	struct backend base;
	const struct udp_source *source;
	uint16_t bind_port;
	uint16_t peer_port; /* 0: output goes nowhere */
	bool has_bind;
	bool dual_stack; /* an IPv6 socket that carries IPv4 too */
	int fd;          /* before the stream has it */
	struct udp_stream stream;
	bool stream_open;
	struct loop_task start;
	struct loop_resolve resolve;
	bool resolving;
	struct loop_timer retry;
	uint64_t retry_ms;
	bool closing;
	int closes_pending;
	void (*closed)(void *device);
};

static void advance(struct udp_backend *udp);

static void report(struct udp_backend *udp, int code, const char *reason)
{
	const struct backend_params *params = &udp->base.params;
	enum backend_state state = udp->stream_open ? BACKEND_CONNECTED : BACKEND_CONNECTING;
	params->sink->state(params->device, state, code, reason);
}

static bool is_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* libvirt leaves out or empties the host of a peer on this host. */
static const char *peer_host(const struct udp_backend *udp)
{
	return is_given(udp->source->connect_host) ? udp->source->connect_host : "localhost";
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int make_socket(int family)
{
	static const int on = 1;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	return fd;
}

/* Without SO_REUSEADDR, which would let two sockets take turns on one port. */
static int bind_socket(struct udp_backend *udp, const struct address *local, struct error *err)
{
	bool in6 = local->u.any.sa_family == AF_INET6;
	int only = !address_is_wildcard(local);
	int fd = make_socket(local->u.any.sa_family);
	if (fd < 0)
		return address_bind_error("udp", local, fd, err);
	if (in6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, &local->u.any, local->length) < 0) {
		int code = -errno;
		fd_close(fd);
		return address_bind_error("udp", local, code, err);
	}
	udp->fd = fd;
	udp->dual_stack = in6 && only == 0;
	return 0;
}

/* The first address that the socket can send to, as it wants it. */
static bool pick_peer(int family, bool dual_stack, const struct address *addresses, int count,
	struct address *ret)
{
	for (int i = 0; i < count; i++) {
		*ret = addresses[i];
		if (ret->u.any.sa_family == family)
			return true;
		if (dual_stack) {
			address_map_to_in6(&addresses[i], ret);
			return true;
		}
	}
	return false;
}

/* Of several addresses to bind ("localhost"), the one whose family the peer has. */
static const struct address *pick_bind(
	const struct udp_backend *udp, const struct address *addresses, int count)
{
	struct address peers[ADDRESS_MAX], peer;
	int peer_count = address_now(peer_host(udp), udp->peer_port, false, peers);
	for (int i = 0; i < count; i++)
		if (pick_peer(addresses[i].u.any.sa_family, false, peers, peer_count, &peer))
			return &addresses[i];
	return &addresses[0];
}

/* ---- the stream ------------------------------------------------------------------------------ */

static void finish(struct udp_backend *udp)
{
	if (!udp->closing || udp->closes_pending > 0 || udp->stream_open)
		return;
	void (*closed)(void *device) = udp->closed;
	void *device = udp->base.params.device;
	fd_close(udp->fd);
	free(udp);
	closed(device);
}

static void on_stream_closed(struct stream *stream)
{
	struct udp_backend *udp = container_of(stream, struct udp_backend, stream.base);
	udp->stream_open = false;
	finish(udp);
}

static void on_trouble(struct udp_stream *us, int code, const char *reason)
{
	report(container_of(us, struct udp_backend, stream), code, reason);
}

/* From now on the device has the stream; the peer may still be looked for. */
static int hand_out(struct udp_backend *udp, const struct address *peer, bool connected)
{
	const struct backend_params *params = &udp->base.params;
	char text[ADDRESS_TEXT_SIZE];
	char name[PEER_NAME_SIZE] = "any sender";
	int rc = udp_stream_init(&udp->stream, params->loop, udp->fd, on_trouble, on_stream_closed);
	if (rc < 0)
		return rc;
	udp->fd = -1;
	udp->stream_open = true;
	udp_stream_set_peer(&udp->stream, peer, connected);
	udp->stream.peer_is_awaited = peer == NULL && udp->peer_port != 0;
	if (peer != NULL)
		snprintf(name, sizeof(name), "%s", address_text(peer, text));
	else if (udp->peer_port != 0)
		snprintf(name, sizeof(name), "%.110s:%u", peer_host(udp), udp->peer_port);
	const struct peer_info info = {
		.kind = PEER_LOSSY, .name = name, .no_output = udp->peer_port == 0};
	params->sink->peer(params->device, &udp->stream.base, &info);
	if (!udp->closing)
		report(udp, 0, NULL);
	return 0;
}

/* The peer's addresses are known: the socket is made if there is none, and the stream is told. */
static int use_peer(struct udp_backend *udp, const struct address *addresses, int count)
{
	struct address peer;
	if (udp->has_bind) {
		int fd = udp->stream_open ? udp->stream.fd : udp->fd;
		struct address local;
		int rc = address_of_socket(fd, &local);
		if (rc < 0)
			return rc;
		if (!pick_peer(local.u.any.sa_family, udp->dual_stack, addresses, count, &peer))
			return -EAFNOSUPPORT;
		if (!udp->stream_open)
			return hand_out(udp, &peer, false);
		udp_stream_set_peer(&udp->stream, &peer, false);
		return 0;
	}
	udp->fd = make_socket(addresses[0].u.any.sa_family);
	int rc = udp->fd < 0 ? udp->fd : 0;
	if (rc == 0 && connect(udp->fd, &addresses[0].u.any, addresses[0].length) < 0)
		rc = -errno;
	if (rc == 0)
		rc = hand_out(udp, &addresses[0], true);
	if (rc < 0)
		udp->fd = fd_close(udp->fd);
	return rc;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void try_later(struct udp_backend *udp, int code, const char *reason)
{
	loop_timer_start(&udp->retry, udp->retry_ms);
	udp->retry_ms *= 2;
	if (udp->retry_ms > RETRY_LONGEST_MS)
		udp->retry_ms = RETRY_LONGEST_MS;
	/* Output no longer waits for the name. */
	if (udp->stream_open && !udp->stream.has_peer)
		udp_stream_set_peer(&udp->stream, NULL, false);
	report(udp, code, reason);
}

static bool bind_is_missing(const struct udp_backend *udp)
{
	return udp->has_bind && !udp->stream_open && udp->fd < 0;
}

static void on_resolved(struct loop_resolve *resolve, int status, const struct addrinfo *list)
{
	struct udp_backend *udp = container_of(resolve, struct udp_backend, resolve);
	bool for_bind = bind_is_missing(udp);
	struct address addresses[ADDRESS_MAX];
	struct error err = {0};
	udp->resolving = false;
	if (udp->stream.base.closing)
		return;
	uint16_t port = for_bind ? udp->bind_port : udp->peer_port;
	int count = status == 0 ? address_from_list(list, port, addresses) : 0;
	const char *host = for_bind ? udp->source->bind_host : peer_host(udp);
	if (count == 0)
		error_set(&err, -EHOSTUNREACH, "cannot resolve \"%s\": %s", host,
			status != 0 ? gai_strerror(status) : "it has no address");
	else if (for_bind)
		bind_socket(udp, pick_bind(udp, addresses, count), &err);
	else if ((status = use_peer(udp, addresses, count)) < 0)
		error_set(&err, status, "cannot send to \"%s\": %s", host, error_text(status));
	if (err.code < 0)
		try_later(udp, err.code, err.message);
	else if (!udp->closing)
		advance(udp);
}

static void resolve(struct udp_backend *udp, const char *host)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	int rc = loop_resolve_start(
		&udp->resolve, udp->base.params.loop, host, NULL, &hints, on_resolved);
	udp->resolving = rc == 0;
	if (rc < 0)
		try_later(udp, rc, error_text(rc));
}

/* Does what is next: the bound socket, the stream, the peer. */
static void advance(struct udp_backend *udp)
{
	struct address addresses[ADDRESS_MAX];
	if (udp->stream.base.closing)
		return;
	if (bind_is_missing(udp)) {
		resolve(udp, udp->source->bind_host);
		return;
	}
	int rc = 0;
	int count = 0;
	bool needs_peer = udp->peer_port != 0 && !(udp->stream_open && udp->stream.has_peer);
	if (needs_peer)
		count = address_now(peer_host(udp), udp->peer_port, false, addresses);
	if (count > 0)
		rc = use_peer(udp, addresses, count);
	else if (udp->has_bind && !udp->stream_open)
		rc = hand_out(udp, NULL, false);
	if (rc < 0)
		try_later(udp, rc, error_text(rc));
	else if (needs_peer && count == 0 && !udp->closing)
		resolve(udp, peer_host(udp));
}

static void on_start(struct loop_task *task)
{
	advance(container_of(task, struct udp_backend, start));
}

static void on_retry(struct loop_timer *timer)
{
	advance(container_of(timer, struct udp_backend, retry));
}

/* ---- the operations -------------------------------------------------------------------------- */

static int parse_ports(struct udp_backend *udp, struct error *err)
{
	const struct udp_source *source = udp->source;
	int rc = 0;
	udp->has_bind = is_given(source->bind_host) || is_given(source->bind_service);
	if (is_given(source->bind_service))
		rc = address_port_parse(source->bind_service, SOCK_DGRAM, &udp->bind_port, err);
	if (rc == 0 && is_given(source->connect_service))
		rc = address_port_parse(source->connect_service, SOCK_DGRAM, &udp->peer_port, err);
	if (rc == 0 && !udp->has_bind && udp->peer_port == 0)
		rc = error_set(err, -EINVAL,
			"no port to send to is named; add service= to <source mode='connect'>");
	return rc;
}

/* What can be bound without asking a name server is bound at once. */
static int bind_now(struct udp_backend *udp, struct error *err)
{
	struct address locals[ADDRESS_MAX];
	const struct address *local = NULL;
	const struct backend_params *params = &udp->base.params;
	int count = address_now(udp->source->bind_host, udp->bind_port, true, locals);
	int rc = 0;
	if (count > 0) {
		local = pick_bind(udp, locals, count);
		rc = bind_socket(udp, local, err);
	}
	if (rc == 0 && local != NULL) {
		struct address peers[ADDRESS_MAX], peer;
		int known = address_now(peer_host(udp), udp->peer_port, false, peers);
		if (udp->peer_port != 0 && known > 0 &&
			!pick_peer(local->u.any.sa_family, udp->dual_stack, peers, known, &peer))
			rc = error_set(err, -EAFNOSUPPORT,
				"a socket bound to \"%s\" cannot send to \"%s\": one is IPv4, the "
				"other IPv6",
				udp->source->bind_host, udp->source->connect_host);
	}
	if (rc == 0 && udp->fd >= 0) {
		rc = loop_poll_check(params->loop, udp->fd);
		if (rc < 0)
			error_set(err, rc, "cannot wait for datagrams: %s", error_text(rc));
	}
	if (rc < 0)
		udp->fd = fd_close(udp->fd);
	return rc;
}

static int udp_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	struct udp_backend *udp = calloc(1, sizeof(*udp));
	if (udp == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	udp->base = (struct backend){.ops = &udp_backend, .params = *params};
	udp->source = &params->config->source.u.udp;
	udp->fd = -1;
	udp->retry_ms = RETRY_FIRST_MS;
	int rc = parse_ports(udp, err);
	if (rc == 0 && udp->has_bind)
		rc = bind_now(udp, err);
	if (rc < 0) {
		free(udp);
		return rc;
	}
	loop_task_init(&udp->start, params->loop, on_start);
	loop_timer_init(&udp->retry, params->loop, on_retry);
	loop_task_post(&udp->start);
	*ret = &udp->base;
	return 0;
}

static void on_retry_closed(struct loop_timer *timer)
{
	struct udp_backend *udp = container_of(timer, struct udp_backend, retry);
	udp->closes_pending--;
	finish(udp);
}

static void on_resolve_closed(struct loop_resolve *resolve)
{
	struct udp_backend *udp = container_of(resolve, struct udp_backend, resolve);
	udp->closes_pending--;
	finish(udp);
}

static void udp_close(struct backend *backend, void (*closed)(void *device))
{
	struct udp_backend *udp = container_of(backend, struct udp_backend, base);
	udp->closed = closed;
	udp->closing = true;
	udp->closes_pending = 1;
	loop_task_cancel(&udp->start);
	loop_timer_close(&udp->retry, on_retry_closed);
	if (udp->resolving) {
		udp->closes_pending++;
		loop_resolve_cancel(&udp->resolve, on_resolve_closed);
	}
}

/*
 * A peer on this host can be played by socat: from the peer's address to ours. The address we send
 * from is not known before there is a socket.
 */
static void describe_peer_command(const struct udp_backend *udp, const struct address *local,
	const struct address *peer, struct backend_description *ret)
{
	char address[2 * ADDRESS_TEXT_SIZE + 20], to[ADDRESS_TEXT_SIZE], from[ADDRESS_TEXT_SIZE];
	struct address reach;
	address_to_reach(local, &reach);
	address_text(&reach, to);
	if (peer == NULL) {
		snprintf(address, sizeof(address), "udp:%s", to);
	} else {
		address_to_reach(peer, &reach);
		snprintf(
			address, sizeof(address), "udp:%s,bind=%s", to, address_text(&reach, from));
	}
	describe_command(ret, DESCRIBE_TERMINAL, address, "");
}

static void udp_describe(const struct backend *backend, struct backend_description *ret)
{
	const struct udp_backend *udp = container_of(backend, const struct udp_backend, base);
	int fd = udp->stream_open ? udp->stream.fd : udp->fd;
	struct address local = {0}, peers[ADDRESS_MAX];
	char bound[ADDRESS_TEXT_SIZE] = "", text[ADDRESS_TEXT_SIZE], to[300] = "";
	const struct address *peer = NULL;
	bool is_bound = fd >= 0 && address_of_socket(fd, &local) == 0 && address_port(&local) != 0;
	if (udp->peer_port != 0 && udp->stream_open && udp->stream.has_peer)
		peer = &udp->stream.peer;
	else if (udp->peer_port != 0 &&
		 address_now(peer_host(udp), udp->peer_port, false, peers) > 0)
		peer = &peers[0];
	if (peer != NULL)
		snprintf(to, sizeof(to), " to %s", address_text(peer, text));
	else if (udp->peer_port != 0)
		snprintf(to, sizeof(to), " to %.255s:%u", peer_host(udp), udp->peer_port);
	if (udp->has_bind && is_bound)
		snprintf(bound, sizeof(bound), " %s", address_text(&local, text));
	describe_where(ret, "udp%s%s", bound, to);
	if (udp->has_bind && is_bound)
		snprintf(ret->service, sizeof(ret->service), "%u", address_port(&local));
	if (is_bound && (udp->peer_port == 0 || (peer != NULL && address_is_local(peer))))
		describe_peer_command(udp, &local, peer, ret);
}

const struct backend_ops udp_backend = {
	.open = udp_open,
	.close = udp_close,
	.describe = udp_describe,
	.reopen = backend_has_no_file,
};
