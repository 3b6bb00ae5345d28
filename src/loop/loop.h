/*
 * The event loop: the only wrapper of libuv in this project. Readiness, timers, tasks, signals,
 * name resolution, path watches and blocking work; no bytes move here.
 *
 * One loop belongs to one thread; every call and every callback happens on it, except where a
 * function says otherwise. Objects below are embedded in their owners: x_init ties one to a loop,
 * x_close ends it. Closing is asynchronous where libuv needs it: the memory must stay until
 * `closed` was called, exactly once, on a later turn. After x_close no other callback comes.
 *
 * A loop runs by itself (loop_run) or nested in a foreign one (loop_fd, loop_turn).
 */
#ifndef CHARDEV_LOOP_LOOP_H
#define CHARDEV_LOOP_LOOP_H

#include "util/list.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

/* 0 and the loop, or a negative errno. */
int loop_new(struct loop **ret);

/*
 * Releases the loop. Everything on it must be closed and reported closed before (loop_drain);
 * takes and returns NULL.
 */
struct loop *loop_free(struct loop *loop);

/* Runs until loop_stop(). Must not be called from a callback. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/*
 * Runs, without stopping, until nothing is left on the loop: the end of an orderly shutdown. A job
 * whose disk hangs is left for ever; with a limit it is 0, or -ETIMEDOUT when something was left
 * after `ms` milliseconds. Path watches do not count.
 */
void loop_drain(struct loop *loop);
int loop_drain_within(struct loop *loop, uint64_t ms);

/*
 * A pollable descriptor: readable when loop_turn() has something to do (timers and tasks included).
 * Made by the first call; a negative errno when that fails.
 */
int loop_fd(struct loop *loop);

/*
 * Non-blocking: handles what is ready. Bounded: what becomes ready meanwhile makes loop_fd()
 * readable again. Every public call of the library ends with it; within a callback it does nothing.
 */
void loop_turn(struct loop *loop);

/* Monotonic milliseconds, as of the start of this turn; outside of a turn, now. */
uint64_t loop_now_ms(struct loop *loop);

/* How often the loop has woken up since it was made: what "no wake-ups while idle" counts. */
uint64_t loop_wakeups(const struct loop *loop);

/* ---- readiness ------------------------------------------------------------------------------ */

enum {
	LOOP_READABLE = 1,
	LOOP_WRITABLE = 2,
	/*
	 * The other side is gone or has shut down its direction (HUP, RDHUP or ERR).
	 * Level-triggered: stop asking after it came. Beside unread input a HUP may show as
	 * LOOP_READABLE alone.
	 */
	LOOP_HANGUP = 4,
	/* Both directions are over (HUP or ERR): what is still to come after a half-close. */
	LOOP_GONE = 8,
};

struct loop_poll {
	uv_poll_t uv;
	struct loop *loop;
	int fd; /* borrowed: the owner closes it, after loop_poll_close() */
	int wanted;
	int armed;   /* what libuv was asked for */
	bool urgent; /* urgent data stands in the way of LOOP_GONE */
	void (*ready)(struct loop_poll *poll, int events);
	void (*closed)(struct loop_poll *poll);
};

/*
 * fd must be pollable (not a regular file: -EPERM) and is made non-blocking; one loop_poll per
 * descriptor (-EEXIST). `ready` is called with those of the wanted events that are there; an error
 * condition comes as all wanted events at once, again and again while they are wanted.
 */
int loop_poll_init(struct loop_poll *poll, struct loop *loop, int fd,
	void (*ready)(struct loop_poll *poll, int events));

/* Sets the wanted events; 0 asks for none. Cheap when nothing changes. 0 or a negative errno. */
int loop_poll_want(struct loop_poll *poll, int events);

/* Whether loop_poll_init() would take fd: 0, -EPERM, -EEXIST ... Leaves nothing behind. */
int loop_poll_check(struct loop *loop, int fd);

/* The descriptor may be closed as soon as this returns, and not before. */
void loop_poll_close(struct loop_poll *poll, void (*closed)(struct loop_poll *poll));

/* ---- timers --------------------------------------------------------------------------------- */

struct loop_timer {
	uv_timer_t uv;
	void (*expired)(struct loop_timer *timer);
	void (*closed)(struct loop_timer *timer);
};

void loop_timer_init(
	struct loop_timer *timer, struct loop *loop, void (*expired)(struct loop_timer *timer));
