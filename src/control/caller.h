/*
 * A caller: a connection with whom the kernel says is at its other end, and the call that is under
 * way. A call may outlive its connection: the caller stays until both are over.
 */
#ifndef CHARDEV_CONTROL_CALLER_H
#define CHARDEV_CONTROL_CALLER_H

#include "control/access.h"
#include "control/connection.h"

struct control_server;
struct method;

struct call {
	const struct method *method; /* NULL: none is under way */
	struct message_call message;
	void *state; /* the method's own, between its replies */
	/* What it tells when it has succeeded, and of which domain; NULL: nothing. */
	const char *event;
	char *about; /* owned */
};

struct caller {
	struct list link; /* among the server's */
	struct control_server *server;
	struct connection connection;
	struct control_peer peer;
	struct call call;
	bool gone;   /* the connection is being closed, or was given away */
	bool closed; /* and is closed */
};

/* Takes fd and the peer over, whatever happens. 0 or a negative errno. */
int caller_new(struct control_server *server, int fd, struct control_peer *peer);

/* Hangs up. A call that is under way goes on by itself, one with many replies ends. */
void caller_hang_up(struct caller *caller);

/* For the calls: its connection is closed; a call of it has ended. */
void caller_on_closed(struct connection *connection);
void caller_end_if_over(struct caller *caller);

/* Whether it is the server's owner or root: there is always a place for these. */
bool caller_is_owner(const struct control_server *server, const struct control_peer *peer);

#endif
