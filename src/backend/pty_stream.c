/*
 * The master side of a pseudo terminal; see pty_stream.h and pty(7).
 *
 * What a client leaves unread stays in the kernel (4095 bytes in the line discipline and some
 * 18,000 in the buffer before it, which FIONREAD does not count) and would greet the next client.
 * So after the last close we read it back ourselves and tell how much it was.
 */
#include "backend/pty_stream.h"

#include "util/fd.h"
#include "util/pty.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

static int poll_master(int master)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	return poll(&p, 1, 0) < 0 ? 0 : p.revents;
}

static void set_wanted(struct pty_stream *ps)
{
	int wanted = 0;
	switch (ps->presence) {
	case PTY_PRESENT:
		wanted = LOOP_HANGUP | (ps->reading ? LOOP_READABLE : 0) |
			 (ps->want_writable ? LOOP_WRITABLE : 0);
		break;
	case PTY_LEFT: /* its HUP stays up: ask only when the next read makes progress */
		wanted = ps->reading ? LOOP_READABLE | LOOP_HANGUP : 0;
		break;
	case PTY_IGNORED:
		wanted = LOOP_HANGUP;
		break;
	default:
		break;
	}
	loop_poll_want(&ps->poll, wanted);
}

static void set_presence(struct pty_stream *ps, enum pty_presence presence)
{
	ps->presence = presence;
	if (presence == PTY_LEFT)
		pty_make_raw(ps->master); /* the next client starts afresh, and nothing is echoed */
	set_wanted(ps);
}

static void tell_gone(struct pty_stream *ps)
{
	set_presence(ps, PTY_GONE);
	uint64_t unread = pty_take_back_unread(ps->master);
	if (!ps->base.closing)
		ps->base.sink->gone(ps->base.consumer, 0, unread + ps->lost);
}

/*
 * Somebody is there again before all input of those who left was delivered. It is the same peer,
 * unless output was taken for nobody meanwhile: then the next one begins with that, after what the
 * terminal still has, and delivers the input that is left.
 */
static void come_back(struct pty_stream *ps)
{
	bool is_the_same = ps->lost == 0 || ps->base.closing;
	set_presence(ps, is_the_same ? PTY_PRESENT : PTY_GONE);
	if (!is_the_same)
		ps->base.sink->gone(ps->base.consumer, 0, ps->lost);
}