/* Once, after `ms` milliseconds (at least one); replaces an earlier start. */
void loop_timer_start(struct loop_timer *timer, uint64_t ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_active(const struct loop_timer *timer);
void loop_timer_close(struct loop_timer *timer, void (*closed)(struct loop_timer *timer));

/* ---- tasks: do it soon, but not on this stack ------------------------------------------------ */

struct loop_task {
	struct list link;
	struct loop *loop;
	void (*run)(struct loop_task *task);
};

/* A task holds no resource: it needs no asynchronous close, only loop_task_cancel(). */
void loop_task_init(struct loop_task *task, struct loop *loop, void (*run)(struct loop_task *task));
/* Runs once, later in this turn or in the next one; posting a posted task changes nothing. */
void loop_task_post(struct loop_task *task);
void loop_task_cancel(struct loop_task *task);

/* ---- signals -------------------------------------------------------------------------------- */

struct loop_signal {
	uv_signal_t uv;
	void (*received)(struct loop_signal *signal, int number);
	void (*closed)(struct loop_signal *signal);
};

/* 0 or a negative errno (-EINVAL for what cannot be caught). */
int loop_signal_init(struct loop_signal *signal, struct loop *loop, int number,
	void (*received)(struct loop_signal *signal, int number));
void loop_signal_close(struct loop_signal *signal, void (*closed)(struct loop_signal *signal));

/* ---- path watches: one inotify descriptor for the whole loop --------------------------------- */

struct loop_watch {
	struct list link;
	struct loop *loop;
	int descriptor; /* -1 after IN_IGNORED */
	uint32_t mask;
	uint64_t told; /* number of the last event it was told of */
	/* `name` is the entry's name for events of a watched directory, else NULL. */
	void (*changed)(struct loop_watch *watch, uint32_t mask, const char *name);
};

/*
 * Watches `path` for the inotify(7) events in `mask`. Several watches of one inode share one kernel
 * watch; each is told only of events in its own mask. IN_IGNORED (the kernel dropped the watch,
 * which says nothing any more) and IN_Q_OVERFLOW (look again) are always passed on. A second watch
 * of an inode may be told of what happened just before it was made. 0 or a negative errno; -EINVAL
 * for IN_ONESHOT, IN_MASK_ADD and IN_MASK_CREATE, which do not go with sharing.
 */
int loop_watch_init(struct loop_watch *watch, struct loop *loop, const char *path, uint32_t mask,
	void (*changed)(struct loop_watch *watch, uint32_t mask, const char *name));
/* Synchronous; safe within `changed`, also for other watches; a zeroed watch is ignored. */
void loop_watch_fini(struct loop_watch *watch);

/* ---- blocking work on threads ---------------------------------------------------------------- */

/*
 * Jobs run on threads of the loop's own pool, started on demand (at most LOOP_MAX_THREADS) and
 * ended after some idle seconds: a disk that hangs holds its own thread, not the loop, nor the
 * process's exit. When all threads hang, further jobs wait.
 */
enum { LOOP_MAX_THREADS = 64 };

struct loop_job {
	struct list link;
	struct loop *loop;
	void (*work)(
		struct loop_job *job); /* on a thread: touches only what the job owns or borrows */
	void (*done)(struct loop_job *job);     /* on the loop */
	void (*orphaned)(struct loop_job *job); /* set by the loop itself */
};

/*
 * The job's memory must stay until `done`. 0, or a negative errno when no thread could be had.
 * All signals are blocked on the threads. After loop_free() a job that still hung is never done:
 * its memory is lost.
 */
int loop_job_submit(struct loop_job *job, struct loop *loop, void (*work)(struct loop_job *job),
	void (*done)(struct loop_job *job));

/* ---- names to addresses --------------------------------------------------------------------- */

struct resolve_job;

struct loop_resolve {
	struct loop *loop;
	struct resolve_job *job; /* NULL when none runs */
	struct loop_task closed_task;
	void (*resolved)(struct loop_resolve *resolve, int status, const struct addrinfo *list);
	void (*closed)(struct loop_resolve *resolve);
};

/*
 * Resolves off the loop. `resolved` is called once with 0 and a list (freed after the call) or with
 * an EAI_* status for gai_strerror(3). host NULL or "": with AI_PASSIVE in hints the wildcard
 * address, else loopback. 0 or a negative errno. The strings are copied.
 */
int loop_resolve_start(struct loop_resolve *resolve, struct loop *loop, const char *host,
	const char *service, const struct addrinfo *hints,
	void (*resolved)(struct loop_resolve *resolve, int status, const struct addrinfo *list));
/*
 * After this `resolved` is not called; the memory must stay until `closed`, which comes soon even
 * if the name server is silent. After `resolved` the memory is free without it.
 */
void loop_resolve_cancel(
	struct loop_resolve *resolve, void (*closed)(struct loop_resolve *resolve));

#endif
