/*
 * Names to addresses: getaddrinfo(3) as a job.
 *
 * It cannot be interrupted and may wait for a silent name server for half a minute. The question
 * is therefore an object of its own, which its owner can walk away from.
 */
#include "loop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct resolve_job {
	struct loop_job job;
	struct loop_resolve *owner; /* NULL: nobody waits for the answer */
	char *host;
	char *service;
	struct addrinfo hints;
	bool has_hints;
	int status;
	struct addrinfo *list;
};

static void free_question(struct resolve_job *question)
{
	if (question->list != NULL)
		freeaddrinfo(question->list);
	free(question->host);
	free(question->service);
	free(question);
}

static void ask(struct loop_job *job)
{
	struct resolve_job *question = container_of(job, struct resolve_job, job);
	question->status = getaddrinfo(question->host, question->service,
		question->has_hints ? &question->hints : NULL, &question->list);
	if (question->status != 0)
		question->list = NULL;
}

static void on_answer(struct loop_job *job)
{
	struct resolve_job *question = container_of(job, struct resolve_job, job);
	struct loop_resolve *owner = question->owner;
	if (owner != NULL) {
		owner->job = NULL;
		loop_release(owner->loop);
		owner->resolved(owner, question->status, question->list);
	}
	free_question(question);
}

static void on_orphaned(struct loop_job *job)
{
	free_question(container_of(job, struct resolve_job, job));
}

static void on_closed(struct loop_task *task)
{
	struct loop_resolve *resolve = container_of(task, struct loop_resolve, closed_task);
	if (resolve->closed != NULL)
		resolve->closed(resolve);
}

/* Copies `text`; "" counts as none. False when memory ran out. */
static bool copy(const char *text, char **ret)
{
	if (text == NULL || text[0] == '\0')
		return true;
	*ret = strdup(text);
	return *ret != NULL;
}

int loop_resolve_start(struct loop_resolve *resolve, struct loop *loop, const char *host,
	const char *service, const struct addrinfo *hints,
	void (*resolved)(struct loop_resolve *resolve, int status, const struct addrinfo *list))
{
	struct resolve_job *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return -ENOMEM;
	if (!copy(host, &question->host) || !copy(service, &question->service)) {
		free_question(question);
		return -ENOMEM;
	}
	if (hints != NULL) {
		question->has_hints = true;
		question->hints = (struct addrinfo){
			.ai_flags = hints->ai_flags,
			.ai_family = hints->ai_family,
			.ai_socktype = hints->ai_socktype,
			.ai_protocol = hints->ai_protocol,
		};
	}
	question->owner = resolve;
	question->job = (struct loop_job){
		.loop = loop, .work = ask, .done = on_answer, .orphaned = on_orphaned};
	int rc = work_pool_submit(loop->pool, &question->job);
	if (rc < 0) {
		free_question(question);
		return rc;
	}
	*resolve = (struct loop_resolve){.loop = loop, .job = question, .resolved = resolved};
	loop_task_init(&resolve->closed_task, loop, on_closed);
	loop_hold(loop);
	return 0;
}

void loop_resolve_cancel(struct loop_resolve *resolve, void (*closed)(struct loop_resolve *resolve))
{
	if (resolve->job != NULL) {
		resolve->job->owner = NULL;
		resolve->job = NULL;
		loop_release(resolve->loop);
	}
	resolve->closed = closed;
	loop_task_post(&resolve->closed_task);
}
