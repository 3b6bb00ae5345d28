/*
 * The loop itself: making, running, nesting, ending. What runs on it is in the files beside this.
 *
 * Nesting: libuv's epoll descriptor becomes readable for descriptors, but neither for timers nor
 * for what was registered since its last turn. loop_fd() therefore is an epoll of two: libuv's, and
 * a timerfd that is set after every turn to when libuv wants its next one. A loop that runs by
 * itself has neither.
 */
#include "loop/internal.h"

#include "util/fd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

enum { TURN_ROUNDS = 8 }; /* of libuv in one loop_turn() */

static const uint64_t NEVER = UINT64_MAX;

static void on_checked(uv_check_t *counter)
{
	struct loop *loop = counter->data;
	loop->wakeups++;
}

static void on_wake(uv_async_t *wake)
{
	struct loop *loop = wake->data;
	work_pool_deliver(loop->pool);
}

static void on_limit(uv_timer_t *limit)
{
	struct loop *loop = limit->data;
	loop->limit_passed = true;
	uv_stop(&loop->uv);
}

/* None of these handles counts as something left on the loop. */
static int make_handles(struct loop *loop)
{
	int rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (rc < 0)
		return rc;
	uv_check_init(&loop->uv, &loop->counter);
	uv_idle_init(&loop->uv, &loop->tasks_due);
	uv_timer_init(&loop->uv, &loop->limit);
	loop->wake.data = loop->counter.data = loop->tasks_due.data = loop->limit.data = loop;
	uv_check_start(&loop->counter, on_checked);
	uv_unref((uv_handle_t *)&loop->wake);
	uv_unref((uv_handle_t *)&loop->counter);
	uv_unref((uv_handle_t *)&loop->limit);
	return 0;
}

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	if (loop == NULL)
		return -ENOMEM;
	loop->fd = loop->timer_fd = -1;
	loop->armed_for = NEVER;
	list_init(&loop->tasks);
	int rc = uv_loop_init(&loop->uv);
	if (rc < 0) {
		free(loop);
		return rc;
	}
	loop->uv.data = loop;
	loop->pool = work_pool_new(loop);
	rc = loop->pool != NULL ? make_handles(loop) : -ENOMEM;
	if (rc < 0) {
		work_pool_abandon(loop->pool);
		uv_loop_close(&loop->uv);
		free(loop);
		return rc;
	}
	*ret = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (loop == NULL)
		return NULL;
	assert(!loop->running);
	watcher_close(loop->watcher);
	work_pool_abandon(loop->pool);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->counter, NULL);
	uv_close((uv_handle_t *)&loop->tasks_due, NULL);
	uv_close((uv_handle_t *)&loop->limit, NULL);
	loop->running = true;
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	int rc = uv_loop_close(&loop->uv);
	assert(rc == 0); /* else an owner left something open */
	(void)rc;
	fd_close(loop->fd);
	fd_close(loop->timer_fd);
	free(loop);
	return NULL;
}

void loop_hold(struct loop *loop)
{
	if (loop->holds++ == 0)
		uv_ref((uv_handle_t *)&loop->wake);
}

void loop_release(struct loop *loop)
{
	assert(loop->holds > 0);
	if (--loop->holds == 0)
		uv_unref((uv_handle_t *)&loop->wake);
}

static void enter(struct loop *loop)
{
	assert(!loop->running);
	loop->running = true;
	loop_hold(loop);
}

static void leave(struct loop *loop)
{
	loop_release(loop);
	loop->running = false;
}

/* libuv wants its next turn in `timeout` milliseconds; 0: at once; negative: when a fd is ready. */
static void arm(struct loop *loop, int timeout)
{
	uint64_t when = timeout < 0 ? NEVER : uv_now(&loop->uv) + (uint64_t)timeout;
	/*
	 * What has fired must be set again, to fall silent or to fire anew; that may be 1 ms before
	 * its time, because libuv reads the coarse clock.
	 */
	if (when == loop->armed_for && (when == NEVER || timeout > 1))
		return;
	struct itimerspec spec = {0};
	if (timeout > 0) {
		spec.it_value.tv_sec = timeout / 1000;
		spec.it_value.tv_nsec = (long)(timeout % 1000) * 1000000;
	} else if (timeout == 0) {
		spec.it_value.tv_nsec = 1;
	}
	timerfd_settime(loop->timer_fd, 0, &spec, NULL);
	loop->armed_for = when;
}

void loop_touch(struct loop *loop)
{
	if (loop->fd >= 0 && !loop->running)
		arm(loop, 0);
}

static int join_epoll(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int loop_fd(struct loop *loop)
{
	if (loop->fd >= 0)
		return loop->fd;
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer_fd < 0)
		return -errno;
	int fd = epoll_create1(EPOLL_CLOEXEC);
	int rc = fd < 0 ? -errno : join_epoll(fd, timer_fd);
	if (rc == 0)
		rc = join_epoll(fd, uv_backend_fd(&loop->uv));
	if (rc < 0) {
		fd_close(fd);
		fd_close(timer_fd);
		return rc;
	}
	loop->fd = fd;
	loop->timer_fd = timer_fd;
	loop_touch(loop);
	return fd;
}

void loop_run(struct loop *loop)
{
	enter(loop);
	while (!loop->stopped)
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->stopped = false;
	leave(loop);
	loop_touch(loop);
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
	if (loop->running)
		uv_stop(&loop->uv);
}

void loop_drain(struct loop *loop)
{
	assert(!loop->running);
	loop->running = true;
	while (!loop->limit_passed && uv_loop_alive(&loop->uv))
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->stopped = false;
	loop->running = false;
}

int loop_drain_within(struct loop *loop, uint64_t ms)
{
	uv_update_time(&loop->uv);
	loop->limit_passed = false;
	uv_timer_start(&loop->limit, on_limit, ms, 0);
	loop_drain(loop);
	uv_timer_stop(&loop->limit);
	loop->limit_passed = false;
	return uv_loop_alive(&loop->uv) ? -ETIMEDOUT : 0;
}

void loop_turn(struct loop *loop)
{
	if (loop->running)
		return;
	enter(loop);
	int rounds = 0;
	int timeout;
	do {
		uv_run(&loop->uv, UV_RUN_NOWAIT);
		uv_update_time(&loop->uv);
		timeout = uv_backend_timeout(&loop->uv);
	} while (timeout == 0 && ++rounds < TURN_ROUNDS);
	if (loop->fd >= 0)
		arm(loop, timeout);
	leave(loop);
}

uint64_t loop_now_ms(struct loop *loop)
{
	if (!loop->running)
		uv_update_time(&loop->uv);
	return uv_now(&loop->uv);
}

uint64_t loop_wakeups(const struct loop *loop)
{
	return loop->wakeups;
}
