/* What the files of loop/ share; nobody else includes it. */
#ifndef CHARDEV_LOOP_INTERNAL_H
#define CHARDEV_LOOP_INTERNAL_H

#include "loop/loop.h"

struct watcher;
struct work_pool;

struct loop {
	uv_loop_t uv;
	uv_check_t counter;  /* counts wake-ups */
	uv_idle_t tasks_due; /* active while tasks are posted: the loop does not sleep then */
	uv_async_t wake;     /* a thread has finished a job; and what `holds` keeps alive */
	uv_timer_t limit;    /* of loop_drain_within() */
	int holds;           /* reasons not to end: a run, jobs under way */
	bool running;        /* libuv may not be entered again */
	bool stopped;
	bool limit_passed;
	uint64_t wakeups;
	struct list tasks;
	struct watcher *watcher; /* made by the first path watch */
	struct work_pool *pool;
	/* Nested in a foreign loop: */
	int fd;             /* an epoll of libuv's own and timer_fd; -1 while nobody asked */
	int timer_fd;       /* libuv's own descriptor does not wake for timers */
	uint64_t armed_for; /* when timer_fd fires, on libuv's clock */
};

/* Keeps the loop alive, and lets go of it. */
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);

/*
 * To be called by whatever gives the loop something to do from outside of a turn: libuv's
 * descriptor shows registrations and timers only after a turn.
 */
void loop_touch(struct loop *loop);

/* task.c */
void loop_run_tasks(uv_idle_t *idle);

/* watch.c */
void watcher_close(struct watcher *watcher);

/* work.c */
struct work_pool *work_pool_new(struct loop *loop);
/* Tells the threads that nobody waits for them any more. Hung ones free the pool when they end. */
void work_pool_abandon(struct work_pool *pool);
void work_pool_deliver(struct work_pool *pool);
/*
 * With `orphaned` the job does not hold the loop, and is given to `orphaned`, on any thread,
 * instead of `done` if the loop goes away before.
 */
int work_pool_submit(struct work_pool *pool, struct loop_job *job);

#endif
