/* A caller's connection; see connection.h. */
#include "control/connection.h"

#include "util/fd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- calls in ------------------------------------------------------------------------------- */

static void take_call(struct connection *connection)
{
	size_t n;
	const char *text = message_buffer_next(&connection->in, &n);
	connection->answering = text != NULL;
	if (text == NULL) {
		message_buffer_trim(&connection->in);
		loop_poll_want(&connection->poll, LOOP_READABLE);
		return;
	}
	loop_poll_want(&connection->poll, 0);
	connection->listener->called(connection, text, n);
	message_buffer_trim(&connection->in);
}

static void fail_to_read(struct connection *connection, int code)
{
	connection->answering = true;
	loop_poll_want(&connection->poll, 0);
	connection->listener->unreadable(connection, code);
}

static void leave(struct connection *connection)
{
	loop_poll_want(&connection->poll, 0);
	connection->listener->left(connection);
}

static void read_more(struct connection *connection)
{
	char *to;
	size_t size;
	int rc = message_buffer_space(
		&connection->in, connection->listener->max(connection), &to, &size);
	if (rc < 0) {
		fail_to_read(connection, rc);
		return;
	}
	ssize_t n = read(connection->fd, to, size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(connection);
		return;
	}
	message_buffer_filled(&connection->in, (size_t)n);
	take_call(connection);
}

/* ---- replies out ---------------------------------------------------------------------------- */

/* Whether everything was taken or nothing ever will be. */
static bool write_out(struct connection *connection)
{
	while (connection->out_done < connection->out_size) {
		struct iovec iov = {connection->out + connection->out_done,
			connection->out_size - connection->out_done};
		const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR) {
			connection->failed = true;
			break;
		}
		if (n > 0)
			connection->out_done += (size_t)n;
	}
	free(connection->out);
	connection->out = NULL;
	return true;
}

/* The reply is out of the house. */
static void go_on(struct connection *connection)
{
	if (connection->failed || connection->next == CONNECTION_NEXT_END)
		leave(connection);
	else if (connection->next == CONNECTION_NEXT_REPLY)
		connection->listener->sent(connection);
	else
		take_call(connection);
}

void connection_send(struct connection *connection, char *text, size_t n, enum connection_next next)
{
	assert(connection->answering && connection->out == NULL);
	connection->out = text;
	connection->out_size = n;
	connection->out_done = 0;
	connection->next = next;
	if (write_out(connection)) {
		loop_poll_want(&connection->poll, 0);
		loop_task_post(&connection->task);
	} else {
		loop_poll_want(&connection->poll, LOOP_WRITABLE);
	}
}

void connection_next(struct connection *connection)
{
	connection->next = CONNECTION_NEXT_CALL;
	loop_poll_want(&connection->poll, 0);
	loop_task_post(&connection->task);
}

void connection_wait(struct connection *connection)
{
	loop_poll_want(&connection->poll, LOOP_GONE);
}

static void on_task(struct loop_task *task)
{
	go_on(container_of(task, struct connection, task));
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct connection *connection = container_of(poll, struct connection, poll);
	if (connection->out != NULL) {
		if (!write_out(connection))
			return;
		loop_poll_want(&connection->poll, 0);
		go_on(connection);
	} else if (connection->answering) {
		leave(connection);
	} else {
		read_more(connection);
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

int connection_init(struct connection *connection, struct loop *loop, int fd,
	const struct connection_listener *listener)
{
	*connection = (struct connection){.listener = listener, .fd = fd};
	loop_task_init(&connection->task, loop, on_task);
	int rc = loop_poll_init(&connection->poll, loop, fd, on_ready);
	if (rc < 0) {
		connection->fd = fd_close(fd);
		return rc;
	}
	/* What cannot be waited for now is told as an error of its descriptor by the loop. */
	loop_poll_want(&connection->poll, LOOP_READABLE);
	return 0;
}

static void on_poll_closed(struct loop_poll *poll)
{
	struct connection *connection = container_of(poll, struct connection, poll);
	message_buffer_fini(&connection->in);
	free(connection->out);
	connection->closed(connection);
}

int connection_give_away(struct connection *connection, const char **ret_rest, size_t *ret_n,
	void (*closed)(struct connection *connection))
{
	int fd = connection->fd;
	assert(connection->out == NULL && !connection->closing);
	*ret_rest = message_buffer_rest(&connection->in, ret_n);
	connection->fd = -1;
	connection_close(connection, closed);
	return fd;
}

void connection_close(struct connection *connection, void (*closed)(struct connection *connection))
{
	if (connection->closing)
		return;
	connection->closing = true;
	connection->closed = closed;
	loop_task_cancel(&connection->task);
	loop_poll_close(&connection->poll, on_poll_closed);
	connection->fd = fd_close(connection->fd);
}
