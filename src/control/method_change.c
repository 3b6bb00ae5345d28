/*
 * Define, Undefine, Start, Stop, Reload: what changes the domains. Each is begun here and ends,
 * when it is done, in the reply, an audit line and an event; whether its caller is still there or
 * not.
 */
#include "control/method_functions.h"

#include "control/message.h"
#include "control/method_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A host that keeps no definitions serves what it serves. */
static bool can_change(struct call *call)
{
	const struct control_host *host = call_server(call)->params.host;
	if (host->define == NULL)
		call_fail(call, CONTROL_FAILED, "%s", host->fixed);
	return host->define != NULL;
}

/* What the call will tell when it is done. False: no memory, and the call has ended. */
static bool begin(struct call *call, const char *event, const char *domain)
{
	call->event = event;
	call->about = strdup(domain);
	if (call->about == NULL)
		call_fail(call, CONTROL_FAILED, "no memory for this call");
	return call->about != NULL;
}

static void tell_done(struct call *call, const char *text)
{
	call_tell(call, call->event, call->about, "", text);
}

/* ---- Start and Stop ------------------------------------------------------------------------- */

static void on_switched(void *user, const struct domains_result *result)
{
	struct call *call = user;
	if (result->code == -EALREADY && strcmp(call->event, "stopped") == 0) {
		call_fail(call, CONTROL_NOT_RUNNING, "%s", result->message);
	} else if (result->code < 0) {
		call_fail_code(call, result->code, result->message);
	} else {
		tell_done(call, "");
		call_reply(call, json_object());
	}
}

void method_start(struct call *call)
{
	struct served *served = can_change(call) ? call_served(call) : NULL;
	if (served != NULL && begin(call, "started", served_name(served)))
		domains_start(served, on_switched, call);
}

void method_stop(struct call *call)
{
	struct served *served = can_change(call) ? call_served(call) : NULL;
	if (served != NULL && begin(call, "stopped", served_name(served)))
		domains_stop(served, on_switched, call);
}

/* ---- Define and Undefine -------------------------------------------------------------------- */

static json_t *value_of_outcome(const struct call *call, const struct control_outcome *outcome)
{
	return json_pack("{s:o, s:o, s:o}", "domain", message_text(call->about), "devices",
		value_of_strings(outcome->names, outcome->name_count), "warnings",
		value_of_strings(outcome->warnings, outcome->warning_count));
}

static void on_defined(void *user, const struct control_outcome *outcome)
{
	struct call *call = user;
	char text[64];
	if (outcome->code < 0) {
		call_fail_code(call, outcome->code, outcome->message);
		return;
	}
	snprintf(text, sizeof(text), "devices that were opened, closed or opened anew: %zu",
		outcome->name_count);
	tell_done(call, text);
	call_reply(call, value_of_outcome(call, outcome));
}

/* The first of its errors, with its line, as a sentence. */
static void refuse_document(struct call *call, const struct diagnostics *diagnostics)
{
	char more[64] = "";
	if (diagnostics->errors > 1)
		snprintf(more, sizeof(more), " (and %zu more; see chardev check)",
			diagnostics->errors - 1);
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *entry = &diagnostics->entries[i];
		if (entry->severity != SEVERITY_ERROR)
			continue;
		call_fail(
			call, CONTROL_INVALID, "line %u: %s%s", entry->line, entry->message, more);
		return;
	}
	call_fail(call, CONTROL_INVALID, "the document has errors; see chardev check");
}

/* A document is read here for its name alone, which decides whether the caller may define it. */
void method_define(struct call *call)
{
	struct control_server *server = call_server(call);
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	const char *xml = call_text(call, "xml");
	json_t *start = json_object_get(call->message.parameters, "start");
	if (!can_change(call))
		return;
	int rc = document_parse(xml, strlen(xml), &diagnostics, &document);
	if (rc == -ENOMEM)
		call_fail(call, CONTROL_FAILED, "no memory for the document");
	else if (rc < 0)
		refuse_document(call, &diagnostics);
	diagnostics_fini(&diagnostics);
	if (rc < 0)
		return;
	const char *name = document_domain(document)->name;
	bool exists = domains_find(server->params.domains, name) != NULL;
	bool goes_on = call_has_role(call, ROLE_ADMIN, name) &&
		       begin(call, exists ? "changed" : "defined", name);
	document_free(document);
	if (goes_on)
		server->params.host->define(server->params.user, xml, strlen(xml),
			!json_is_false(start), on_defined, call);
}

static void on_undefined(void *user, const struct control_outcome *outcome)
{
	struct call *call = user;
	if (outcome->code < 0) {
		call_fail_code(call, outcome->code, outcome->message);
		return;
	}
	tell_done(call, "");
	call_reply(call, json_object());
}

void method_undefine(struct call *call)
{
	struct control_server *server = call_server(call);
	if (!can_change(call))
		return;
	struct served *served = call_served(call);
	if (served != NULL && begin(call, "undefined", served_name(served)))
		server->params.host->undefine(server->params.user, served, on_undefined, call);
}

/* ---- Reload --------------------------------------------------------------------------------- */

static json_t *value_of_failures(const struct control_failure *failures, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *failure =
			json_pack("{s:o, s:o}", "domain", message_text(failures[i].domain),
				"message", message_text(failures[i].message));
		if (json_array_append_new(array, failure) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static void on_reloaded(void *user, const struct control_outcome *outcome)
{
	struct call *call = user;
	char text[96];
	if (outcome->code < 0) {
		call_fail_code(call, outcome->code, outcome->message);
		return;
	}
	snprintf(text, sizeof(text), "domains that changed: %zu, that failed: %zu",
		outcome->name_count, outcome->failure_count);
	tell_done(call, text);
	call_reply(call, json_pack("{s:o, s:o}", "changed",
				 value_of_strings(outcome->names, outcome->name_count), "failed",
				 value_of_failures(outcome->failures, outcome->failure_count)));
}

void method_reload(struct call *call)
{
	struct control_server *server = call_server(call);
	if (can_change(call) && begin(call, "reloaded", ""))
		server->params.host->reload(server->params.user, on_reloaded, call);
}
