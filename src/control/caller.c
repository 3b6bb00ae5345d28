/* A caller and its calls, up to the method; see caller.h. */
#include "control/caller.h"

#include "control/method.h"
#include "control/server_internal.h"
#include "util/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct caller *of_connection(const struct connection *connection)
{
	return container_of(connection, struct caller, connection);
}

/*
 * The longest call by what the caller may do at most: only an admin's carries a document, only an
 * operator's what is typed (64 KiB in base64). So nobody can make us hold much who may do little.
 */
static size_t max_of(const struct connection *connection)
{
	static const size_t max[ROLE_COUNT] = {
		[ROLE_NONE] = 4 * 1024,
		[ROLE_VIEWER] = 16 * 1024,
		[ROLE_OPERATOR] = 128 * 1024,
		[ROLE_ADMIN] = CONTROL_MESSAGE_MAX,
	};
	const struct caller *caller = of_connection(connection);
	return max[access_best_role(caller->server->params.access, &caller->peer)];
}

/* ---- what is asked -------------------------------------------------------------------------- */

/* The name of the parameter that is not as it should be; NULL: all are. */
static const char *wrong_parameter(const struct method *method, json_t *parameters)
{
	const char *name;
	json_t *value;
	json_object_foreach(parameters, name, value) {
		const struct parameter *known = method->parameters;
		while (known->name != NULL && strcmp(known->name, name) != 0)
			known++;
		if (known->name == NULL)
			return name;
		bool is_right = json_is_null(value)             ? !known->required
				: known->type == PARAMETER_TEXT ? json_is_string(value)
				: known->type == PARAMETER_FLAG
					? json_is_boolean(value)
					: json_is_integer(value) && json_integer_value(value) >= 0;
		if (!is_right)
			return name;
	}
	for (const struct parameter *known = method->parameters; known->name != NULL; known++)
		if (known->required && json_object_get(parameters, known->name) == NULL)
			return known->name;
	return NULL;
}

static bool has_role(struct call *call)
{
	const struct access *access = call_server(call)->params.access;
	const struct method *method = call->method;
	const char *domain = call_text(call, "domain");
	if (method->role == ROLE_NONE)
		return true;
	if (domain == NULL && !method->on_all &&
		access_best_role(access, call_peer(call)) >= method->role)
		return true;
	return call_has_role(call, method->role, domain);
}

static void run(struct call *call)
{
	if (!has_role(call))
		return;
	if (call->method->upgrades != call->message.upgrade) {
		call_fail(call, CONTROL_INVALID,
			call->method->upgrades
				? "%s needs \"upgrade\": true, see chardev-control(7)"
				: "%s has no \"upgrade\"",
			call->method->name);
		return;
	}
	const char *wrong = wrong_parameter(call->method, call->message.parameters);
	if (wrong != NULL)
		call_fail_service(call, "InvalidParameter", "parameter", wrong);
	else
		call->method->run(call);
}

static void refuse_method(struct call *call, const char *name)
{
	char interface[256];
	const char *dot = strrchr(name, '.');
	if (method_interface_exists(name)) {
		call_fail_service(call, "MethodNotFound", "method", name);
		return;
	}
	snprintf(interface, sizeof(interface), "%.*s",
		dot != NULL ? (int)(dot - name) : (int)strlen(name), name);
	call_fail_service(call, "InterfaceNotFound", "interface", interface);
}

/* ---- the connection ------------------------------------------------------------------------- */

/* Nothing more is read of who speaks something else. */
static void reject(struct connection *connection, const char *reason)
{
	size_t n = 0;
	json_t *message = message_text(reason);
	char *text =
		message_error("org.chardev.Invalid", json_pack("{s:o*}", "message", message), &n);
	if (text != NULL)
		connection_send(connection, text, n, CONNECTION_NEXT_END);
	else
		caller_hang_up(of_connection(connection));
}

static void on_called(struct connection *connection, const char *text, size_t n)
{
	struct call *call = &of_connection(connection)->call;
	struct error err;
	int rc = message_read_call(text, n, &call->message, &err);
	if (rc < 0) {
		reject(connection, err.message);
		return;
	}
	/* Without replies there cannot be many. */
	call->message.more = call->message.more && !call->message.oneway;
	call->method = method_find(call->message.method);
	if (call->method != NULL)
		run(call);
	else
		refuse_method(call, call->message.method);
}

static void on_unreadable(struct connection *connection, int code)
{
	char reason[128];
	snprintf(reason, sizeof(reason), "a call of yours has at most %zu bytes",
		max_of(connection));
	reject(connection, code == -EMSGSIZE ? reason : "no memory for this call");
}

static void on_sent(struct connection *connection)
{
	struct call *call = &of_connection(connection)->call;
	call->method->sent(call);
}

static void on_left(struct connection *connection)
{
	caller_hang_up(of_connection(connection));
}

static const struct connection_listener connection_listener = {
	.max = max_of,
	.called = on_called,
	.unreadable = on_unreadable,
	.sent = on_sent,
	.left = on_left,
};

/* ---- life ----------------------------------------------------------------------------------- */

bool caller_is_owner(const struct control_server *server, const struct control_peer *peer)
{
	return peer->uid == 0 || peer->uid == server->params.access->owner;
}

int caller_new(struct control_server *server, int fd, struct control_peer *peer)
{
	struct caller *caller = calloc(1, sizeof(*caller));
	int rc = -ENOMEM;
	if (caller == NULL)
		fd_close(fd);
	else
		rc = connection_init(
			&caller->connection, server->params.loop, fd, &connection_listener);
	if (rc < 0) {
		free(caller);
		control_peer_fini(peer);
		return rc;
	}
	caller->server = server;
	caller->peer = *peer;
	list_append(&server->callers, &caller->link);
	server->caller_count++;
	return 0;
}

void caller_end_if_over(struct caller *caller)
{
	struct control_server *server = caller->server;
	if (!caller->closed || caller->call.method != NULL)
		return;
	list_remove(&caller->link);
	control_peer_fini(&caller->peer);
	free(caller);
	server_caller_ended(server);
}

void caller_on_closed(struct connection *connection)
{
	struct caller *caller = of_connection(connection);
	caller->closed = true;
	caller->server->caller_count--;
	server_accept_resume(caller->server);
	caller_end_if_over(caller);
}

void caller_hang_up(struct caller *caller)
{
	struct call *call = &caller->call;
	if (caller->gone)
		return;
	caller->gone = true;
	connection_close(&caller->connection, caller_on_closed);
	if (call->method != NULL && call->method->sent != NULL)
		call_drop(call);
}
