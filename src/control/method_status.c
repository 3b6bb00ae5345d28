/* List, Status, Describe: what there is, and how it is. */
#include "control/method_functions.h"

#include "control/method_values.h"

#include <stdlib.h>
#include <string.h>

/* The first domain behind `name` (NULL: of all) that the caller may see, in their order. */
static struct served *next_seen(const struct call *call, const char *name)
{
	const struct domains *domains = call_server(call)->params.domains;
	size_t from = 0, to = domains_count(domains);
	while (name != NULL && from < to) {
		size_t middle = from + (to - from) / 2;
		if (strcmp(served_name(domains_at(domains, middle)), name) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	for (size_t i = from; i < domains_count(domains); i++)
		if (call_may_see(call, served_name(domains_at(domains, i))))
			return domains_at(domains, i);
	return NULL;
}

void method_list(struct call *call)
{
	const struct domains *domains = call_server(call)->params.domains;
	json_t *array = json_array();
	for (size_t i = 0; array != NULL && i < domains_count(domains); i++) {
		const struct served *served = domains_at(domains, i);
		if (!call_may_see(call, served_name(served)))
			continue;
		if (json_array_append_new(array, value_of_domain(served)) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	call_reply(call, array != NULL ? json_pack("{s:o}", "domains", array) : NULL);
}

/* ---- Status --------------------------------------------------------------------------------- */

static json_t *all_devices(const struct viewers *viewers, const struct served *served)
{
	const struct active_domain *active = served_active(served);
	json_t *array = json_array();
	for (size_t i = 0; active != NULL && i < active_domain_count(active); i++)
		if (json_array_append_new(
			    array, value_of_device(viewers, active_domain_device(active, i))) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* device NULL: all of them */
static json_t *status_of(struct call *call, const struct served *served, struct device *device)
{
	const struct viewers *viewers = call_server(call)->viewers;
	if (device != NULL)
		return json_pack("{s:o, s:[o]}", "domain", value_of_domain(served), "devices",
			value_of_device(viewers, device));
	return json_pack("{s:o, s:o}", "domain", value_of_domain(served), "devices",
		all_devices(viewers, served));
}

/* One domain, and the name of it for the next one, which is looked for when this one was sent. */
static void give(struct call *call, const struct served *served)
{
	if (next_seen(call, served_name(served)) == NULL) {
		call_reply(call, status_of(call, served, NULL));
		return;
	}
	free(call->state);
	call->state = strdup(served_name(served));
	if (call->state == NULL)
		call_reply(call, NULL);
	else
		call_continue(call, status_of(call, served, NULL));
}

void method_status_sent(struct call *call)
{
	const struct served *served = next_seen(call, call->state);
	if (served != NULL)
		give(call, served);
	else
		call_fail(call, CONTROL_NOT_FOUND,
			"the last domains were undefined meanwhile; these were all");
}

void method_status_release(struct call *call)
{
	free(call->state);
}

static void give_all(struct call *call)
{
	const struct served *served = next_seen(call, NULL);
	if (call_text(call, "device") != NULL)
		call_fail(call, CONTROL_INVALID, "a device needs its domain: give \"domain\", too");
	else if (!call->message.more)
		call_fail_service(call, "ExpectedMore", NULL, NULL);
	else if (served == NULL)
		call_fail(call, CONTROL_NOT_FOUND, "there is no domain that you may see");
	else
		give(call, served);
}

void method_status(struct call *call)
{
	struct device *device = NULL;
	if (call_text(call, "domain") == NULL) {
		give_all(call);
		return;
	}
	struct served *served = call_served(call);
	if (served == NULL)
		return;
	if (call_text(call, "device") != NULL) {
		device = call_device(call, served);
		if (device == NULL)
			return;
	}
	call_reply(call, status_of(call, served, device));
}

void method_describe(struct call *call)
{
	const struct served *served = call_served(call);
	if (served == NULL)
		return;
	char *xml = call_flag(call, "live") ? served_format_live(served)
					    : document_format(served_document(served));
	call_reply(call, xml != NULL ? json_pack("{s:s}", "xml", xml) : NULL);
	free(xml);
}
