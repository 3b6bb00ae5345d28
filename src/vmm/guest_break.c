/* BREAK through QMP, in its place among the bytes; see guest_break.h. */
#include "vmm/guest_break.h"

#include "util/fd.h"
#include "vmm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	BREAK_LOOK_MS = 5,
	BREAK_DRAIN_MS = 1000,
	BREAK_SETTLE_MS = 20,
};

enum phase {
	PHASE_DRAINING, /* the FIFO is not empty */
	PHASE_SETTLING, /* the guest reads its UART */
	PHASE_SENT,     /* QEMU is at it */
};

/* A domain's monitor, while a BREAK of its devices is under way: it serves one client at a time. */
struct monitor {
	struct list link;
	struct guest_breaks *breaks;
	char path[RUNTIME_PATH_SIZE];
	struct qmp *qmp;
	struct list pending;
};

struct pending {
	struct list link;
	struct monitor *monitor;
	struct device *device; /* NULL: forgotten */
	char *chardev_id;
	enum phase phase;
	uint64_t until_ms; /* of the phase */
	int in_fd;         /* the FIFO, while draining; else -1 */
};

struct guest_breaks {
	struct loop *loop;
	struct loop_timer timer; /* runs while one is draining or settling */
	struct list monitors;
	void (*failed)(void *user, const struct device *device, const char *reason);
	void (*closed)(void *user); /* set: it is closing */
	void *user;
	void *closed_user;
	unsigned ending; /* the timer and the monitors that are not closed yet */
};

/* ---- the ends -------------------------------------------------------------------------------- */

static void count_closed(struct guest_breaks *breaks)
{
	if (--breaks->ending > 0 || breaks->closed == NULL)
		return;
	breaks->closed(breaks->closed_user);
	free(breaks);
}

static void free_pending(struct pending *pending)
{
	list_remove(&pending->link);
	fd_close(pending->in_fd);
	free(pending->chardev_id);
	free(pending);
}

static void on_qmp_closed(void *user)
{
	struct monitor *monitor = user;
	struct guest_breaks *breaks = monitor->breaks;
	free(monitor);
	count_closed(breaks);
}

static void close_monitor(struct monitor *monitor)
{
	list_remove(&monitor->link);
	qmp_close(monitor->qmp, on_qmp_closed, monitor);
}

static void finish(struct pending *pending)
{
	struct monitor *monitor = pending->monitor;
	struct device *device = pending->device;
	free_pending(pending);
	if (list_is_empty(&monitor->pending))
		close_monitor(monitor);
	if (device != NULL)
		device_break_done(device);
}

static void fail(struct pending *pending, const char *reason)
{
	struct guest_breaks *breaks = pending->monitor->breaks;
	if (pending->device != NULL)
		breaks->failed(breaks->user, pending->device, reason);
	finish(pending);
}

/* ---- the phases ------------------------------------------------------------------------------ */

static void on_answer(void *user, int status, const char *reason)
{
	struct pending *pending = user;
	if (status < 0)
		fail(pending, reason);
	else
		finish(pending);
}

static void ask_qemu(struct pending *pending)
{
	pending->phase = PHASE_SENT;
	int status = qmp_send_break(pending->monitor->qmp, pending->chardev_id, on_answer, pending);
	if (status < 0)
		fail(pending, error_text(status));
}

static void settle(struct pending *pending)
{
	pending->in_fd = fd_close(pending->in_fd);
	pending->phase = PHASE_SETTLING;
	pending->until_ms = loop_now_ms(pending->monitor->breaks->loop) + BREAK_SETTLE_MS;
}

