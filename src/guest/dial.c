/* Waiting for what a VMM makes; see dial.h. inotify(7). */
#include "guest/dial.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

enum { FIRST_DELAY_MS = 20, LAST_DELAY_MS = 1000 };

static void on_changed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct guest_dial *dial = container_of(watch, struct guest_dial, watch);
	const char *slash = strrchr(dial->path, '/');
	const char *base = slash != NULL ? slash + 1 : dial->path;
	if (name != NULL && strcmp(name, base) != 0)
		return;
	if (mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) {
		loop_watch_fini(&dial->watch);
		dial->watching = false;
	}
	dial->delay_ms = FIRST_DELAY_MS;
	loop_task_post(&dial->task);
}

/* Before the attempt, so that nothing can appear unseen between the two. */
static void watch_directory(struct guest_dial *dial)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(dial->path, '/');
	int length = slash != NULL ? (int)(slash - dial->path) : 0;
	if (dial->watching)
		return;
	if (slash == NULL)
		snprintf(directory, sizeof(directory), ".");
	else
		snprintf(directory, sizeof(directory), "%.*s/", length, dial->path);
	dial->watching =
		loop_watch_init(&dial->watch, dial->loop, directory,
			IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF,
			on_changed) == 0;
}

static void stop_waiting(struct guest_dial *dial)
{
	loop_task_cancel(&dial->task);
	loop_timer_stop(&dial->timer);
	if (dial->watching)
		loop_watch_fini(&dial->watch);
	dial->watching = false;
}

/* What no change in the directory announces the end of. */
static bool is_congestion(int failure)
{
	return failure == -EAGAIN || failure == -EMFILE || failure == -ENFILE ||
	       failure == -ENOMEM || failure == -ENOBUFS;
}

static void try_again_later(struct guest_dial *dial, int failure)
{
	bool last = dial->delay_ms >= LAST_DELAY_MS;
	/* What stays dead is replaced in its directory when a VMM starts. */
	bool directory_tells = failure == -ENOENT || (last && !is_congestion(failure));
	if (dial->watching && directory_tells)
		return;
	loop_timer_start(&dial->timer, dial->watching ? dial->delay_ms : LAST_DELAY_MS);
	dial->delay_ms = last ? LAST_DELAY_MS : dial->delay_ms * 2;
}

static void try(struct guest_dial *dial)
{
	if (!dial->active)
		return;
	loop_timer_stop(&dial->timer);
	watch_directory(dial);
	int rc = dial->attempt(dial);
	if (!dial->active)
		return; /* stopped meanwhile */
	if (rc < 0) {
		try_again_later(dial, rc);
		return;
	}
	dial->active = false;
	dial->succeeded_ms = loop_now_ms(dial->loop);
	stop_waiting(dial);
}

static void on_task(struct loop_task *task)
{
	try(container_of(task, struct guest_dial, task));
}

static void on_timer(struct loop_timer *timer)
{
	try(container_of(timer, struct guest_dial, timer));
}

void guest_dial_init(struct guest_dial *dial, struct loop *loop, const char *path,
	int (*attempt)(struct guest_dial *dial))
{
	*dial = (struct guest_dial){
		.loop = loop, .path = path, .attempt = attempt, .delay_ms = FIRST_DELAY_MS};
	loop_task_init(&dial->task, loop, on_task);
	loop_timer_init(&dial->timer, loop, on_timer);
}

void guest_dial_start(struct guest_dial *dial)
{
	if (dial->active)
		return;
	dial->active = true;
	if (dial->succeeded_ms != 0 &&
		loop_now_ms(dial->loop) - dial->succeeded_ms < LAST_DELAY_MS) {
		try_again_later(dial, -EAGAIN);
		return;
	}
	dial->delay_ms = FIRST_DELAY_MS;
	loop_task_post(&dial->task);
}

void guest_dial_stop(struct guest_dial *dial)
{
	dial->active = false;
	dial->succeeded_ms = 0;
	stop_waiting(dial);
}

static void on_timer_closed(struct loop_timer *timer)
{
	struct guest_dial *dial = container_of(timer, struct guest_dial, timer);
	dial->closed(dial);
}

void guest_dial_close(struct guest_dial *dial, void (*closed)(struct guest_dial *dial))
{
	guest_dial_stop(dial);
	dial->closed = closed;
	loop_timer_close(&dial->timer, on_timer_closed);
}
