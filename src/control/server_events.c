/*
 * What happens, told to the host's audit and to those who called Events. An event is made into JSON
 * once and shared. Who does not read has CONTROL_EVENTS_QUEUED waiting; what comes beyond is
 * counted, and told with the next event that finds room.
 */
#include "control/method.h"
#include "control/server_internal.h"
#include "util/time_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
	json_t *event;
	uint64_t lost; /* before it */
};

struct subscription {
	struct list link;
	struct call *call;
	bool is_writing; /* a reply is on its way */
	uint64_t lost;   /* since the last one in the queue */
	size_t first, count;
	struct waiting queue[CONTROL_EVENTS_QUEUED];
};

/* ---- one caller's events -------------------------------------------------------------------- */

int subscription_new(struct call *call)
{
	struct subscription *subscription = calloc(1, sizeof(*subscription));
	if (subscription == NULL)
		return -ENOMEM;
	subscription->call = call;
	call->state = subscription;
	list_append(&call_server(call)->subscriptions, &subscription->link);
	call_wait(call);
	return 0;
}

void subscription_free(struct call *call)
{
	struct subscription *subscription = call->state;
	if (subscription == NULL)
		return;
	for (size_t i = 0; i < subscription->count; i++)
		json_decref(subscription->queue[(subscription->first + i) % CONTROL_EVENTS_QUEUED]
				    .event);
	list_remove(&subscription->link);
	free(subscription);
}

/* The event as a reply; the event is taken over. */
static json_t *reply_of(json_t *event, uint64_t lost)
{
	if (lost > 0) {
		json_t *own = json_copy(event);
		json_decref(event);
		event = own;
		if (json_object_set_new(event, "lost", json_integer((json_int_t)lost)) < 0) {
			json_decref(event);
			return NULL;
		}
	}
	return json_pack("{s:o}", "event", event);
}

void subscription_go_on(struct call *call)
{
	struct subscription *subscription = call->state;
	subscription->is_writing = subscription->count > 0;
	if (subscription->count == 0) {
		call_wait(call);
		return;
	}
	struct waiting next = subscription->queue[subscription->first];
	subscription->first = (subscription->first + 1) % CONTROL_EVENTS_QUEUED;
	subscription->count--;
	json_t *reply = reply_of(next.event, next.lost);
	if (call->message.more)
		call_continue(call, reply);
	else
		call_reply(call, reply);
}

static void add(struct subscription *subscription, json_t *event)
{
	size_t last = (subscription->first + subscription->count) % CONTROL_EVENTS_QUEUED;
	if (event == NULL || subscription->count == CONTROL_EVENTS_QUEUED) {
		subscription->lost++;
		return;
	}
	subscription->queue[last] = (struct waiting){json_incref(event), subscription->lost};
	subscription->lost = 0;
	subscription->count++;
	if (!subscription->is_writing)
		subscription_go_on(subscription->call);
}

/* ---- everybody's ---------------------------------------------------------------------------- */

/* Refusals are for admins. What is of no one domain is for those who may see all of them. */
static bool is_for(const struct call *call, const struct control_event *event)
{
	const char *only = call_text(call, "domain");
	const char *domain = event->domain[0] != '\0' ? event->domain : NULL;
	enum role needed = strcmp(event->event, "refused") == 0 ? ROLE_ADMIN : ROLE_VIEWER;
	if (only != NULL && strcmp(only, event->domain) != 0)
		return false;
	return access_role(call_server(call)->params.access, call_peer(call), domain) >= needed;
}

static json_t *event_as_json(const struct control_event *event)
{
	char time[TIME_TEXT_SIZE];
	time_text(time_now_ms(), time);
	json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:o}", "time", time, "event", event->event,
		"domain", message_text(event->domain), "device", message_text(event->device),
		"text", message_text(event->text));
	if (json == NULL || event->by == NULL)
		return json;
	if (json_object_set_new(json, "uid", json_integer(event->by->uid)) == 0 &&
		json_object_set_new(json, "pid", json_integer(event->by->pid)) == 0)
		return json;
	json_decref(json);
	return NULL;
}

void server_events_tell(struct control_server *server, const struct control_event *event)
{
	if (list_is_empty(&server->subscriptions))
		return;
	json_t *json = event_as_json(event);
	list_for_each_safe(node, &server->subscriptions) {
		struct subscription *subscription = container_of(node, struct subscription, link);
		if (is_for(subscription->call, event))
			add(subscription, json);
	}
	json_decref(json);
}

void server_tell(struct control_server *server, const struct control_event *event)
{
	server->params.host->audit(server->params.user, event);
	server_events_tell(server, event);
}
