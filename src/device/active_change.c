/*
 * From one document of an active domain to the next; see active_domain_change().
 *
 * What leaves is closed first, for what comes may want its place: its path, its port, its alias.
 * But it is closed as for a successor, so that all can be made as it was: only when everything
 * stands, what nobody goes on with is removed.
 */
#include "device/active_internal.h"

#include "model/device_equal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum change_phase {
	CHANGE_LEAVING,   /* what is gone or differs is being closed */
	CHANGE_UNDOING,   /* one could not be opened: those that were are being closed */
	CHANGE_RESTORING, /* what cannot be opened again ends */
};

struct change {
	struct active_domain *active;
	const struct document *document;
	struct members before;  /* the members of the document so far, */
	struct members after;   /* and of this one: those that stay are in both */
	struct members dropped; /* at the end: those that are freed */
	struct member **room;   /* for active_domain.open */
	const char **aliases;   /* of those that change */
	size_t alias_count;
	size_t awaited; /* devices that have yet to end */
	enum change_phase phase;
	struct loop_task task;
	active_changed *done;
	void *user;
	struct error err;
};

/* ---- what differs ---------------------------------------------------------------------------- */

static struct member *find_member(const struct members *members, size_t hint, const char *alias)
{
	/* Most documents keep their order. */
	for (size_t i = 0; i < members->count; i++) {
		struct member *member = members->items[(hint + i) % members->count];
		if (strcmp(member->config.alias, alias) == 0)
			return member;
	}
	return NULL;
}

static void note_alias(struct change *change, const char *alias)
{
	change->aliases[change->alias_count++] = alias;
}

/* Those that are the same take the places of new ones; returns how many aliases are new. */
static size_t match(struct change *change)
{
	size_t fresh = 0;
	for (size_t i = 0; i < change->before.count; i++)
		change->before.items[i]->leaves = true;
	for (size_t i = 0; i < change->after.count; i++) {
		struct member *member = change->after.items[i];
		struct member *before = find_member(&change->before, i, member->config.alias);
		if (before != NULL && device_config_equals(&before->config, &member->config)) {
			before->leaves = false;
			change->after.items[i] = before;
			member_free(member);
			continue;
		}
		member->comes = true;
		member->other = before;
		if (before != NULL)
			before->other = member;
		fresh += before == NULL;
		note_alias(change, member->config.alias);
	}
	for (size_t i = 0; i < change->before.count; i++) {
		const struct member *member = change->before.items[i];
		if (member->leaves && member->other == NULL)
			note_alias(change, member->config.alias);
	}
	return fresh;
}

