/* An active domain: how it is opened, searched and closed; see active.h. */
#include "device/active_internal.h"

#include "backend/domain_log.h"
#include "backend/log_quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(STATE_MAX_SLOTS >= 2 * DOCUMENT_MAX_DEVICES, "one document's beside another's");

/* ---- the end --------------------------------------------------------------------------------- */

static void forget_new_slots(struct active_domain *active)
{
	for (size_t i = 0; i < active->members.count; i++) {
		struct member *member = active->members.items[i];
		if (member->slot != NULL && !member->found)
			*member->slot = (struct state_slot){0};
	}
}

/* Of what is nobody's now: what stays for a next process, and what does not. */
static void leave_runtime(struct active_domain *active)
{
	/* What another version of this program left is a person's to keep or to remove. */
	bool sweep = active->state.memory != NULL && !active->keep;
	char path[RUNTIME_PATH_SIZE];
	/* A start that failed leaves it as it was: a VMM of that process may still live. */
	if (active->orphan && active->found) {
		forget_new_slots(active);
		sweep = false;
	}
	state_close(&active->state);
	if (sweep)
		runtime_sweep(&active->runtime);
	else if (active->keep &&
		 runtime_path(&active->runtime, "live.xml", path, sizeof(path)) == 0)
		unlink(path);
	runtime_close(&active->runtime);
}

static void on_end_task(struct loop_task *task)
{
	struct active_domain *active = container_of(task, struct active_domain, end_task);
	const struct active_listener *listener = active->params.listener;
	void *user = active->params.user;
	bool orphan = active->orphan;
	domain_log_free(active->domain_log);
	log_share_free(active->log_share);
	leave_runtime(active);
	guest_witness_fini(&active->witness);
	members_fini(&active->members);
	free(active->open.items);
	free(active);
	if (!orphan)
		listener->closed(user);
	else if (listener->orphaned != NULL)
		listener->orphaned(user);
}

void active_domain_close(struct active_domain *active, bool keep)
{
	if (active->closing)
		return;
	active->closing = true;
	active->keep = keep;
	loop_task_cancel(&active->live_task);
	if (active->pending == 0)
		loop_task_post(&active->end_task);
	active->open.count = 0;
	for (size_t i = 0; i < active->members.count; i++) {
		const struct member *member = active->members.items[i];
		if (member->device != NULL)
			device_close(member->device, keep || (active->orphan && member->found));
	}
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_state(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->params.document);
	char path[RUNTIME_PATH_SIZE];
	if (runtime_path(&active->runtime, "state", path, sizeof(path)) < 0)
		return error_set(err, -ENAMETOOLONG,
			"the runtime directory %s has too long a name; give a shorter one",
			active->runtime.dir);
	/* Room for all of this document's beside all that is there: nothing is freed yet. */
	int code = state_open(&active->state, path, 2 * domain->device_count, err);
	if (code == 0)
		active->found = state_is_continued(&active->state);
	return code;
}

static int open_members(struct active_domain *active, struct error *err)
{
	int code = 0;
	for (size_t i = 0; code == 0 && i < active->members.count; i++) {
		struct member *member = active->members.items[i];
		const char *alias = member->config.alias;
		member->slot = state_slot_for(&active->state, alias, &member->found);
		if (member->slot == NULL)
			return error_set(err, -ENOSPC, "%s: no room in the state file", alias);
		code = member_open(member, NULL, err);
	}
	return code;
}

static int open_domain_log(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->params.document);
	if (active->params.log_quota != NULL) {
		active->log_share = log_quota_domain(active->params.log_quota, domain->name);
		if (active->log_share == NULL)
			return error_set(err, -ENOMEM, "out of memory");
	}
	const struct domain_log_params params = {
		.loop = active->params.loop,
		.path = active->runtime.log_path,
		.limits = domain_log_limits(domain),
		.share = active->log_share,
	};
	return domain_log_new(&params, &active->domain_log, err);
}

static int open_all(struct active_domain *active, struct error *err)
{
	int code = open_domain_log(active, err);
	if (code == 0)
		code = open_state(active, err);
	if (code == 0)
		code = open_members(active, err);
	if (code == 0)
		code = active_forget_slots(active, err);
	if (code == 0)
		code = active_write_live(active, err);
	for (size_t i = 0; i < active->open.count; i++)
		active_note_facts(active->open.items[i]);
	return code;
}

static int active_new(
	const struct active_params *params, struct active_domain **ret, struct error *err)
{
	struct active_domain *active = calloc(1, sizeof(*active));
	if (active == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	active->params = *params;
	loop_task_init(&active->live_task, params->loop, active_on_live_task);
	loop_task_init(&active->end_task, params->loop, on_end_task);
	int code = members_new(active, params->document, &active->members, err);
	if (code == 0) {
		active->open.items = calloc(active->members.count + 1, sizeof(struct member *));
		if (active->open.items == NULL)
			code = error_set(err, -ENOMEM, "out of memory");
	}
	if (code == 0)
		code = runtime_open(&active->runtime, document_domain(params->document)->name,
			params->runtime_dir, params->log_dir, err);
	if (code < 0) {
		members_fini(&active->members);
		free(active->open.items);
		free(active);
		return code;
	}
	*ret = active;
	return 0;
}

int active_domain_open(
	const struct active_params *params, struct active_domain **ret, struct error *err)
{
	struct active_domain *active = NULL;
	int code = active_new(params, &active, err);
	if (code < 0) {
		if (params->listener->orphaned != NULL)
			params->listener->orphaned(params->user);
		return code;
	}
	code = open_all(active, err);
	if (code < 0) {
		active->orphan = true;
		active_domain_close(active, false);
		return code;
	}
	*ret = active;
	return 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

void active_domain_reopen_logs(struct active_domain *active)
{
	for (size_t i = 0; i < active->open.count; i++)
		device_reopen_logs(active->open.items[i]->device);
}

const struct runtime *active_domain_runtime(const struct active_domain *active)
{
	return &active->runtime;
}

const struct domain *active_domain_config(const struct active_domain *active)
{
	return document_domain(active->params.document);
}

size_t active_domain_count(const struct active_domain *active)
{
	return active->open.count;
}

struct device *active_domain_device(const struct active_domain *active, size_t index)
{
	return active->open.items[index]->device;
}

struct device *active_domain_find(const struct active_domain *active, const char *alias)
{
	const struct domain *domain = active_domain_config(active);
	const struct device_config *wanted = domain_find_device(domain, alias);
	if (wanted == NULL)
		return NULL;
	wanted = domain_resolve_alias(domain, wanted);
	for (size_t i = 0; i < active->open.count; i++)
		if (strcmp(active->open.items[i]->config.alias, wanted->alias) == 0)
			return active->open.items[i]->device;
	return NULL;
}
