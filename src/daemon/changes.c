/* The queue of changes; see changes.h. */
#include "daemon/changes.h"

#include "daemon/changes_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a change -------------------------------------------------------------------------------- */

struct change *change_new(struct changes *changes, control_done *done, void *call)
{
	struct change *change = calloc(1, sizeof(*change));
	if (change == NULL)
		return NULL;
	list_init(&change->link);
	change->changes = changes;
	change->done = done;
	change->call = call;
	return change;
}

void change_free(struct change *change)
{
	if (change == NULL)
		return;
	strlist_fini(&change->warnings);
	strlist_fini(&change->changed);
	document_free(change->document);
	reload_free(change->reload);
	free(change->xml);
	free(change->name);
	free(change);
}

void change_refuse(control_done *done, void *call, int code, const char *message)
{
	done(call, &(struct control_outcome){.code = code, .message = message});
}

void change_keep_names(struct strlist *ret, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		strlist_add(ret, names[i]);
}

static void on_work_done(struct loop_job *job)
{
	struct change *change = container_of(job, struct change, job);
	change->after(change);
}

void change_on_thread(struct change *change, void (*work)(struct loop_job *job),
	void (*after)(struct change *change))
{
	change->after = after;
	int code = loop_job_submit(&change->job, change->changes->params.loop, work, on_work_done);
	if (code == 0)
		return;
	error_set(&change->err, code, "cannot start a thread for the definitions: %s",
		error_text(code));
	after(change);
}

/* ---- the queue ------------------------------------------------------------------------------- */

void change_end_with(struct change *change, const struct control_outcome *outcome)
{
	struct changes *changes = change->changes;
	list_remove(&change->link);
	changes->count--;
	changes->busy = false;
	change->done(change->call, outcome);
	change_free(change);
	loop_task_post(&changes->next);
}

void change_end(struct change *change)
{
	struct control_outcome outcome = {
		.code = change->err.code,
		.message = change->err.message,
		.domain = change->name,
		.names = (const char *const *)change->changed.items,
		.name_count = change->changed.count,
		.warnings = (const char *const *)change->warnings.items,
		.warning_count = change->warnings.count,
	};
	change_end_with(change, &outcome);
}

void change_queue(struct change *change, void (*begin)(struct change *change))
{
	struct changes *changes = change->changes;
	const char *reason = changes->closed != NULL         ? "this server is ending"
			     : changes->count >= CHANGES_MAX ? "too many changes wait already; try "
							       "again later"
							     : NULL;
	if (reason != NULL) {
		change_refuse(change->done, change->call, -EBUSY, reason);
		change_free(change);
		return;
	}
	change->begin = begin;
	list_append(&changes->queue, &change->link);
	changes->count++;
	loop_task_post(&changes->next);
}

static void refuse_first(struct changes *changes)
{
	struct change *change = container_of(changes->queue.next, struct change, link);
	error_set(&change->err, -EBUSY, "this server is ending");
	change_end(change);
}

static void on_next(struct loop_task *task)
{
	struct changes *changes = container_of(task, struct changes, next);
	if (changes->busy)
		return;
	if (!list_is_empty(&changes->queue)) {
		if (changes->closed != NULL) {
			refuse_first(changes);
			return;
		}
		struct change *change = container_of(changes->queue.next, struct change, link);
		changes->busy = true;
		change->begin(change);
	} else if (changes->closed != NULL) {
		void (*closed)(void *user) = changes->closed;
		void *user = changes->params.user;
		free(changes);
		closed(user);
	}
}

int changes_new(const struct changes_params *params, struct changes **ret)
{
	struct changes *changes = calloc(1, sizeof(*changes));
	if (changes == NULL)
		return -ENOMEM;
	changes->params = *params;
	list_init(&changes->queue);
	loop_task_init(&changes->next, params->loop, on_next);
	*ret = changes;
	return 0;
}

void changes_close(struct changes *changes, void (*closed)(void *user))
{
	changes->closed = closed;
	loop_task_post(&changes->next);
}
