/* What methods are written with; see method.h. */
#include "control/method.h"

#include "control/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct caller *caller_of(const struct call *call)
{
	return container_of(call, struct caller, call);
}

struct control_server *call_server(const struct call *call)
{
	return caller_of(call)->server;
}

const struct control_peer *call_peer(const struct call *call)
{
	return &caller_of(call)->peer;
}

/* ---- the table ------------------------------------------------------------------------------ */

const struct method *method_find(const char *name)
{
	for (const struct method *method = method_table; method->name != NULL; method++)
		if (strcmp(method->name, name) == 0)
			return method;
	return NULL;
}

bool method_interface_exists(const char *method_name)
{
	const char *dot = strrchr(method_name, '.');
	size_t n = dot != NULL ? (size_t)(dot - method_name) + 1 : 0;
	for (const struct method *method = method_table; n != 0 && method->name != NULL; method++)
		if (strncmp(method->name, method_name, n) == 0)
			return true;
	return false;
}

/* ---- parameters ----------------------------------------------------------------------------- */

const char *call_text(const struct call *call, const char *name)
{
	return json_string_value(json_object_get(call->message.parameters, name));
}

bool call_flag(const struct call *call, const char *name)
{
	return json_is_true(json_object_get(call->message.parameters, name));
}

bool call_number(const struct call *call, const char *name, uint64_t *ret)
{
	json_t *value = json_object_get(call->message.parameters, name);
	if (!json_is_integer(value))
		return false;
	*ret = (uint64_t)json_integer_value(value);
	return true;
}

/* ---- roles and what they are for ------------------------------------------------------------ */

bool call_may_see(const struct call *call, const char *domain)
{
	const struct access *access = call_server(call)->params.access;
	return access_role(access, call_peer(call), domain) >= ROLE_VIEWER;
}

/*
 * Whether there is such a domain is not said to who may not see it. An audit line has only names
 * that exist: it is not for others to write in.
 */
bool call_has_role(struct call *call, enum role role, const char *domain)
{
	struct control_server *server = call_server(call);
	enum role has = access_role(server->params.access, call_peer(call), domain);
	char text[160];
	if (has >= role)
		return true;
	bool exists = domain != NULL && domains_find(server->params.domains, domain) != NULL;
	snprintf(text, sizeof(text), "%s needs the role %s and the caller has %s",
		call->method->name, role_name(role), role_name(has));
	call_tell(call, "refused", exists ? domain : "", "", text);
	call_fail(call, CONTROL_DENIED,
		"%s needs the role %s%s, and yours is %s; see chardevd.conf(5)", call->method->name,
		role_name(role),
		domain != NULL         ? " for that domain"
		: call->method->on_all ? " for all domains"
				       : "",
		role_name(has));
	return false;
}

struct served *call_served(struct call *call)
{
	const char *name = call_text(call, "domain");
	struct served *served = domains_find(call_server(call)->params.domains, name);
	if (served == NULL)
		call_fail(call, CONTROL_NOT_FOUND,
			"there is no domain \"%.64s\"; \"chardev list\" names those there are",
			name);
	return served;
}

struct device *call_device(struct call *call, struct served *served)
{
	struct error err;
	if (served_active(served) == NULL) {
		call_fail(call, CONTROL_NOT_RUNNING,
			"%s does not run; \"chardev start %s\" starts it", served_name(served),
			served_name(served));
		return NULL;
	}
	struct device *device = served_device(served, call_text(call, "device"), &err);
	if (device == NULL)
		call_fail_code(call, err.code, err.message);
	return device;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void end(struct call *call)
{
	if (call->method != NULL && call->method->release != NULL)
		call->method->release(call);
	message_call_fini(&call->message);
	free(call->about);
	*call = (struct call){0};
	caller_end_if_over(caller_of(call));
}

/* Nothing to give means that memory ran out, even for saying so. */
static void give(struct call *call, char *text, size_t n, enum connection_next next)
{
	struct caller *caller = caller_of(call);
	if (caller->gone)
		free(text);
	else if (text != NULL)
		connection_send(&caller->connection, text, n, next);
	else
		caller_hang_up(caller);
}

/* Every reply but an error. Gives it, or the error that there is no memory for it. */
static bool give_reply(struct call *call, json_t *parameters, bool continues)
{
	size_t n = 0;
	char *text = message_reply(parameters, continues, &n);
	if (text == NULL) {
		call_fail(call, CONTROL_FAILED, "no memory for the reply");
		return false;
	}
	give(call, text, n, continues ? CONNECTION_NEXT_REPLY : CONNECTION_NEXT_CALL);
	return true;
}

void call_drop(struct call *call)
{
	struct caller *caller = caller_of(call);
	if (!caller->gone)
		connection_next(&caller->connection);
	end(call);
}

void call_reply(struct call *call, json_t *parameters)
{
	if (call->message.oneway) {
		json_decref(parameters);
		call_drop(call);
	} else if (give_reply(call, parameters, false)) {
		end(call);
	}
}

void call_continue(struct call *call, json_t *parameters)
{
	assert(call->message.more);
	give_reply(call, parameters, true);
}

void call_wait(struct call *call)
{
	struct caller *caller = caller_of(call);
	if (!caller->gone)
		connection_wait(&caller->connection);
}

static void fail_with(struct call *call, const char *error, json_t *parameters)
{
	size_t n = 0;
	if (call->message.oneway) {
		json_decref(parameters);
		call_drop(call);
		return;
	}
	char *text = message_error(error, parameters, &n);
	give(call, text, n, CONNECTION_NEXT_CALL);
	end(call);
}

void call_fail(struct call *call, enum control_error error, const char *format, ...)
{
	static const char *const names[CONTROL_ERROR_COUNT] = {
		[CONTROL_NOT_FOUND] = "org.chardev.NotFound",
		[CONTROL_NOT_RUNNING] = "org.chardev.NotRunning",
		[CONTROL_DENIED] = "org.chardev.Denied",
		[CONTROL_BUSY] = "org.chardev.Busy",
		[CONTROL_INVALID] = "org.chardev.Invalid",
		[CONTROL_FAILED] = "org.chardev.Failed",
	};
	struct error err;
	va_list args;
	va_start(args, format);
	error_setv(&err, -EINVAL, format, args);
	va_end(args);
	fail_with(call, names[error], json_pack("{s:o}", "message", message_text(err.message)));
}

void call_fail_code(struct call *call, int code, const char *message)
{
	enum control_error error = code == -ENOENT                        ? CONTROL_NOT_FOUND
				   : code == -EBUSY || code == -ENOBUFS   ? CONTROL_BUSY
				   : code == -EINVAL || code == -ENOTUNIQ ? CONTROL_INVALID
				   : code == -ENOTCONN                    ? CONTROL_NOT_RUNNING
									  : CONTROL_FAILED;
	call_fail(call, error, "%s", message);
}

void call_fail_service(struct call *call, const char *error, const char *name, const char *value)
{
	char full[64];
	snprintf(full, sizeof(full), "org.varlink.service.%s", error);
	fail_with(call, full,
		name != NULL ? json_pack("{s:o}", name, message_text(value)) : json_object());
}

int call_upgrade(struct call *call, const char **ret_rest, size_t *ret_n)
{
	struct caller *caller = caller_of(call);
	caller->gone = true;
	int fd = connection_give_away(&caller->connection, ret_rest, ret_n, caller_on_closed);
	end(call);
	return fd;
}

void call_tell(struct call *call, const char *event, const char *domain, const char *device,
	const char *text)
{
	const struct control_event what = {event, domain, device, text, call_peer(call)};
	server_tell(call_server(call), &what);
}
