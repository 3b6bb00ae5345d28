/* One device of an active domain, and what it tells; see active_internal.h. */
#include "device/active_internal.h"

#include "model/device_config.h"

#include <errno.h>
#include <stdlib.h>

/* ---- events ---------------------------------------------------------------------------------- */

static bool on_guest_break(void *user)
{
	struct member *member = user;
	const struct active_params *params = &member->active->params;
	return params->listener->guest_break(params->user, member->device);
}

static void on_changed(void *user)
{
	struct member *member = user;
	member->changed = true;
	if (!member->active->closing)
		loop_task_post(&member->active->live_task);
}

static void on_trouble(void *user, const char *reason)
{
	struct member *member = user;
	const struct active_params *params = &member->active->params;
	if (!member->active->orphan)
		params->listener->trouble(params->user, &member->config, reason);
}

static void on_ending(void *user)
{
	struct member *member = user;
	const struct active_params *params = &member->active->params;
	if (!member->active->orphan)
		params->listener->ending(params->user, member->device);
}

static void on_closed(void *user)
{
	struct member *member = user;
	struct active_domain *active = member->active;
	member->device = NULL;
	active->pending--;
	if (active->change != NULL)
		change_one_ended(active->change);
	else if (active->closing && active->pending == 0)
		loop_task_post(&active->end_task);
}

static const struct device_listener listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.closed = on_closed,
	.orphaned = on_closed,
};

/* ---- one member ------------------------------------------------------------------------------ */

int member_new(struct active_domain *active, const struct device_config *config,
	struct member **ret, struct error *err)
{
	struct member *member = calloc(1, sizeof(*member));
	if (member == NULL || device_config_copy(config, &member->config) < 0) {
		free(member);
		return error_set(err, -ENOMEM, "out of memory");
	}
	member->active = active;
	*ret = member;
	return 0;
}

struct member *member_free(struct member *member)
{
	if (member == NULL)
		return NULL;
	device_config_fini(&member->config);
	free(member);
	return NULL;
}

int member_open(struct member *member, const struct device_config *differs, struct error *err)
{
	struct active_domain *active = member->active;
	const struct device_params params = {
		.loop = active->params.loop,
		.config = &member->config,
		.runtime_dir = active->runtime.dir,
		.ring_dir = active->runtime.dir,
		.witness = &active->witness,
		.slot = member->slot,
		.slot_found = member->found,
		.before = differs,
		.domain_log = active->domain_log,
		.log_share = active->log_share,
		.listener = &listener,
		.user = member,
	};
	active->pending++;
	int code = device_open(&params, &member->device, err);
	if (code == 0)
		active->open.items[active->open.count++] = member;
	return code;
}

/* ---- all of them ----------------------------------------------------------------------------- */

int members_new(struct active_domain *active, const struct document *document, struct members *ret,
	struct error *err)
{
	const struct domain *domain = document_domain(document);
	struct members members = {calloc(domain->device_count + 1, sizeof(struct member *)), 0};
	int code = members.items != NULL ? 0 : error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; code == 0 && i < domain->device_count; i++) {
		if (!device_is_presented(&domain->devices[i]))
			continue;
		code = member_new(active, &domain->devices[i], &members.items[members.count], err);
		members.count += code == 0;
	}
	if (code < 0)
		members_fini(&members);
	else
		*ret = members;
	return code;
}

void members_fini(struct members *members)
{
	for (size_t i = 0; i < members->count; i++)
		member_free(members->items[i]);
	free(members->items);
	*members = (struct members){0};
}

void active_note_open(struct active_domain *active)
{
	active->open.count = 0;
	for (size_t i = 0; i < active->members.count; i++) {
		struct member *member = active->members.items[i];
		if (member->device != NULL)
			active->open.items[active->open.count++] = member;
	}
}

int active_forget_slots(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->params.document);
	const char **aliases = calloc(domain->device_count + 1, sizeof(*aliases));
	if (aliases == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < domain->device_count; i++)
		aliases[i] = domain->devices[i].alias;
	state_keep_only(&active->state, aliases, domain->device_count);
	free(aliases);
	return 0;
}