/* Reads once, and finds out when everybody has left. */
static void read_some(struct pty_stream *ps)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int count = ps->base.sink->space(ps->base.consumer, iov);
	if (ps->base.closing)
		return;
	if (count == 0) {
		ps->reading = false;
		set_wanted(ps);
		return;
	}
	ssize_t n = readv(ps->master, iov, count);
	if (n > 0) {
		ps->base.sink->received(ps->base.consumer, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* EIO: everything was read and, unless somebody came back meanwhile, nobody is there. */
	if (ps->presence == PTY_PRESENT)
		set_presence(ps, PTY_LEFT);
	if ((poll_master(ps->master) & POLLHUP) != 0)
		tell_gone(ps);
	else
		come_back(ps);
}

/* What was not read yet stays in the kernel, and `gone` waits for it. */
static void on_hangup_while_paused(struct pty_stream *ps)
{
	int events = poll_master(ps->master);
	if ((events & POLLHUP) == 0)
		return;
	set_presence(ps, PTY_LEFT);
	if ((events & POLLIN) == 0)
		tell_gone(ps);
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct pty_stream *ps = container_of(poll, struct pty_stream, poll);
	if (ps->presence == PTY_IGNORED) {
		if ((poll_master(ps->master) & POLLHUP) != 0) {
			tcflush(ps->master, TCIFLUSH); /* what it typed, too, is nobody's */
			pty_take_back_unread(ps->master);
			set_presence(ps, PTY_ABSENT);
		}
		return;
	}
	if (ps->base.closing)
		return;
	if (ps->reading && (events & (LOOP_READABLE | LOOP_HANGUP)) != 0)
		read_some(ps);
	else if ((events & LOOP_HANGUP) != 0 && ps->presence == PTY_PRESENT)
		on_hangup_while_paused(ps);
	if ((events & LOOP_WRITABLE) != 0 && ps->presence == PTY_PRESENT && ps->want_writable &&
		!ps->base.closing) {
		ps->want_writable = false;
		set_wanted(ps);
		ps->base.sink->writable(ps->base.consumer);
	}
}

static void start_reading(struct stream *stream)
{
	struct pty_stream *ps = container_of(stream, struct pty_stream, base);
	ps->reading = true;
	set_wanted(ps);
}

static void stop_reading(struct stream *stream)
{
	struct pty_stream *ps = container_of(stream, struct pty_stream, base);
	ps->reading = false;
	set_wanted(ps);
}

static ssize_t write_some(struct stream *stream, const struct iovec *iov, int count)
{
	struct pty_stream *ps = container_of(stream, struct pty_stream, base);
	size_t offered = iov_total(iov, count);
	ssize_t n = 0;
	/* Who is waited for until his input is taken must not hold up the guest that takes it. */
	if (ps->presence == PTY_LEFT) {
		ps->lost += offered;
		return (ssize_t)offered;
	}
	if (ps->presence == PTY_PRESENT) {
		n = writev(ps->master, iov, count);
		/* EIO: the last slave has just been closed, which is about to be noticed. */
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	ps->want_writable = (size_t)n < offered;
	set_wanted(ps);
	return n;
}

static int send_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP; /* a pty carries bytes only */
}

static void close_stream(struct stream *stream)
{
	struct pty_stream *ps = container_of(stream, struct pty_stream, base);
	loop_poll_want(&ps->poll, 0);
	loop_task_post(&ps->close_task);
}

static const struct stream_ops ops = {
	.name = "pty",
	.read_start = start_reading,
	.read_stop = stop_reading,
	.write = write_some,
	.signal = send_signal,
	.close = close_stream,
};

static void on_poll_closed(struct loop_poll *poll)
{
	struct pty_stream *ps = container_of(poll, struct pty_stream, poll);
	ps->closed(ps);
}

static void on_close_task(struct loop_task *task)
{
	struct pty_stream *ps = container_of(task, struct pty_stream, close_task);
	ps->base.on_closed(&ps->base);
}

/* The consumer's close is complete. */
static void on_stream_closed(struct stream *stream)
{
	struct pty_stream *ps = container_of(stream, struct pty_stream, base);
	if (ps->closed != NULL) {
		loop_poll_close(&ps->poll, on_poll_closed);
		return;
	}
	bool told = ps->presence == PTY_GONE;
	set_presence(ps, told ? PTY_ABSENT : PTY_IGNORED);
	ps->departed(ps);
}

void pty_stream_look(struct pty_stream *ps)
{
	int events = poll_master(ps->master);
	bool open = (events & POLLHUP) == 0;
	if (ps->presence == PTY_LEFT && open) {
		come_back(ps);
	} else if (ps->presence == PTY_ABSENT && (open || (events & POLLIN) != 0)) {
		ps->presence = open ? PTY_PRESENT : PTY_LEFT;
		ps->reading = false;
		ps->want_writable = false;
		ps->lost = 0;
		stream_init(&ps->base, &ops, on_stream_closed);
		set_wanted(ps);
		ps->arrived(ps);
	} else if (ps->presence == PTY_ABSENT) {
		pty_make_raw(ps->master); /* it came, changed settings (stty) and left */
	}
}

int pty_stream_init(struct pty_stream *ps, struct loop *loop, int master,
	void (*arrived)(struct pty_stream *ps), void (*departed)(struct pty_stream *ps))
{
	*ps = (struct pty_stream){.master = master, .arrived = arrived, .departed = departed};
	/* Until a slave was opened once, the master says nothing of slaves being closed. */
	int slave = pty_open_slave(master);
	if (slave < 0)
		return slave;
	fd_close(slave);
	int r = pty_make_raw(master);
	if (r == 0)
		r = loop_poll_init(&ps->poll, loop, master, on_ready);
	if (r < 0)
		return r;
	loop_task_init(&ps->close_task, loop, on_close_task);
	return 0;
}

void pty_stream_close(struct pty_stream *ps, void (*closed)(struct pty_stream *ps))
{
	ps->closed = closed;
	bool out = ps->presence != PTY_ABSENT && ps->presence != PTY_IGNORED;
	if (out)
		stream_close(&ps->base); /* no change if the consumer did: on_closed is to come */
	else
		loop_poll_close(&ps->poll, on_poll_closed);
}
