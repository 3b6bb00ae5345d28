/* What the files of the server share; internal to control/server*.c and the methods. */
#ifndef CHARDEV_CONTROL_SERVER_INTERNAL_H
#define CHARDEV_CONTROL_SERVER_INTERNAL_H

#include "control/caller.h"
#include "control/server.h"

enum {
	/* Places for one user other than the owner and root, and for all of these together. */
	CONTROL_CONNECTIONS_PER_UID = 256,
	CONTROL_CONNECTIONS_OF_OTHERS = CONTROL_CONNECTIONS_MAX - 512,
	CONTROL_EVENTS_QUEUED = 256, /* for a caller of Events that does not read */
};

struct control_server {
	struct control_server_params params;
	struct list sockets; /* that are listened on */
	struct loop_timer resume;
	bool paused;     /* nobody is accepted for now */
	bool complained; /* and it was told */
	struct list callers;
	size_t caller_count; /* connections that are open */
	struct list subscriptions;
	struct viewers *viewers;
	struct log_feeds *feeds;
	unsigned ending; /* what is not closed yet, once `closed` is set */
	void (*closed)(void *user);
};

/* ---- server_accept.c ------------------------------------------------------------------------ */

void server_accept_init(struct control_server *server);
/* A place is free again. */
void server_accept_resume(struct control_server *server);
/* Counts in `ending` what it closes. */
void server_accept_close(struct control_server *server);

/* ---- server_events.c ------------------------------------------------------------------------ */

/* For Events alone. */
void server_events_tell(struct control_server *server, const struct control_event *event);
/* For Events and the host's audit. */
void server_tell(struct control_server *server, const struct control_event *event);

/* A call of Events begins and ends. */
int subscription_new(struct call *call);
void subscription_free(struct call *call);
/* Gives the next event that waits, or waits for one. */
void subscription_go_on(struct call *call);

/* ---- server.c ------------------------------------------------------------------------------- */

/* One of what `ending` counts is closed. */
void server_ended(struct control_server *server);
/* A caller is gone wholly. */
void server_caller_ended(struct control_server *server);

#endif
