/* BREAK through QMP, in its place among the bytes; see run_break.h. */
#include "cli/run_break.h"

#include "cli/terminal.h"
#include "util/fd.h"
#include "vmm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum {
	BREAK_LOOK_MS = 5,
	BREAK_DRAIN_MS = 1000,
	BREAK_SETTLE_MS = 20,
};

enum phase {
	PHASE_NONE,
	PHASE_DRAINING, /* the FIFO is not empty */
	PHASE_SETTLING, /* the guest reads its UART */
	PHASE_SENT,     /* QEMU is at it */
};

struct pending {
	struct breaks *breaks;
	struct device *device;
	const char *chardev_id;
	enum phase phase;
	uint64_t until_ms; /* of the phase */
	int in_fd;         /* the FIFO, while draining; else -1 */
};

struct breaks {
	struct loop *loop;
	struct qmp *qmp;
	struct loop_timer timer; /* runs while one is draining or settling */
	struct pending *pending; /* by device of the active domain */
	size_t count;
	int closes_pending;
};

static void finish(struct pending *pending)
{
	pending->phase = PHASE_NONE;
	device_break_done(pending->device);
}

static void complain(const struct pending *pending, const char *reason)
{
	fprintf(stderr, "chardev: %s: BREAK not sent: %s%s", device_config(pending->device)->alias,
		reason, terminal_newline());
}

static void on_answer(void *user, int status, const char *reason)
{
	struct pending *pending = user;
	if (status < 0)
		complain(pending, reason);
	finish(pending);
}

static void ask_qemu(struct pending *pending)
{
	pending->phase = PHASE_SENT;
	int status = qmp_send_break(pending->breaks->qmp, pending->chardev_id, on_answer, pending);
	if (status == 0)
		return;
	complain(pending, error_text(status));
	finish(pending);
}

static void settle(struct pending *pending)
{
	pending->in_fd = fd_close(pending->in_fd);
	pending->phase = PHASE_SETTLING;
	pending->until_ms = loop_now_ms(pending->breaks->loop) + BREAK_SETTLE_MS;
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

static void look(struct pending *pending)
{
	uint64_t now = loop_now_ms(pending->breaks->loop);
	if (pending->phase == PHASE_DRAINING &&
		(now >= pending->until_ms || is_empty(pending->in_fd)))
		settle(pending);
	else if (pending->phase == PHASE_SETTLING && now >= pending->until_ms)
		ask_qemu(pending);
}

static void on_timer(struct loop_timer *timer)
{
	struct breaks *breaks = container_of(timer, struct breaks, timer);
	bool more = false;
	for (size_t i = 0; i < breaks->count; i++) {
		look(&breaks->pending[i]);
		more |= breaks->pending[i].phase == PHASE_DRAINING ||
			breaks->pending[i].phase == PHASE_SETTLING;
	}
	if (more)
		loop_timer_start(&breaks->timer, BREAK_LOOK_MS);
}

bool breaks_send(struct breaks *breaks, struct device *device)
{
	for (size_t i = 0; i < breaks->count; i++) {
		struct pending *pending = &breaks->pending[i];
		if (pending->device != device)
			continue;
		if (pending->chardev_id[0] == '\0' || pending->phase != PHASE_NONE)
			return false;
		pending->in_fd = open_fifo(device);
		pending->phase = PHASE_DRAINING;
		pending->until_ms = loop_now_ms(breaks->loop) + BREAK_DRAIN_MS;
		if (pending->in_fd < 0)
			settle(pending);
		loop_timer_start(&breaks->timer, BREAK_LOOK_MS);
		return true;
	}
	return false;
}

static const char *chardev_id_of(const struct active_domain *active, const struct device *device,
	const struct strlist *chardev_ids)
{
	const struct domain *domain = active_domain_config(active);
	const struct device_config *config =
		domain_find_device(domain, device_config(device)->alias);
	size_t index = config != NULL ? (size_t)(config - domain->devices) : SIZE_MAX;
	return index < chardev_ids->count ? chardev_ids->items[index] : "";
}

int breaks_new(struct loop *loop, const struct active_domain *active,
	const struct strlist *chardev_ids, struct breaks **ret)
{
	char path[RUNTIME_PATH_SIZE];
	size_t count = active_domain_count(active);
	struct breaks *breaks = calloc(1, sizeof(*breaks));
	int status = breaks != NULL ? 0 : -ENOMEM;
	if (status == 0) {
		breaks->pending = calloc(count + 1, sizeof(*breaks->pending));
		status = breaks->pending != NULL ? 0 : -ENOMEM;
	}
	if (status == 0)
		status =
			runtime_path(active_domain_runtime(active), "qmp.sock", path, sizeof(path));
	if (status == 0)
		status = qmp_new(loop, path, &breaks->qmp);
	if (status < 0) {
		free(breaks != NULL ? breaks->pending : NULL);
		free(breaks);
		return status;
	}
	breaks->loop = loop;
	breaks->count = count;
	for (size_t i = 0; i < count; i++) {
		struct device *device = active_domain_device(active, i);
		breaks->pending[i] = (struct pending){
			.breaks = breaks,
			.device = device,
			.chardev_id = chardev_id_of(active, device, chardev_ids),
			.in_fd = -1,
		};
	}
	loop_timer_init(&breaks->timer, loop, on_timer);
	*ret = breaks;
	return 0;
}

static void count_closed(struct breaks *breaks)
{
	if (--breaks->closes_pending > 0)
		return;
	for (size_t i = 0; i < breaks->count; i++)
		fd_close(breaks->pending[i].in_fd);
	free(breaks->pending);
	free(breaks);
}

static void on_qmp_closed(void *user)
{
	count_closed(user);
}

static void on_timer_closed(struct loop_timer *timer)
{
	count_closed(container_of(timer, struct breaks, timer));
}

void breaks_close(struct breaks *breaks)
{
	breaks->closes_pending = 2;
	qmp_close(breaks->qmp, on_qmp_closed, breaks);
	loop_timer_close(&breaks->timer, on_timer_closed);
}
