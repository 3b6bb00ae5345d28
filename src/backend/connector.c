/* A client's way to its server; see connector.h. */
#include "backend/connector.h"

#include "util/fd.h"

#include <stdio.h>

static void begin_round(struct connector *connector);
static void try_next(struct connector *connector);

/* ---- between rounds ------------------------------------------------------------------------- */

static void pause_before_round(struct connector *connector)
{
	connector->step = CONNECTOR_WAITING;
	loop_timer_start(&connector->timer, connector->pause_ms);
	connector->pause_ms *= 2;
	if (connector->pause_ms > connector->longest_pause_ms)
		connector->pause_ms = connector->longest_pause_ms;
}

static void reset_pause(struct connector *connector)
{
	connector->pause_ms = CONNECTOR_FIRST_PAUSE_MS;
	if (connector->pause_ms > connector->longest_pause_ms)
		connector->pause_ms = connector->longest_pause_ms;
}

static void round_failed(struct connector *connector, int code, const char *reason)
{
	if (connector->ops->will_kick(connector, code))
		connector->step = CONNECTOR_WAITING;
	else
		pause_before_round(connector);
	connector->ops->failed(connector, code, reason);
}

static void round_failed_at(struct connector *connector, int code)
{
	char text[ADDRESS_TEXT_SIZE];
	char reason[ADDRESS_TEXT_SIZE + 100];
	address_text(&connector->addresses[connector->next - 1], text);
	if (code == -ECONNREFUSED)
		snprintf(reason, sizeof(reason), "connection refused by %s", text);
	else if (code == -EAGAIN)
		snprintf(reason, sizeof(reason), "%s has too many clients waiting", text);
	else
		snprintf(
			reason, sizeof(reason), "cannot connect to %s: %s", text, error_text(code));
	round_failed(connector, code, reason);
}

/* ---- one address ---------------------------------------------------------------------------- */

/*
 * Dialling a port of one's own host that nobody listens on may pick that very port as the local
 * one, and then TCP connects the socket to itself.
 */
static bool is_connected_to_itself(int fd)
{
	struct sockaddr_storage remote = {0};
	socklen_t length = sizeof(remote);
	struct address here, there;
	if (address_of_socket(fd, &here) < 0 || here.length == 0 ||
		getpeername(fd, (struct sockaddr *)&remote, &length) < 0)
		return false;
	address_from_socket(&remote, &there);
	return address_is_equal(&here, &there);
}

/* What became of connector->fd: it is handed on, or the next address is tried. */
static void conclude(struct connector *connector)
{
	if (connector->result == 0 && is_connected_to_itself(connector->fd))
		connector->result = -ECONNREFUSED;
	if (connector->result != 0) {
		connector->fd = fd_close(connector->fd);
		try_next(connector);
		return;
	}
	int fd = connector->fd;
	connector->fd = -1;
	connector->step = CONNECTOR_CONNECTED;
	connector->connected_at = loop_now_ms(connector->loop);
	connector->ops->connected(connector, fd, &connector->addresses[connector->next - 1]);
}

static void finish_close(struct connector *connector)
{
	if (--connector->closes_pending == 0)
		connector->closed(connector);
}

static void on_poll_closed(struct loop_poll *poll)
{
	struct connector *connector = container_of(poll, struct connector, poll);
	connector->poll_open = false;
	if (connector->closing)
		finish_close(connector);
	else
		conclude(connector);
}