static int plan(struct change *change, struct error *err)
{
	struct active_domain *active = change->active;
	int code = members_new(active, change->document, &change->after, err);
	if (code < 0)
		return code;
	size_t most = change->before.count + change->after.count + 1;
	change->aliases = calloc(most, sizeof(*change->aliases));
	change->dropped.items = calloc(most, sizeof(struct member *));
	change->room = calloc(most, sizeof(struct member *));
	if (change->aliases == NULL || change->dropped.items == NULL || change->room == NULL) {
		members_fini(&change->after);
		return error_set(err, -ENOMEM, "out of memory");
	}
	return state_make_room(&active->state, match(change), err);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Takes out of a table what is not of the domain any more, or never came to be. */
static void drop(
	struct change *change, struct members *members, bool (*is_dropped)(struct member *))
{
	size_t kept = 0;
	for (size_t i = 0; i < members->count; i++) {
		struct member *member = members->items[i];
		if (is_dropped(member))
			change->dropped.items[change->dropped.count++] = member;
		else
			members->items[kept++] = member;
	}
	members->count = kept;
}

static bool comes(struct member *member)
{
	return member->comes;
}

static bool leaves(struct member *member)
{
	return member->leaves;
}

/* One that had to leave and could not be opened again. */
static bool is_lost(struct member *member)
{
	return member->leaves && member->device == NULL;
}

static void free_change(struct change *change)
{
	members_fini(&change->dropped);
	free(change->before.items);
	free(change->after.items);
	free(change->room);
	free(change->aliases);
	free(change);
}

/* The domain is at rest again, with the table that stands now. */
static void end_change(struct change *change)
{
	struct active_domain *active = change->active;
	const struct active_change result = {
		.code = change->err.code,
		.message = change->err.message,
		.devices = change->aliases,
		.device_count = change->alias_count,
	};
	for (size_t i = 0; i < active->members.count; i++) {
		struct member *member = active->members.items[i];
		member->comes = member->leaves = false;
		member->other = NULL;
	}
	active_note_open(active);
	for (size_t i = 0; i < active->open.count; i++)
		active_note_facts(active->open.items[i]);
	/* Without memory they are forgotten with the next change, and live.xml is written then. */
	active_forget_slots(active, NULL);
	active_write_live(active, NULL);
	active->change = NULL;
	change->done(change->user, &result);
	free_change(change);
}

/* ---- what comes ------------------------------------------------------------------------------ */

/* Whether a VMM that is attached to the one's guest port is so to the other's. */
static bool has_same_guest_port(const struct member *a, const struct member *b)
{
	const char *dir = a->active->runtime.dir;
	struct guest_description x, y;
	return guest_plan(&a->config, dir, &x, NULL) == 0 &&
	       guest_plan(&b->config, dir, &y, NULL) == 0 && x.type == y.type &&
	       x.listens == y.listens && strcmp(x.path, y.path) == 0;
}

/* The device of a member; its end is awaited if it cannot be opened. */
static int open_one(struct change *change, struct member *member,
	const struct device_config *differs, struct error *err)
{
	change->awaited++;
	int code = member_open(member, differs, err);
	if (code == 0)
		change->awaited--;
	return code;
}

static int open_coming(struct change *change, struct member *member, struct error *err)
{
	struct member *before = member->other;
	const char *alias = member->config.alias;
	member->slot = state_slot_for(&change->active->state, alias, &member->found);
	if (member->slot == NULL)
		return error_set(err, -ENOSPC, "%s: no room in the state file", alias);
	if (before != NULL) {
		member->found = has_same_guest_port(before, member);
		before->found = member->found;
	}
	return open_one(change, member, before != NULL ? &before->config : NULL, err);
}

static void undo(struct change *change);

/* Nobody goes on with what leaves, or only with a part of it. */
static void discard(const struct change *change, const struct member *member)
{
	const char *dir = change->active->runtime.dir;
	if (member->other == NULL)
		device_discard(&member->config, dir, dir);
	else if (!has_same_guest_port(member, member->other))
		device_discard(&member->config, dir, NULL);
}

static void open_all_coming(struct change *change)
{
	struct active_domain *active = change->active;
	for (size_t i = 0; i < change->before.count; i++) {
		struct member *member = change->before.items[i];
		if (!member->leaves)
			continue;
		member->found = true;
		member->log_base = member->slot->log_base;
		member->log_at = member->slot->log_at;
	}
	for (size_t i = 0; i < change->after.count; i++) {
		struct member *member = change->after.items[i];
		if (member->comes && open_coming(change, member, &change->err) < 0) {
			undo(change);
			return;
		}
	}
	active->params.document = change->document;
	change->after = (struct members){0}; /* the domain's */
	for (size_t i = 0; i < change->before.count; i++)
		if (change->before.items[i]->leaves)
			discard(change, change->before.items[i]);
	drop(change, &change->before, leaves);
	end_change(change);
}

/* ---- back to what was ------------------------------------------------------------------------ */

static void undo(struct change *change)
{
	struct active_domain *active = change->active;
	change->phase = CHANGE_UNDOING;
	active->members = change->before;
	change->before = (struct members){0}; /* the domain's again */
	active_note_open(active);
	for (size_t i = 0; i < change->after.count; i++) {
		struct member *member = change->after.items[i];
		if (!member->comes || member->device == NULL)
			continue;
		change->awaited++;
		device_close(member->device, member->found);
	}
	if (change->awaited == 0)
		loop_task_post(&change->task);
}

static void note_lost(struct change *change, const struct member *member, const char *reason)
{
	const struct active_params *params = &change->active->params;
	struct error first = change->err;
	error_set(&change->err, first.code, "%s; nor can %s", first.message, reason);
	params->listener->trouble(params->user, &member->config, reason);
}

static void restore(struct change *change)
{
	struct active_domain *active = change->active;
	change->phase = CHANGE_RESTORING;
	for (size_t i = 0; i < active->members.count; i++) {
		struct member *member = active->members.items[i];
		struct error err = {0};
		if (!member->leaves)
			continue;
		member->slot->log_base = member->log_base;
		member->slot->log_at = member->log_at;
		if (open_one(change, member, NULL, &err) < 0)
			note_lost(change, member, err.message);
	}
	if (change->awaited == 0)
		loop_task_post(&change->task);
}

static void end_undone(struct change *change)
{
	drop(change, &change->after, comes);
	drop(change, &change->active->members, is_lost);
	end_change(change);
}

/* ---- the steps ------------------------------------------------------------------------------- */

static void on_task(struct loop_task *task)
{
	struct change *change = container_of(task, struct change, task);
	if (change->awaited > 0)
		return;
	switch (change->phase) {
	case CHANGE_LEAVING:
		open_all_coming(change);
		break;
	case CHANGE_UNDOING:
		restore(change);
		break;
	case CHANGE_RESTORING:
		end_undone(change);
		break;
	}
}

void change_one_ended(struct change *change)
{
	if (--change->awaited == 0)
		loop_task_post(&change->task);
}

static void begin(struct change *change)
{
	struct active_domain *active = change->active;
	active->change = change;
	active->members = change->after;
	struct member **room = active->open.items;
	active->open.items = change->room;
	change->room = room;
	active_note_open(active);
	for (size_t i = 0; i < change->before.count; i++) {
		const struct member *member = change->before.items[i];
		if (!member->leaves)
			continue;
		change->awaited++;
		device_close(member->device, true);
	}
	if (change->awaited == 0)
		open_all_coming(change);
}

/* Nothing was begun. */
static void give_up(struct change *change, struct error *err)
{
	const struct active_change result = {.code = err->code, .message = err->message};
	for (size_t i = 0; i < change->before.count; i++) {
		change->before.items[i]->leaves = false;
		change->before.items[i]->other = NULL;
	}
	change->before = (struct members){0};
	drop(change, &change->after, comes);
	active_changed *done = change->done;
	void *user = change->user;
	free_change(change);
	done(user, &result);
}

void active_domain_change(struct active_domain *active, const struct document *document,
	active_changed *done, void *user)
{
	struct change *change = calloc(1, sizeof(*change));
	if (change == NULL) {
		const struct active_change result = {.code = -ENOMEM, .message = "out of memory"};
		done(user, &result);
		return;
	}
	struct error err = {0};
	change->active = active;
	change->document = document;
	change->before = active->members;
	change->done = done;
	change->user = user;
	loop_task_init(&change->task, active->params.loop, on_task);
	if (plan(change, &err) < 0)
		give_up(change, &err);
	else
		begin(change);
}
