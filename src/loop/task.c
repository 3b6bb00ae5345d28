/* Tasks: callbacks on a fresh stack. They run at the start of libuv's rounds, before it sleeps. */
#include "loop/internal.h"

void loop_task_init(struct loop_task *task, struct loop *loop, void (*run)(struct loop_task *task))
{
	list_init(&task->link);
	task->loop = loop;
	task->run = run;
}

/* Those posted meanwhile wait for the next round, so that a task cannot keep input waiting. */
void loop_run_tasks(uv_idle_t *idle)
{
	struct loop *loop = idle->data;
	struct list batch = loop->tasks;
	if (!list_is_empty(&loop->tasks)) {
		batch.next->prev = &batch;
		batch.prev->next = &batch;
		list_init(&loop->tasks);
		while (!list_is_empty(&batch)) {
			struct loop_task *task = container_of(batch.next, struct loop_task, link);
			list_remove(&task->link);
			task->run(task);
		}
	}
	if (list_is_empty(&loop->tasks))
		uv_idle_stop(idle);
}

void loop_task_post(struct loop_task *task)
{
	struct loop *loop = task->loop;
	if (!list_is_empty(&task->link))
		return;
	list_append(&loop->tasks, &task->link);
	uv_idle_start(&loop->tasks_due, loop_run_tasks);
	loop_touch(loop);
}

void loop_task_cancel(struct loop_task *task)
{
	if (task->loop != NULL)
		list_remove(&task->link);
}
