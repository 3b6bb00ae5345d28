/* An active domain; see active.h. */
#include "device/active.h"

#include "backend/domain_log.h"
#include "guest/witness.h"
#include "util/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct member {
	struct active_domain *active;
	const struct device_config *config;
	struct device *device; /* NULL once closed */
	uint64_t facts;        /* what live.xml says of it, as a hash */
	bool changed;          /* since live.xml was last looked at */
	struct state_slot *slot;
	bool found; /* the slot was there: an earlier process's device goes on */
};

struct active_domain {
	struct loop *loop;
	const struct document *document;
	const struct active_listener *listener;
	void *user;
	struct runtime runtime;
	struct state state;
	struct domain_log *domain_log;
	struct guest_witness witness;
	struct loop_task live_task; /* many changes at once write live.xml once */
	struct loop_task end_task;
	struct member *members;
	size_t count;
	size_t open_count;
	bool closing;
	bool orphan; /* active_domain_open() failed: nobody waits for `closed` */
	bool found;  /* an earlier process's devices go on */
};

/* ---- the live document ----------------------------------------------------------------------- */

static void describe_live(
	const struct device *device, struct device_status *status, struct device_live *ret)
{
	device_status(device, status);
	const struct backend_description *backend = &status->backend;
	*ret = (struct device_live){
		.alias = device_config(device)->alias,
		.pty_path = backend->pty_path[0] != '\0' ? backend->pty_path : NULL,
		.service = backend->service[0] != '\0' ? backend->service : NULL,
		.path = backend->path[0] != '\0' ? backend->path : NULL,
	};
}

static char *format_live(const struct active_domain *active)
{
	struct device_live *live = calloc(active->count + 1, sizeof(*live));
	struct device_status *statuses = calloc(active->count + 1, sizeof(*statuses));
	char *text = NULL;
	if (live != NULL && statuses != NULL) {
		for (size_t i = 0; i < active->count; i++)
			describe_live(active->members[i].device, &statuses[i], &live[i]);
		text = document_format_live(active->document, live, active->count);
	}
	free(statuses);
	free(live);
	return text;
}

static int write_live(struct active_domain *active, struct error *err)
{
	char *text = format_live(active);
	if (text == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int code = runtime_write(&active->runtime, "live.xml", text, err);
	free(text);
	return code;
}

/* Whether what live.xml says of a device is no longer so. */
static bool facts_changed(struct member *member)
{
	struct device_status status;
	device_status(member->device, &status);
	uint64_t facts = hash_text(HASH_INIT, status.backend.pty_path);
	facts = hash_text(facts, status.backend.service);
	facts = hash_text(facts, status.backend.path);
	bool changed = facts != member->facts;
	member->facts = facts;
	member->changed = false;
	return changed;
}

/* Clients come and go often, paths and ports hardly ever: the document follows the latter alone. */
static void on_live_task(struct loop_task *task)
{
	struct active_domain *active = container_of(task, struct active_domain, live_task);
	bool outdated = false;
	for (size_t i = 0; i < active->count; i++) {
		struct member *member = &active->members[i];
		if (!member->changed)
			continue;
		outdated |= facts_changed(member);
		active->listener->changed(active->user, member->device);
	}
	/* What cannot be written now is written with the next change. */
	if (outdated && write_live(active, NULL) < 0)
		for (size_t i = 0; i < active->count; i++)
			active->members[i].facts = 0;
}

/* ---- the devices' events --------------------------------------------------------------------- */

static bool on_guest_break(void *user)
{
	struct member *member = user;
	return member->active->listener->guest_break(member->active->user, member->device);
}

static void on_changed(void *user)
{
	struct member *member = user;
	member->changed = true;
	if (!member->active->closing)
		loop_task_post(&member->active->live_task);
}

static void forget_new_slots(struct active_domain *active)
{
	for (size_t i = 0; i < document_domain(active->document)->device_count; i++) {
		struct member *member = &active->members[i];
		if (member->slot != NULL && !member->found)
			*member->slot = (struct state_slot){0};
	}
}

static void on_end_task(struct loop_task *task)
{
	struct active_domain *active = container_of(task, struct active_domain, end_task);
	const struct active_listener *listener = active->listener;
	void *user = active->user;
	bool orphan = active->orphan;
	/* What another version of this program left is a person's to keep or to remove. */
	bool sweep = active->state.memory != NULL;
	/* A start that failed leaves it as it was: a VMM of that process may still live. */
	if (orphan && active->found) {
		forget_new_slots(active);
		sweep = false;
	}
	domain_log_free(active->domain_log);
	state_close(&active->state);
	guest_witness_fini(&active->witness);
	if (sweep)
		runtime_sweep(&active->runtime);
	runtime_close(&active->runtime);
	free(active->members);
	free(active);
	if (!orphan)
		listener->closed(user);
}

static void on_trouble(void *user, const char *reason)
{
	struct member *member = user;
	struct active_domain *active = member->active;
	if (!active->orphan)
		active->listener->trouble(active->user, member->config, reason);
}

static void on_ending(void *user)
{
	struct member *member = user;
	struct active_domain *active = member->active;
	if (!active->orphan)
		active->listener->ending(active->user, member->device);
}

static void on_closed(void *user)
{
	struct member *member = user;
	struct active_domain *active = member->active;
	member->device = NULL;
	if (--active->open_count == 0)
		loop_task_post(&active->end_task);
}

static const struct device_listener member_listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.closed = on_closed,
	.orphaned = on_closed,
};

