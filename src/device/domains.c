/* The domains that a process serves; see domains.h. */
#include "device/domains_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- operations ------------------------------------------------------------------------------ */

static void set_state(struct served *served, enum served_state state)
{
	const struct domains_params *params = &served->domains->params;
	if (served->state == state)
		return;
	served->state = state;
	params->listener->state(params->user, served);
}

static void close_if_idle(struct served *served);

static void answer(domains_done *done, void *user, int code, const char *message)
{
	const struct domains_result result = {.code = code, .message = message};
	done(user, &result);
}

/* Whether an operation may begin now; if not, its `done` has been called. */
static bool may_begin(struct served *served, domains_done *done, void *user)
{
	struct error err = {0};
	if (served->domains->closing)
		error_set(&err, -ESHUTDOWN, "%s: the server is ending", served->name);
	else if (served->operation != OPERATION_NONE)
		error_set(&err, -EBUSY, "%s is being changed; try again when that has ended",
			served->name);
	else
		return true;
	answer(done, user, err.code, err.message);
	return false;
}

static void begin(struct served *served, enum operation operation, domains_done *done, void *user)
{
	served->operation = operation;
	served->done = done;
	served->user = user;
}

/* The domain is at rest: in `state`, or, when it is undefined, no more. */
static void finish(struct served *served, enum served_state state, struct domains_result result)
{
	bool undefined = served->operation == OPERATION_UNDEFINE;
	struct domains *domains = served->domains;
	domains_done *done = served->done;
	void *user = served->user;
	bool closing = domains->closing;
	/* Nobody was told that a change began. */
	if (served->operation == OPERATION_CHANGE)
		served->state = state;
	served->operation = OPERATION_NONE;
	served->done = NULL;
	if (!undefined)
		set_state(served, state);
	result.served = undefined ? NULL : served;
	if (undefined)
		domains_remove(served);
	if (done != NULL)
		done(user, &result);
	/* From here on `served` may be gone, unless the end has come that refuses everything. */
	if (closing && undefined)
		loop_task_post(&domains->end_task);
	else if (closing)
		close_if_idle(served);
}

/* ---- the active domain's events -------------------------------------------------------------- */

static bool on_guest_break(void *user, struct device *device)
{
	struct served *served = user;
	const struct domains_params *params = &served->domains->params;
	return params->listener->guest_break(params->user, served, device);
}

static void on_changed(void *user, struct device *device)
{
	struct served *served = user;
	const struct domains_params *params = &served->domains->params;
	params->listener->changed(params->user, served, device);
}

static void on_trouble(void *user, const struct device_config *config, const char *reason)
{
	struct served *served = user;
	const struct domains_params *params = &served->domains->params;
	params->listener->trouble(params->user, served, config, reason);
}

static void on_ending(void *user, struct device *device)
{
	struct served *served = user;
	const struct domains_params *params = &served->domains->params;
	params->listener->ending(params->user, served, device);
}

static void on_closed(void *user)
{
	struct served *served = user;
	served->active = NULL;
	if (served->operation == OPERATION_CLOSE) {
		served->operation = OPERATION_NONE;
		loop_task_post(&served->domains->end_task);
	} else {
		finish(served, SERVED_STOPPED, (struct domains_result){0});
	}
}

static void finish_failed(struct served *served)
{
	/* The sentence is the domain's own as long as it has failed. */
	const struct domains_result result = {
		.code = served->err.code, .message = served->err.message};
	finish(served, SERVED_FAILED, result);
}

static void on_orphaned(void *user)
{
	struct served *served = user;
	served->orphan = false;
	if (served->err.code != 0)
		finish_failed(served);
}

static const struct active_listener listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.closed = on_closed,
	.orphaned = on_orphaned,
};

/* ---- starting and stopping ------------------------------------------------------------------- */

/* All devices of the domain are new. */
static void finish_started(struct served *served)
{
	size_t count = active_domain_count(served->active);
	struct domains_result result = {0};
	const char **aliases = calloc(count + 1, sizeof(*aliases));
	for (size_t i = 0; aliases != NULL && i < count; i++)
		aliases[i] = device_config(active_domain_device(served->active, i))->alias;
	if (aliases != NULL) {
		result.devices = aliases;
		result.device_count = count;
	}
	finish(served, SERVED_RUNNING, result);
	free(aliases);
}

static void start(struct served *served, domains_done *done, void *user)
{
	const struct domains_params *domains = &served->domains->params;
	const struct active_params params = {
		.loop = domains->loop,
		.document = served->document,
		.runtime_dir = domains->runtime_dir,
		.log_dir = domains->log_dir,
		.log_quota = domains->quota,
		.listener = &listener,
		.user = served,
	};
	struct error err = {0};
	begin(served, OPERATION_START, done, user);
	served->stopped = false;
	served->err.code = 0;
	served->orphan = true;
	int code = active_domain_open(&params, &served->active, &err);
	if (code == 0) {
		served->orphan = false;
		finish_started(served);
		return;
	}
	served->err = err;
	if (served->orphan)
		set_state(served, SERVED_CHANGING);
	else
		finish_failed(served);
}

