/*
 * Blocking work on threads of our own.
 *
 * Not libuv's pool: that has four threads for everything, which four hung disks stop, and its
 * destructor waits for them when the process exits. Here threads are detached, started when a job
 * finds none idle, and end by themselves after a while without work. The pool is counted: a thread
 * that hangs past loop_free() releases it whenever it ends.
 */
#include "loop/internal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	IDLE_SECONDS = 10,
	STACK_SIZE = 1024 * 1024,
};

struct work_pool {
	pthread_mutex_t mutex; /* guards all of this */
	pthread_cond_t changed;
	pthread_cond_t job_there;
	struct loop *loop; /* NULL once it is gone */
	struct list waiting;
	struct list finished;
	int waiting_count;
	int threads;
	int idle;
	int users; /* the threads, and the loop */
};

struct work_pool *work_pool_new(struct loop *loop)
{
	struct work_pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return NULL;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pthread_cond_init(&pool->job_there, NULL);
	pool->loop = loop;
	pool->users = 1;
	list_init(&pool->waiting);
	list_init(&pool->finished);
	return pool;
}

/* With the mutex held, which it releases. */
static void leave_pool(struct work_pool *pool)
{
	bool last = --pool->users == 0;
	pthread_mutex_unlock(&pool->mutex);
	if (!last)
		return;
	pthread_cond_destroy(&pool->job_there);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

static struct loop_job *take(struct list *jobs)
{
	struct loop_job *job = container_of(jobs->next, struct loop_job, link);
	list_remove(&job->link);
	return job;
}

/* Waits for a job; NULL: end. */
static struct loop_job *next_job(struct work_pool *pool)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	int rc = 0;
	pool->idle++;
	while (list_is_empty(&pool->waiting) && pool->loop != NULL && rc == 0)
		rc = pthread_cond_clockwait(
			&pool->job_there, &pool->mutex, CLOCK_MONOTONIC, &until);
	pool->idle--;
	if (list_is_empty(&pool->waiting))
		return NULL;
	pool->waiting_count--;
	return take(&pool->waiting);
}

static void *run_jobs(void *argument)
{
	struct work_pool *pool = argument;
	struct loop_job *job;
	pthread_mutex_lock(&pool->mutex);
	while ((job = next_job(pool)) != NULL) {
		pthread_mutex_unlock(&pool->mutex);
		job->work(job);
		pthread_mutex_lock(&pool->mutex);
		if (pool->loop != NULL) {
			bool first = list_is_empty(&pool->finished);
			list_append(&pool->finished, &job->link);
			if (first)
				uv_async_send(&pool->loop->wake);
		} else if (job->orphaned != NULL) {
			job->orphaned(job);
		}
	}
	pool->threads--;
	pthread_cond_broadcast(&pool->changed);
	leave_pool(pool);
	return NULL;
}

/* Signals belong to the process's own threads. */
static int start_thread(struct work_pool *pool)
{
	pthread_attr_t attributes;
	int rc = pthread_attr_init(&attributes);
	if (rc != 0)
		return -rc;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_t thread;
	rc = pthread_create(&thread, &attributes, run_jobs, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (rc == 0) {
		pool->threads++;
		pool->users++;
	}
	return -rc;
}

int work_pool_submit(struct work_pool *pool, struct loop_job *job)
{
	int rc = 0;
	pthread_mutex_lock(&pool->mutex);
	list_append(&pool->waiting, &job->link);
	pool->waiting_count++;
	if (pool->waiting_count <= pool->idle)
		pthread_cond_signal(&pool->job_there);
	else if (pool->threads < LOOP_MAX_THREADS)
		rc = start_thread(pool);
	if (rc < 0 && pool->threads > 0) {
		rc = 0; /* one of those will take it */
	} else if (rc < 0) {
		list_remove(&job->link);
		pool->waiting_count--;
	}
	pthread_mutex_unlock(&pool->mutex);
	return rc;
}

int loop_job_submit(struct loop_job *job, struct loop *loop, void (*work)(struct loop_job *job),
	void (*done)(struct loop_job *job))
{
	*job = (struct loop_job){.loop = loop, .work = work, .done = done};
	int rc = work_pool_submit(loop->pool, job);
	if (rc == 0)
		loop_hold(loop);
	return rc;
}

void work_pool_deliver(struct work_pool *pool)
{
	struct list batch;
	list_init(&batch);
	pthread_mutex_lock(&pool->mutex);
	while (!list_is_empty(&pool->finished))
		list_append(&batch, &take(&pool->finished)->link);
	pthread_mutex_unlock(&pool->mutex);
	while (!list_is_empty(&batch)) {
		struct loop_job *job = take(&batch);
		if (job->orphaned == NULL)
			loop_release(job->loop);
		job->done(job);
	}
}

static void orphan(struct list *jobs)
{
	while (!list_is_empty(jobs)) {
		struct loop_job *job = take(jobs);
		if (job->orphaned != NULL)
			job->orphaned(job);
	}
}

void work_pool_abandon(struct work_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	orphan(&pool->waiting);
	orphan(&pool->finished);
	pool->waiting_count = 0;
	pool->loop = NULL;
	/* Idle threads end at once; only those that work are left to themselves. */
	pthread_cond_broadcast(&pool->job_there);
	while (pool->idle > 0)
		pthread_cond_wait(&pool->changed, &pool->mutex);
	leave_pool(pool);
}
