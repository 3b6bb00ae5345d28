/*
 * Who is here: Status, asked on a connection of its own. Blocking, so on a thread, and with a
 * limit. The thread touches what it was lent: the options, the target and its own memory.
 */
#include "cli/attach_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WHO_PATIENCE_MS = 2000 };

struct attach_who {
	struct loop_job job;
	struct attach *attach; /* NULL: forgotten */
	const struct control_options *control;
	const struct control_target *target;
	json_t *parameters;
	json_t *reply;
	int code;
	struct error err;
};

static void work(struct loop_job *job)
{
	struct attach_who *who = container_of(job, struct attach_who, job);
	struct client *client = NULL;
	who->code = control_connect(
		who->control, who->target->domain, WHO_PATIENCE_MS, &client, &who->err);
	if (who->code == 0)
		who->code = client_call(
			client, "org.chardev.Status", who->parameters, &who->reply, &who->err);
	else
		json_decref(who->parameters);
	client_free(client);
}

static const char *standing(const json_t *viewer)
{
	return json_flag(viewer, "pen")         ? " has the pen"
	       : json_flag(viewer, "asks")      ? " asks for the pen"
	       : json_flag(viewer, "read_only") ? " only reads"
						: " does not type";
}

/* The viewers, a line each; messages are bounded, and so is this. */
static void say_viewers(struct attach *attach, const json_t *reply)
{
	size_t i;
	char who[WHO_SIZE], text[ATTACH_MESSAGE_MAX] = "";
	const json_t *device = json_array_get(json_object_get(reply, "devices"), 0);
	const json_t *viewers = json_object_get(device, "viewers");
	const json_t *viewer;
	json_int_t id = json_number(attach->params->reply, "id");
	json_array_foreach(viewers, i, viewer) {
		size_t n = strlen(text);
		if (n + WHO_SIZE + 64 > sizeof(text)) {
			snprintf(text + n, sizeof(text) - n,
				"and %zu more: see \"chardev status\"\n",
				json_array_size(viewers) - i);
			break;
		}
		who_text(viewer, who);
		snprintf(text + n, sizeof(text) - n, "%s%s%s\n", who, standing(viewer),
			json_number(viewer, "id") == id ? " (you)" : "");
	}
	attach_say(attach, text[0] != '\0' ? text : "nobody is here");
}

static void done(struct loop_job *job)
{
	struct attach_who *who = container_of(job, struct attach_who, job);
	struct attach *attach = who->attach;
	if (attach != NULL) {
		attach->who = NULL;
		if (who->code < 0)
			attach_say(attach, who->err.message);
		else
			say_viewers(attach, who->reply);
		attach_go_on(attach);
	}
	json_decref(who->reply);
	free(who);
}

void attach_ask_who(struct attach *attach)
{
	const struct attach_params *params = attach->params;
	struct attach_who *who = attach->who == NULL ? calloc(1, sizeof(*who)) : NULL;
	if (attach->who != NULL)
		return;
	if (who != NULL) {
		who->attach = attach;
		who->control = params->control;
		who->target = params->target;
		who->parameters = json_pack("{s:s, s:s}", "domain", params->target->domain,
			"device", json_text(params->reply, "device"));
		if (loop_job_submit(&who->job, attach->loop, work, done) == 0) {
			attach->who = who;
			return;
		}
		json_decref(who->parameters);
		free(who);
	}
	attach_say(attach, "cannot ask: no memory, or no thread");
}

void attach_forget_who(struct attach *attach)
{
	if (attach->who != NULL)
		attach->who->attach = NULL;
	attach->who = NULL;
}
