/*
 * Readiness of descriptors, on uv_poll.
 *
 * What libuv does on Linux, and what is made of it here: an error condition (EPOLLERR) stops the
 * handle and comes as UV_EBADF: passed on as all wanted events, and the handle is started again if
 * the owner still wants any. A HUP alone comes as the wanted events. LOOP_GONE is a handle that
 * asks for urgent data (EPOLLPRI), because the kernel adds HUP and ERR to whatever is asked for;
 * should there really be urgent data, LOOP_GONE is given up for that descriptor.
 */
#include "loop/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

enum { ALL_EVENTS = LOOP_READABLE | LOOP_WRITABLE | LOOP_HANGUP | LOOP_GONE };

_Static_assert((int)LOOP_READABLE == UV_READABLE && (int)LOOP_WRITABLE == UV_WRITABLE &&
		       (int)LOOP_HANGUP == UV_DISCONNECT && (int)LOOP_GONE == UV_PRIORITIZED,
	"events are libuv's own");

static int apply(struct loop_poll *poll);

static bool is_gone(int fd)
{
	struct pollfd now = {.fd = fd};
	return poll(&now, 1, 0) > 0 && (now.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_event(uv_poll_t *uv, int status, int events)
{
	struct loop_poll *poll = uv->data;
	if (status < 0) {
		poll->armed = 0;
		events = ALL_EVENTS;
	} else if ((events & LOOP_GONE) != 0 && !is_gone(poll->fd)) {
		poll->urgent = true;
		events &= ~LOOP_GONE;
	}
	events &= poll->wanted;
	if (events != 0)
		poll->ready(poll, events);
	if (!uv_is_closing((uv_handle_t *)uv))
		apply(poll);
}

/* libuv pays two epoll_ctl(2) for every start, one for a stop. */
static int apply(struct loop_poll *poll)
{
	int events = poll->wanted;
	if (poll->urgent)
		events &= ~LOOP_GONE;
	if (events == poll->armed)
		return 0;
	int rc = events != 0 ? uv_poll_start(&poll->uv, events, on_event) : uv_poll_stop(&poll->uv);
	if (rc == 0)
		poll->armed = events;
	loop_touch(poll->loop);
	return rc;
}

int loop_poll_init(struct loop_poll *poll, struct loop *loop, int fd,
	void (*ready)(struct loop_poll *poll, int events))
{
	*poll = (struct loop_poll){.loop = loop, .fd = fd, .ready = ready};
	int rc = uv_poll_init(&loop->uv, &poll->uv, fd);
	poll->uv.data = poll;
	return rc;
}

int loop_poll_want(struct loop_poll *poll, int events)
{
	poll->wanted = events & ALL_EVENTS;
	return apply(poll);
}

int loop_poll_check(struct loop *loop, int fd)
{
	struct epoll_event event = {0};
	int epoll_fd = uv_backend_fd(&loop->uv);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, &event);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct loop_poll *poll = handle->data;
	if (poll->closed != NULL)
		poll->closed(poll);
}

void loop_poll_close(struct loop_poll *poll, void (*closed)(struct loop_poll *poll))
{
	poll->wanted = 0;
	poll->closed = closed;
	uv_close((uv_handle_t *)&poll->uv, on_closed);
	loop_touch(poll->loop);
}
