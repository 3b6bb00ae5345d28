/* A blocking Varlink client; see client.h. */
#include "control/client.h"

#include "util/fd.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 16 * 1024, SHOWN_NAME_MAX = 128 };

struct client {
	int fd;
	char *name;
	char *buffer; /* what was received and not yet handed out */
	size_t size, capacity;
	size_t searched; /* of it: holds no end of a message */
};

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

/* ---- the connection -------------------------------------------------------------------------- */

int client_new(int fd, const char *name, struct client **ret, struct error *err)
{
	struct client *client = calloc(1, sizeof(*client));
	if (client != NULL) {
		client->fd = fd;
		client->name = strdup(name);
		client->capacity = FIRST_CAPACITY;
		client->buffer = malloc(FIRST_CAPACITY);
	}
	if (client == NULL || client->name == NULL || client->buffer == NULL) {
		if (client == NULL)
			fd_close(fd);
		client_free(client);
		return out_of_memory(err);
	}
	*ret = client;
	return 0;
}

struct client *client_free(struct client *client)
{
	if (client == NULL)
		return NULL;
	fd_close(client->fd);
	free(client->name);
	free(client->buffer);
	free(client);
	return NULL;
}

static int cannot_connect(const char *path, int code, struct error *err)
{
	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
		return error_set(err, -ENOENT, "nothing serves %s: there is no such socket", path);
	case -ECONNREFUSED:
		return error_set(err, code, "nothing serves %s: its server has ended", path);
	case -EACCES:
	case -EPERM:
		return error_set(err, -EACCES,
			"no access to %s: its mode, or that of a directory above it, does not let "
			"this "
			"user in",
			path);
	case -EAGAIN:
		return error_set(err, -ETIMEDOUT,
			"the server at %s does not take connections: it is stopped or overloaded",
			path);
	default:
		return error_set(err, code, "cannot connect to %s: %s", path, error_text(code));
	}
}

static int set_patience(int fd, int patience_ms)
{
	struct timeval limit = {patience_ms / 1000, patience_ms % 1000 * 1000};
	if (patience_ms > 0 &&
		(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0))
		return -errno;
	return 0;
}

