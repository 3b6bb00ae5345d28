/* The control interface's server, as a whole; see server.h. */
#include "control/server.h"

#include "control/log_feed.h"
#include "control/server_internal.h"
#include "control/viewer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Attached, detached, the pen ... */
static void on_viewer(void *user, const struct control_event *event)
{
	server_tell(user, event);
}

int control_server_new(
	const struct control_server_params *params, struct control_server **ret, struct error *err)
{
	struct control_server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return error_set(err, -ENOMEM, "no memory for the control interface");
	server->params = *params;
	list_init(&server->callers);
	list_init(&server->subscriptions);
	int rc = viewers_new(params->loop, on_viewer, server, &server->viewers);
	if (rc == 0)
		rc = log_feeds_new(params->loop, &server->feeds);
	if (rc < 0) {
		if (server->viewers != NULL)
			viewers_close(server->viewers, free);
		else
			free(server);
		return error_set(err, rc, "no memory for the control interface");
	}
	server_accept_init(server);
	*ret = server;
	return 0;
}

/* A call that does it tells it by itself, with its caller. */
static bool is_told_by_a_call(
	const struct control_server *server, const struct control_event *event)
{
	list_for_each(node, &server->callers) {
		const struct call *call = &container_of(node, struct caller, link)->call;
		if (call->about != NULL && strcmp(call->about, event->domain) == 0 &&
			strcmp(call->event, event->event) == 0)
			return true;
	}
	return false;
}

/* Who watches the device is told in its own frames. */
static void tell_viewers(struct control_server *server, const struct control_event *event)
{
	bool concerns = strcmp(event->event, "guest") == 0 || strcmp(event->event, "state") == 0;
	const struct served *served =
		concerns ? domains_find(server->params.domains, event->domain) : NULL;
	const struct device *device =
		served != NULL ? served_device(served, event->device, NULL) : NULL;
	if (device != NULL)
		viewers_device_changed(server->viewers, device);
}

void control_server_tell(struct control_server *server, const struct control_event *event)
{
	tell_viewers(server, event);
	if (!is_told_by_a_call(server, event))
		server_events_tell(server, event);
}

void server_ended(struct control_server *server)
{
	if (--server->ending > 0)
		return;
	void (*closed)(void *user) = server->closed;
	void *user = server->params.user;
	free(server);
	closed(user);
}

static void on_part_closed(void *user)
{
	server_ended(user);
}

void server_caller_ended(struct control_server *server)
{
	if (server->closed != NULL)
		server_ended(server);
}

void control_server_close(struct control_server *server, void (*closed)(void *user))
{
	server->closed = closed;
	server->ending = 2;
	viewers_close(server->viewers, on_part_closed);
	log_feeds_close(server->feeds, on_part_closed, server);
	server_accept_close(server);
	list_for_each(node, &server->callers)
		server->ending++;
	list_for_each_safe(node, &server->callers)
		caller_hang_up(container_of(node, struct caller, link));
}
