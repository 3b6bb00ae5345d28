/*
 * A client of the control interface for commands: blocking, one connection, one call at a time.
 * It speaks Varlink (JSON objects that end in NUL on a UNIX socket) and knows no method: parameters
 * and replies are jansson's objects.
 *
 * What a server sends is bounded by CLIENT_REPLY_MAX and checked as far as Varlink goes. An error
 * reply is a failure with the server's own sentence.
 */
#ifndef CHARDEV_CONTROL_CLIENT_H
#define CHARDEV_CONTROL_CLIENT_H

#include "util/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	CLIENT_CALL_MAX = 4 * 1024 * 1024, /* bytes of one call: servers take no more */
	CLIENT_REPLY_MAX = 64 * 1024 * 1024,
};

enum client_flag {
	CLIENT_MORE = 1,    /* several replies are welcome */
	CLIENT_UPGRADE = 2, /* after the reply the connection is no Varlink any more */
};

struct client;

/*
 * Connects to the socket at `path`. patience_ms bounds how long each step may take (0: for ever);
 * after it the call fails with -ETIMEDOUT. -ENOENT and -ECONNREFUSED: nobody serves it.
 */
int client_connect(const char *path, int patience_ms, struct client **ret, struct error *err);

/* A client on a connected socket, which it owns from now on whatever happens. `name` is for
 * sentences; copied. */
int client_new(int fd, const char *name, struct client **ret, struct error *err);

/* Takes and returns NULL. */
struct client *client_free(struct client *client);

/*
 * Sends a call. The reference to `parameters` is stolen; NULL is what jansson makes when memory ran
 * out, and fails. -E2BIG: it is longer than CLIENT_CALL_MAX.
 */
int client_send(struct client *client, const char *method, json_t *parameters, unsigned flags,
	struct error *err);

/*
 * Waits for the next reply: 0 and its parameters, an object that the caller owns. *ret_continues:
 * more replies follow. An error reply is -ENOENT (NotFound), -ENOTCONN (NotRunning), -EACCES
 * (Denied), -EBUSY, -EINVAL, -EIO (Failed), -EOPNOTSUPP (the server does not know the call) or
 * -EREMOTEIO (any other). -EPIPE: the connection has ended; -EPROTO: this is not Varlink.
 */
int client_receive(struct client *client, json_t **ret, bool *ret_continues, struct error *err);

/* Both: a call with one reply. */
int client_call(struct client *client, const char *method, json_t *parameters, json_t **ret,
	struct error *err);

/* What is left of a client after an upgrade. */
struct client_upgraded {
	int fd;     /* the caller's now; blocking */
	char *rest; /* what came after the reply; free() it */
	size_t rest_size;
};

/* After the reply to a call with CLIENT_UPGRADE. The client is only good for client_free() then. */
void client_upgrade(struct client *client, struct client_upgraded *ret);

/* The descriptor, to be waited for; borrowed. */
int client_fd(const struct client *client);
/* Whether a whole reply is here already, so that waiting for the descriptor would be wrong. */
bool client_has_reply(const struct client *client);

#endif