int client_connect(const char *path, int patience_ms, struct client **ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
			"the path of the socket, \"%.60s%s\", is %s; a socket's has 1 to %zu bytes",
			path, n > 60 ? "..." : "", n == 0 ? "empty" : "too long",
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", error_text(-errno));
	int code = set_patience(fd, patience_ms);
	while (code == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		if (errno != EINTR)
			code = -errno;
	if (code < 0) {
		fd_close(fd);
		return cannot_connect(path, code, err);
	}
	return client_new(fd, path, ret, err);
}

int client_fd(const struct client *client)
{
	return client->fd;
}

/* ---- a call ---------------------------------------------------------------------------------- */

static int send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* The text of a call with its NUL; NULL: out of memory. */
static char *make_call(const char *method, json_t *parameters, unsigned flags)
{
	if (parameters == NULL)
		return NULL;
	json_t *call = json_pack("{s:s, s:o}", "method", method, "parameters", parameters);
	if (call == NULL)
		return NULL;
	char *text = NULL;
	bool complete = true;
	if (flags & CLIENT_MORE)
		complete = json_object_set_new(call, "more", json_true()) == 0;
	if (flags & CLIENT_UPGRADE)
		complete = json_object_set_new(call, "upgrade", json_true()) == 0 && complete;
	if (complete)
		text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	return text;
}

static int connection_failed(const struct client *client, int code, struct error *err)
{
	if (code == -EAGAIN)
		return error_set(err, -ETIMEDOUT, "the server at %s does not answer", client->name);
	if (code == -EPIPE || code == -ECONNRESET)
		return error_set(err, -EPIPE,
			"the server at %s ended the connection before it had answered",
			client->name);
	return error_set(
		err, code, "the connection to %s failed: %s", client->name, error_text(code));
}

int client_send(struct client *client, const char *method, json_t *parameters, unsigned flags,
	struct error *err)
{
	char *text = make_call(method, parameters, flags);
	if (text == NULL)
		return out_of_memory(err);
	size_t n = strlen(text) + 1;
	int code = n <= CLIENT_CALL_MAX ? send_all(client->fd, text, n) : -E2BIG;
	free(text);
	if (code == -E2BIG)
		return error_set(err, code, "that is %zu bytes in one call, and servers take %d", n,
			CLIENT_CALL_MAX);
	/* A server that hangs up may have said why: client_receive() looks. */
	if (code == -EPIPE || code == -ECONNRESET)
		return 0;
	return code < 0 ? connection_failed(client, code, err) : 0;
}

/* ---- a reply --------------------------------------------------------------------------------- */

static int garbage(const struct client *client, const char *what, struct error *err)
{
	return error_set(err, -EPROTO,
		"the server at %s does not speak Varlink (%s); is that the control socket of "
		"chardevd "
		"or \"chardev run\"?",
		client->name, what);
}

/* The length of the first message, without its NUL; -1: it is not whole yet. */
static ssize_t message_length(const struct client *client)
{
	const char *end =
		memchr(client->buffer + client->searched, '\0', client->size - client->searched);
	return end != NULL ? end - client->buffer : -1;
}

bool client_has_reply(const struct client *client)
{
	return message_length(client) >= 0;
}

/* A reply that fits exactly may be followed by more: there is always room for one byte. */
static int make_room(struct client *client, struct error *err)
{
	if (client->size < client->capacity)
		return 0;
	if (client->capacity > CLIENT_REPLY_MAX)
		return garbage(client, "its reply has no end", err);
	char *larger = realloc(client->buffer, client->capacity * 2);
	if (larger == NULL)
		return out_of_memory(err);
	client->buffer = larger;
	client->capacity *= 2;
	return 0;
}

static int receive_some(struct client *client, struct error *err)
{
	int code = make_room(client, err);
	if (code < 0)
		return code;
	ssize_t n;
	do {
		n = recv(client->fd, client->buffer + client->size, client->capacity - client->size,
			0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return connection_failed(client, -errno, err);
	if (n == 0)
		return connection_failed(client, -EPIPE, err);
	client->searched = client->size;
	client->size += (size_t)n;
	return 0;
}

static void drop_message(struct client *client, size_t length)
{
	client->size -= length + 1;
	memmove(client->buffer, client->buffer + length + 1, client->size);
	client->searched = 0;
}

static int error_reply(
	const struct client *client, const char *name, const json_t *parameters, struct error *err)
{
	static const struct {
		const char *name;
		int code;
	} names[] = {
		{"org.chardev.NotFound", -ENOENT},
		{"org.chardev.NotRunning", -ENOTCONN},
		{"org.chardev.Denied", -EACCES},
		{"org.chardev.Busy", -EBUSY},
		{"org.chardev.Invalid", -EINVAL},
		{"org.chardev.Failed", -EIO},
		{"org.varlink.service.InvalidParameter", -EINVAL},
		{"org.varlink.service.PermissionDenied", -EACCES},
		{"org.varlink.service.InterfaceNotFound", -EOPNOTSUPP},
		{"org.varlink.service.MethodNotFound", -EOPNOTSUPP},
		{"org.varlink.service.MethodNotImplemented", -EOPNOTSUPP},
	};
	int code = -EREMOTEIO;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			code = names[i].code;
	const char *message = json_string_value(json_object_get(parameters, "message"));
	const char *parameter = json_string_value(json_object_get(parameters, "parameter"));
	if (message != NULL && message[0] != '\0')
		return error_set(err, code, "%s", message);
	if (code == -EOPNOTSUPP)
		return error_set(err, code,
			"the server at %s does not know this call; it is of another version than "
			"this "
			"command, or no chardev at all",
			client->name);
	if (parameter != NULL)
		return error_set(err, code, "the server at %s does not take the parameter \"%.*s\"",
			client->name, SHOWN_NAME_MAX, parameter);
	return error_set(err, code, "the server at %s answered with the error %.*s", client->name,
		SHOWN_NAME_MAX, name);
}

static int take_reply(const struct client *client, json_t *reply, json_t **ret, bool *ret_continues,
	struct error *err)
{
	json_t *parameters = json_object_get(reply, "parameters");
	json_t *name = json_object_get(reply, "error");
	if (!json_is_object(reply))
		return garbage(client, "its reply is not a JSON object", err);
	if (name != NULL && !json_is_string(name))
		return garbage(client, "its error has no name", err);
	if (name != NULL)
		return error_reply(client, json_string_value(name), parameters, err);
	if (parameters != NULL && !json_is_object(parameters))
		return garbage(client, "its parameters are not a JSON object", err);
	json_t *result = parameters != NULL ? json_incref(parameters) : json_object();
	if (result == NULL)
		return out_of_memory(err);
	*ret_continues = json_is_true(json_object_get(reply, "continues"));
	*ret = result;
	return 0;
}

int client_receive(struct client *client, json_t **ret, bool *ret_continues, struct error *err)
{
	ssize_t length;
	while ((length = message_length(client)) < 0) {
		int code = receive_some(client, err);
		if (code < 0)
			return code;
	}
	json_error_t where;
	json_t *reply = json_loadb(client->buffer, (size_t)length, JSON_REJECT_DUPLICATES, &where);
	drop_message(client, (size_t)length);
	if (reply == NULL)
		return json_error_code(&where) == json_error_out_of_memory
			       ? out_of_memory(err)
			       : garbage(client, "its reply is not JSON", err);
	int code = take_reply(client, reply, ret, ret_continues, err);
	json_decref(reply);
	return code;
}

int client_call(struct client *client, const char *method, json_t *parameters, json_t **ret,
	struct error *err)
{
	bool continues = false;
	json_t *reply = NULL;
	int code = client_send(client, method, parameters, 0, err);
	if (code == 0)
		code = client_receive(client, &reply, &continues, err);
	if (code == 0 && continues) {
		json_decref(reply);
		return garbage(client, "it sends more replies than were asked for", err);
	}
	if (code == 0)
		*ret = reply;
	return code;
}

void client_upgrade(struct client *client, struct client_upgraded *ret)
{
	static const struct timeval for_ever = {0};
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof(for_ever));
	*ret = (struct client_upgraded){
		.fd = client->fd,
		.rest = client->buffer,
		.rest_size = client->size,
	};
	client->fd = -1;
	client->buffer = NULL;
	client->size = 0;
}