void domains_start(struct served *served, domains_done *done, void *user)
{
	if (!may_begin(served, done, user))
		return;
	if (served->active == NULL) {
		start(served, done, user);
		return;
	}
	struct error err = {0};
	error_set(&err, -EALREADY, "%s runs already", served->name);
	answer(done, user, err.code, err.message);
}

static void stop(struct served *served)
{
	set_state(served, SERVED_CHANGING);
	active_domain_close(served->active, false);
}

void domains_stop(struct served *served, domains_done *done, void *user)
{
	if (!may_begin(served, done, user))
		return;
	if (served->active != NULL) {
		begin(served, OPERATION_STOP, done, user);
		served->stopped = true;
		stop(served);
		return;
	}
	struct error err = {0};
	error_set(&err, -EALREADY, "%s does not run", served->name);
	answer(done, user, err.code, err.message);
}

void domains_undefine(struct served *served, domains_done *done, void *user)
{
	if (!may_begin(served, done, user))
		return;
	begin(served, OPERATION_UNDEFINE, done, user);
	if (served->active != NULL)
		stop(served);
	else
		finish(served, SERVED_STOPPED, (struct domains_result){0});
}

/* ---- defining -------------------------------------------------------------------------------- */

static void take_next(struct served *served)
{
	document_free(served->document);
	free(served->origin);
	served->document = served->next;
	served->origin = served->next_origin;
	served->next = NULL;
	served->next_origin = NULL;
}

static void drop_next(struct served *served)
{
	served->next = document_free(served->next);
	free(served->next_origin);
	served->next_origin = NULL;
}

static void on_change_done(void *user, const struct active_change *change)
{
	struct served *served = user;
	const struct domains_result result = {
		.code = change->code,
		.message = change->message,
		.devices = change->devices,
		.device_count = change->device_count,
	};
	if (change->code == 0)
		take_next(served);
	else
		drop_next(served);
	finish(served, SERVED_RUNNING, result);
}

static void redefine(struct served *served, bool start_it, domains_done *done, void *user)
{
	if (served->active != NULL) {
		begin(served, OPERATION_CHANGE, done, user);
		/* It goes on running: that is no news, however many a reload looks at. */
		served->state = SERVED_CHANGING;
		active_domain_change(served->active, served->next, on_change_done, served);
		return;
	}
	take_next(served);
	if (start_it && !served->stopped) {
		start(served, done, user);
		return;
	}
	const struct domains_result result = {.served = served};
	done(user, &result);
}

static void define_new(struct domains *domains, struct document *document, const char *origin,
	bool start_it, domains_done *done, void *user)
{
	struct served *served = domains_add(domains, document, origin);
	if (served == NULL) {
		document_free(document);
		answer(done, user, -ENOMEM, "out of memory");
	} else if (start_it) {
		start(served, done, user);
	} else {
		const struct domains_result result = {.served = served};
		done(user, &result);
	}
}

void domains_define(struct domains *domains, struct document *document, const char *origin,
	bool start_it, domains_done *done, void *user)
{
	struct served *served = domains_find(domains, document_domain(document)->name);
	if (domains->closing) {
		document_free(document);
		answer(done, user, -ESHUTDOWN, "the server is ending");
		return;
	}
	if (served == NULL) {
		define_new(domains, document, origin, start_it, done, user);
		return;
	}
	if (!may_begin(served, done, user)) {
		document_free(document);
		return;
	}
	served->next = document;
	served->next_origin = origin != NULL ? strdup(origin) : NULL;
	if (origin != NULL && served->next_origin == NULL) {
		drop_next(served);
		answer(done, user, -ENOMEM, "out of memory");
		return;
	}
	redefine(served, start_it, done, user);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void close_if_idle(struct served *served)
{
	struct domains *domains = served->domains;
	if (served->operation != OPERATION_NONE)
		return;
	if (served->active == NULL) {
		loop_task_post(&domains->end_task);
		return;
	}
	served->operation = OPERATION_CLOSE;
	active_domain_close(served->active, domains->keep);
}

static void on_end_task(struct loop_task *task)
{
	struct domains *domains = container_of(task, struct domains, end_task);
	for (size_t i = 0; i < domains->count; i++)
		if (domains->items[i]->operation != OPERATION_NONE ||
			domains->items[i]->active != NULL)
			return;
	const struct domains_params params = domains->params;
	for (size_t i = 0; i < domains->count; i++)
		served_free(domains->items[i]);
	free(domains->items);
	free(domains);
	params.listener->closed(params.user);
}

int domains_new(const struct domains_params *params, struct domains **ret, struct error *err)
{
	struct domains *domains = calloc(1, sizeof(*domains));
	if (domains == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	domains->params = *params;
	loop_task_init(&domains->end_task, params->loop, on_end_task);
	*ret = domains;
	return 0;
}

void domains_close(struct domains *domains, bool keep)
{
	if (domains->closing)
		return;
	domains->closing = true;
	domains->keep = keep;
	loop_task_post(&domains->end_task);
	for (size_t i = 0; i < domains->count; i++)
		close_if_idle(domains->items[i]);
}

void domains_reopen_logs(struct domains *domains)
{
	for (size_t i = 0; i < domains->count; i++) {
		struct active_domain *active = served_active(domains->items[i]);
		if (active != NULL)
			active_domain_reopen_logs(active);
	}
}