/* The FIFO's other end of ours: it is looked at, not read. -1: it is not a FIFO. */
static int open_fifo(const struct device *device)
{
	struct device_status status;
	char path[GUEST_PATH_SIZE + 4];
	device_status(device, &status);
	if (status.guest.type != GUEST_PORT_FIFO)
		return -1;
	snprintf(path, sizeof(path), "%s.in", status.guest.path);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static bool is_empty(int fd)
{
	int unread = 0;
	return ioctl(fd, FIONREAD, &unread) < 0 || unread == 0;
}

/* Whether it is to be looked at again. */
static bool look(struct pending *pending, uint64_t now)
{
	if (pending->phase == PHASE_SENT)
		return false;
	if (pending->phase == PHASE_DRAINING &&
		(now >= pending->until_ms || is_empty(pending->in_fd))) {
		settle(pending);
	} else if (pending->phase == PHASE_SETTLING && now >= pending->until_ms) {
		ask_qemu(pending);
		return false;
	}
	return true;
}

static void on_timer(struct loop_timer *timer)
{
	struct guest_breaks *breaks = container_of(timer, struct guest_breaks, timer);
	uint64_t now = loop_now_ms(breaks->loop);
	bool more = false;
	/* What ends is the one that is looked at, and with it at most its own monitor. */
	list_for_each_safe(node, &breaks->monitors) {
		struct monitor *monitor = container_of(node, struct monitor, link);
		list_for_each_safe(inner, &monitor->pending)
			more |= look(container_of(inner, struct pending, link), now);
	}
	if (more)
		loop_timer_start(&breaks->timer, BREAK_LOOK_MS);
}

/* ---- a BREAK --------------------------------------------------------------------------------- */

static struct pending *find_pending(const struct guest_breaks *breaks, const struct device *device)
{
	list_for_each(node, &breaks->monitors) {
		const struct monitor *monitor = container_of(node, struct monitor, link);
		list_for_each(inner, &monitor->pending) {
			struct pending *pending = container_of(inner, struct pending, link);
			if (pending->device == device)
				return pending;
		}
	}
	return NULL;
}

static struct monitor *find_monitor(struct guest_breaks *breaks, const char *path)
{
	list_for_each(node, &breaks->monitors) {
		struct monitor *monitor = container_of(node, struct monitor, link);
		if (strcmp(monitor->path, path) == 0)
			return monitor;
	}
	return NULL;
}

/* NULL: it cannot be had. */
static struct monitor *monitor_of(struct guest_breaks *breaks, const struct runtime *runtime)
{
	char path[RUNTIME_PATH_SIZE];
	if (runtime_path(runtime, "qmp.sock", path, sizeof(path)) < 0)
		return NULL;
	struct monitor *monitor = find_monitor(breaks, path);
	if (monitor != NULL)
		return monitor;
	monitor = calloc(1, sizeof(*monitor));
	if (monitor == NULL || qmp_new(breaks->loop, path, &monitor->qmp) < 0) {
		free(monitor);
		return NULL;
	}
	memcpy(monitor->path, path, sizeof(path));
	monitor->breaks = breaks;
	list_init(&monitor->pending);
	list_append(&breaks->monitors, &monitor->link);
	breaks->ending++;
	return monitor;
}

static struct pending *pending_new(struct device *device, const char *chardev_id)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	if (pending == NULL)
		return NULL;
	pending->chardev_id = strdup(chardev_id);
	if (pending->chardev_id == NULL) {
		free(pending);
		return NULL;
	}
	pending->device = device;
	list_init(&pending->link);
	return pending;
}

bool guest_breaks_send(struct guest_breaks *breaks, const struct runtime *runtime,
	struct device *device, const char *chardev_id)
{
	if (breaks->closed != NULL || chardev_id[0] == '\0' || find_pending(breaks, device) != NULL)
		return false;
	struct pending *pending = pending_new(device, chardev_id);
	struct monitor *monitor = pending != NULL ? monitor_of(breaks, runtime) : NULL;
	if (monitor == NULL) {
		if (pending != NULL)
			free(pending->chardev_id);
		free(pending);
		return false;
	}
	pending->monitor = monitor;
	list_append(&monitor->pending, &pending->link);
	pending->in_fd = open_fifo(device);
	pending->phase = PHASE_DRAINING;
	pending->until_ms = loop_now_ms(breaks->loop) + BREAK_DRAIN_MS;
	if (pending->in_fd < 0)
		settle(pending);
	if (!loop_timer_is_active(&breaks->timer))
		loop_timer_start(&breaks->timer, BREAK_LOOK_MS);
	return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

int guest_breaks_new(struct loop *loop,
	void (*failed)(void *user, const struct device *device, const char *reason), void *user,
	struct guest_breaks **ret)
{
	struct guest_breaks *breaks = calloc(1, sizeof(*breaks));
	if (breaks == NULL)
		return -ENOMEM;
	breaks->loop = loop;
	breaks->failed = failed;
	breaks->user = user;
	breaks->ending = 1;
	list_init(&breaks->monitors);
	loop_timer_init(&breaks->timer, loop, on_timer);
	*ret = breaks;
	return 0;
}

void guest_breaks_forget(struct guest_breaks *breaks, const struct device *device)
{
	struct pending *pending = find_pending(breaks, device);
	if (pending == NULL)
		return;
	pending->device = NULL;
	/* Of a command that QEMU has, the answer frees it. */
	if (pending->phase != PHASE_SENT)
		finish(pending);
}

static void on_timer_closed(struct loop_timer *timer)
{
	count_closed(container_of(timer, struct guest_breaks, timer));
}

void guest_breaks_close(struct guest_breaks *breaks, void (*closed)(void *user), void *user)
{
	breaks->closed = closed;
	breaks->closed_user = user;
	list_for_each_safe(node, &breaks->monitors) {
		struct monitor *monitor = container_of(node, struct monitor, link);
		list_for_each_safe(inner, &monitor->pending)
			free_pending(container_of(inner, struct pending, link));
		close_monitor(monitor);
	}
	loop_timer_close(&breaks->timer, on_timer_closed);
}