/* The poll has to be closed before its memory serves the next address. */
static void attempt_over(struct connector *connector, int result)
{
	connector->result = result;
	connector->poll_closing = true;
	loop_timer_stop(&connector->timer);
	loop_poll_close(&connector->poll, on_poll_closed);
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct connector *connector = container_of(poll, struct connector, poll);
	int code = 0;
	socklen_t size = sizeof(code);
	if (getsockopt(connector->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		code = errno;
	attempt_over(connector, -code);
}

/* 0 when it is on its way and on_ready() or the timer will tell. */
static int wait_for_answer(struct connector *connector)
{
	int rc = loop_poll_init(&connector->poll, connector->loop, connector->fd, on_ready);
	if (rc < 0)
		return rc;
	connector->poll_open = true;
	connector->poll_closing = false;
	loop_timer_start(&connector->timer, connector->deadline_ms);
	rc = loop_poll_want(&connector->poll, LOOP_WRITABLE);
	if (rc < 0)
		attempt_over(connector, rc);
	return 0;
}

/* Goes through the addresses until one answers, is waited for, or none is left. */
static void try_next(struct connector *connector)
{
	while (connector->next < connector->count) {
		const struct address *address = &connector->addresses[connector->next++];
		int fd = socket(
			address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connector->fd = fd;
		connector->result = fd < 0 ? -errno : 0;
		if (fd < 0)
			continue;
		connector->ops->set_options(connector, fd);
		if (connect(fd, &address->u.any, address->length) < 0)
			connector->result = -errno;
		if (connector->result == -EINPROGRESS)
			connector->result = wait_for_answer(connector);
		if (connector->poll_open)
			return;
		if (connector->result == 0) {
			conclude(connector);
			return;
		}
		connector->fd = fd_close(fd);
	}
	round_failed_at(connector, connector->result);
}

/* ---- a round -------------------------------------------------------------------------------- */

static void on_resolved(struct loop_resolve *resolve, int status, const struct addrinfo *list)
{
	struct connector *connector = container_of(resolve, struct connector, resolve);
	connector->count =
		status == 0 ? address_from_list(list, connector->port, connector->addresses) : 0;
	if (connector->count > 0) {
		connector->step = CONNECTOR_CONNECTING;
		try_next(connector);
		return;
	}
	char reason[300];
	snprintf(reason, sizeof(reason), "cannot resolve \"%.100s\": %s", connector->host,
		status != 0 ? gai_strerror(status) : "it has no address");
	round_failed(connector, status == EAI_AGAIN ? -EAGAIN : -EHOSTUNREACH, reason);
}

static void begin_round(struct connector *connector)
{
	connector->ops->prepare(connector);
	connector->next = 0;
	if (connector->host == NULL) {
		connector->step = CONNECTOR_CONNECTING;
		try_next(connector);
		return;
	}
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	connector->step = CONNECTOR_RESOLVING;
	int rc = loop_resolve_start(
		&connector->resolve, connector->loop, connector->host, NULL, &hints, on_resolved);
	if (rc < 0)
		round_failed(connector, rc, error_text(rc));
}

static void on_timer(struct loop_timer *timer)
{
	struct connector *connector = container_of(timer, struct connector, timer);
	if (connector->step == CONNECTOR_WAITING)
		begin_round(connector);
	else if (connector->step == CONNECTOR_CONNECTING)
		attempt_over(connector, -ETIMEDOUT);
}

static void on_start(struct loop_task *task)
{
	begin_round(container_of(task, struct connector, start));
}

/* ---- for the owner -------------------------------------------------------------------------- */

static void init(struct connector *connector, struct loop *loop, const struct connector_ops *ops)
{
	*connector = (struct connector){
		.ops = ops,
		.loop = loop,
		.longest_pause_ms = CONNECTOR_LONGEST_PAUSE_MS,
		.deadline_ms = CONNECTOR_DEADLINE_MS,
		.fd = -1,
	};
	loop_task_init(&connector->start, loop, on_start);
	loop_timer_init(&connector->timer, loop, on_timer);
}

void connector_init_host(struct connector *connector, struct loop *loop,
	const struct connector_ops *ops, const char *host, uint16_t port)
{
	init(connector, loop, ops);
	connector->port = port;
	connector->count = address_now(host, port, false, connector->addresses);
	connector->host = connector->count > 0 ? NULL : host;
}

void connector_init_address(struct connector *connector, struct loop *loop,
	const struct connector_ops *ops, const struct address *address)
{
	init(connector, loop, ops);
	connector->addresses[0] = *address;
	connector->count = 1;
}

void connector_start(struct connector *connector)
{
	connector->step = CONNECTOR_STARTING;
	reset_pause(connector);
	loop_task_post(&connector->start);
}

void connector_lost(struct connector *connector)
{
	if (loop_now_ms(connector->loop) - connector->connected_at >= CONNECTOR_STABLE_MS)
		reset_pause(connector);
	pause_before_round(connector);
}

void connector_kick(struct connector *connector)
{
	if (connector->step != CONNECTOR_WAITING)
		return;
	loop_timer_stop(&connector->timer);
	reset_pause(connector);
	begin_round(connector);
}

static void on_timer_closed(struct loop_timer *timer)
{
	finish_close(container_of(timer, struct connector, timer));
}

static void on_resolve_closed(struct loop_resolve *resolve)
{
	finish_close(container_of(resolve, struct connector, resolve));
}

void connector_close(struct connector *connector, void (*closed)(struct connector *connector))
{
	connector->closing = true;
	connector->closed = closed;
	connector->closes_pending = 1;
	loop_task_cancel(&connector->start);
	loop_timer_close(&connector->timer, on_timer_closed);
	if (connector->step == CONNECTOR_RESOLVING) {
		connector->closes_pending++;
		loop_resolve_cancel(&connector->resolve, on_resolve_closed);
	}
	if (connector->poll_open) {
		connector->closes_pending++;
		if (!connector->poll_closing)
			loop_poll_close(&connector->poll, on_poll_closed);
	}
	connector->fd = fd_close(connector->fd);
}