/* ---- opening --------------------------------------------------------------------------------- */

static int open_state(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->document);
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

/* What an earlier process served and this document does not have any more. */
static int forget_old_slots(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->document);
	const char **aliases = calloc(domain->device_count + 1, sizeof(*aliases));
	if (aliases == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < domain->device_count; i++)
		aliases[i] = domain->devices[i].alias;
	state_keep_only(&active->state, aliases, domain->device_count);
	free(aliases);
	return 0;
}

static int open_member(
	struct active_domain *active, const struct device_config *config, struct error *err)
{
	struct member *member = &active->members[active->count];
	struct device_params params = {
		.loop = active->loop,
		.config = config,
		.runtime_dir = active->runtime.dir,
		.ring_dir = active->runtime.dir,
		.witness = &active->witness,
		.domain_log = active->domain_log,
		.listener = &member_listener,
		.user = member,
	};
	member->active = active;
	member->config = config;
	member->slot = state_slot_for(&active->state, config->alias, &member->found);
	if (member->slot == NULL)
		return error_set(err, -ENOSPC, "%s: no room in the state file", config->alias);
	params.slot = member->slot;
	params.slot_found = member->found;
	active->open_count++;
	int code = device_open(&params, &member->device, err);
	if (code == 0)
		active->count++;
	return code;
}

static int open_members(struct active_domain *active, struct error *err)
{
	const struct domain *domain = document_domain(active->document);
	for (size_t i = 0; i < domain->device_count; i++) {
		if (!device_is_presented(&domain->devices[i]))
			continue;
		int code = open_member(active, &domain->devices[i], err);
		if (code < 0)
			return code;
	}
	return 0;
}

static int open_domain_log(struct active_domain *active, struct error *err)
{
	const struct domain_log_params params = {
		.loop = active->loop,
		.path = active->runtime.log_path,
		.limits = domain_log_limits(document_domain(active->document)),
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
		code = forget_old_slots(active, err);
	if (code == 0)
		code = write_live(active, err);
	for (size_t i = 0; i < active->count; i++)
		facts_changed(&active->members[i]);
	return code;
}

int active_domain_open(struct loop *loop, const struct document *document, const char *runtime_dir,
	const char *log_dir, const struct active_listener *listener, void *user,
	struct active_domain **ret, struct error *err)
{
	const struct domain *domain = document_domain(document);
	struct active_domain *active = calloc(1, sizeof(*active));
	struct member *members = calloc(domain->device_count + 1, sizeof(*members));
	if (active == NULL || members == NULL) {
		free(members);
		free(active);
		return error_set(err, -ENOMEM, "out of memory");
	}
	active->loop = loop;
	active->document = document;
	active->listener = listener;
	active->user = user;
	active->members = members;
	loop_task_init(&active->live_task, loop, on_live_task);
	loop_task_init(&active->end_task, loop, on_end_task);
	int code = runtime_open(&active->runtime, domain->name, runtime_dir, log_dir, err);
	if (code < 0) {
		free(active->members);
		free(active);
		return code;
	}
	code = open_all(active, err);
	if (code < 0) {
		active->orphan = true;
		active_domain_close(active);
		return code;
	}
	*ret = active;
	return 0;
}

void active_domain_close(struct active_domain *active)
{
	if (active->closing)
		return;
	active->closing = true;
	loop_task_cancel(&active->live_task);
	if (active->open_count == 0)
		loop_task_post(&active->end_task);
	for (size_t i = 0; i < active->count; i++) {
		const struct member *member = &active->members[i];
		device_close(member->device, active->orphan && member->found);
	}
}

/* ---- the rest -------------------------------------------------------------------------------- */

const struct runtime *active_domain_runtime(const struct active_domain *active)
{
	return &active->runtime;
}

const struct domain *active_domain_config(const struct active_domain *active)
{
	return document_domain(active->document);
}

size_t active_domain_count(const struct active_domain *active)
{
	return active->count;
}

struct device *active_domain_device(const struct active_domain *active, size_t index)
{
	return active->members[index].device;
}

struct device *active_domain_find(const struct active_domain *active, const char *alias)
{
	const struct domain *domain = document_domain(active->document);
	const struct device_config *wanted = domain_find_device(domain, alias);
	if (wanted != NULL)
		wanted = domain_resolve_alias(domain, wanted);
	for (size_t i = 0; i < active->count; i++) {
		if (device_config(active->members[i].device) == wanted)
			return active->members[i].device;
	}
	return NULL;
}
