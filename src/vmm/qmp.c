/* A client of QEMU's monitor protocol; see qmp.h. JSON is jansson's business. */
#include "vmm/qmp.h"

#include "util/error.h"
#include "util/fd.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { REASON_SIZE = 256, CAPABILITIES_ID = 0 };

/* Its own memory, because a poll is closed later than it is given up. */
struct connection {
	struct loop_poll poll;
	struct qmp *qmp;
	int fd;
	bool greeted;
	bool ready; /* capabilities were negotiated */
	size_t filled;
	char line[QMP_MAX_LINE];
};

struct call {
	const char *chardev_id;
	void (*done)(void *user, int status, const char *reason);
	void *user;
};

struct qmp {
	struct loop *loop;
	struct loop_task task; /* starts what is due; at the end: reports the close */
	struct loop_timer deadline;
	struct connection *connection; /* NULL: not connected */
	char *path;
	struct call calls[QMP_MAX_CALLS]; /* the first is under way when there is a connection */
	unsigned call_count;
	json_int_t id; /* of the command under way */
	bool sent;     /* the first call's command is */
	int closing;   /* objects being closed that refer to this */
	void (*closed)(void *user);
	void *closed_user;
};

/* One of the embedded or referring objects is closed; the last one, after qmp_close(), ends it. */
static void count_closed(struct qmp *qmp)
{
	if (--qmp->closing == 0 && qmp->closed != NULL)
		loop_task_post(&qmp->task);
}

/* ---- the connection -------------------------------------------------------------------------- */

static void on_poll_closed(struct loop_poll *poll)
{
	struct connection *connection = container_of(poll, struct connection, poll);
	struct qmp *qmp = connection->qmp;
	free(connection);
	count_closed(qmp);
}

static void hang_up(struct qmp *qmp)
{
	struct connection *connection = qmp->connection;
	if (connection == NULL)
		return;
	qmp->connection = NULL;
	qmp->closing++;
	loop_poll_close(&connection->poll, on_poll_closed);
	connection->fd = fd_close(connection->fd);
}

/* The first call is over. The next one has the whole deadline for itself. */
static void answer(struct qmp *qmp, int status, const char *reason)
{
	struct call call = qmp->calls[0];
	qmp->call_count--;
	memmove(qmp->calls, qmp->calls + 1, qmp->call_count * sizeof(qmp->calls[0]));
	qmp->sent = false;
	loop_timer_stop(&qmp->deadline);
	if (status < 0 || qmp->call_count == 0)
		hang_up(qmp);
	if (qmp->call_count > 0)
		loop_task_post(&qmp->task);
	call.done(call.user, status, reason);
}

static void fail(struct qmp *qmp, int status, const char *what)
{
	char reason[REASON_SIZE];
	snprintf(reason, sizeof(reason), "%s %s: %s", what, qmp->path, error_text(status));
	answer(qmp, status, reason);
}

/* What we say is small and QEMU's socket is empty: a short write is a QEMU that does not listen. */
static int send_command(struct qmp *qmp, json_t *command)
{
	char *text = command != NULL ? json_dumps(command, JSON_COMPACT) : NULL;
	json_decref(command);
	if (text == NULL)
		return -ENOMEM;
	size_t n = strlen(text);
	text[n] = '\n'; /* where its NUL was */
	ssize_t sent = send(qmp->connection->fd, text, n + 1, MSG_NOSIGNAL);
	int status = sent < 0 ? -errno : (size_t)sent < n + 1 ? -EIO : 0;
	free(text);
	return status;
}

static void send_call(struct qmp *qmp)
{
	int status = send_command(
		qmp, json_pack("{s:s, s:{s:s}, s:I}", "execute", "chardev-send-break", "arguments",
			     "id", qmp->calls[0].chardev_id, "id", ++qmp->id));
	qmp->sent = true;
	if (status < 0)
		fail(qmp, status, "cannot write to");
}

/* ---- what QEMU says -------------------------------------------------------------------------- */

/* Whether a message is the answer to the command of that id. */
static bool answers(json_t *message, json_int_t id)
{
	json_t *value = json_object_get(message, "id");
	return json_is_integer(value) && json_integer_value(value) == id;
}

static int status_of(json_t *message, char reason[REASON_SIZE])
{
	json_t *error = json_object_get(message, "error");
	if (error == NULL)
		return 0;
	const char *text = json_string_value(json_object_get(error, "desc"));
	snprintf(reason, REASON_SIZE, "QEMU says: %.200s", text != NULL ? text : "an error");
	return -EPROTO;
}

/* Events, answers to others and what is not even JSON are passed over: the deadline judges. */
static void handle_message(struct qmp *qmp, json_t *message)
{
	struct connection *connection = qmp->connection;
	char reason[REASON_SIZE] = "";
	if (!connection->greeted) {
		if (json_object_get(message, "QMP") == NULL)
			return;
		connection->greeted = true;
		int status =
			send_command(qmp, json_pack("{s:s, s:I}", "execute", "qmp_capabilities",
						  "id", (json_int_t)CAPABILITIES_ID));
		if (status < 0)
			fail(qmp, status, "cannot write to");
	} else if (!connection->ready) {
		if (!answers(message, CAPABILITIES_ID))
			return;
		int status = status_of(message, reason);
		connection->ready = status == 0;
		if (status < 0)
			answer(qmp, status, reason);
		else
			send_call(qmp);
	} else if (qmp->sent && answers(message, qmp->id)) {
		int status = status_of(message, reason);
		answer(qmp, status, status < 0 ? reason : NULL);
	}
}

static void handle_line(struct qmp *qmp, const char *line, size_t n)
{
	json_t *message = json_loadb(line, n, 0, NULL);
	if (json_is_object(message))
		handle_message(qmp, message);
	json_decref(message);
}

/* Every whole line in the buffer; stops when one of them ended the connection. */
static void handle_lines(struct qmp *qmp)
{
	struct connection *connection = qmp->connection;
	size_t start = 0;
	while (qmp->connection == connection) {
		char *from = connection->line + start;
		char *end = memchr(from, '\n', connection->filled - start);
		if (end == NULL)
			break;
		handle_line(qmp, from, (size_t)(end - from));
		start = (size_t)(end - connection->line) + 1;
	}
	if (qmp->connection != connection)
		return;
	connection->filled -= start;
	memmove(connection->line, connection->line + start, connection->filled);
	if (connection->filled == sizeof(connection->line))
		fail(qmp, -EMSGSIZE, "cannot read from");
}

static void on_ready(struct loop_poll *poll, int events)
{
	struct connection *connection = container_of(poll, struct connection, poll);
	struct qmp *qmp = connection->qmp;
	ssize_t n = recv(connection->fd, connection->line + connection->filled,
		sizeof(connection->line) - connection->filled, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(qmp, n < 0 ? -errno : -ECONNRESET, "cannot read from");
		return;
	}
	connection->filled += (size_t)n;
	handle_lines(qmp);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int status = -errno;
	fd_close(fd);
	return status;
}

static int call_up(struct qmp *qmp)
{
	int fd = open_socket(qmp->path);
	if (fd < 0)
		return fd;
	struct connection *connection = malloc(sizeof(*connection));
	int status = connection != NULL ? 0 : -ENOMEM;
	if (status == 0)
		status = loop_poll_init(&connection->poll, qmp->loop, fd, on_ready);
	if (status < 0) {
		free(connection);
		fd_close(fd);
		return status;
	}
	connection->qmp = qmp;
	connection->fd = fd;
	connection->greeted = false;
	connection->ready = false;
	connection->filled = 0;
	qmp->connection = connection;
	status = loop_poll_want(&connection->poll, LOOP_READABLE);
	if (status < 0)
		hang_up(qmp);
	return status;
}

static void on_task(struct loop_task *task)
{
	struct qmp *qmp = container_of(task, struct qmp, task);
	if (qmp->closed != NULL) {
		void (*closed)(void *user) = qmp->closed;
		void *user = qmp->closed_user;
		free(qmp->path);
		free(qmp);
		closed(user);
		return;
	}
	if (qmp->call_count == 0 || loop_timer_is_active(&qmp->deadline))
		return;
	loop_timer_start(&qmp->deadline, QMP_DEADLINE_MS);
	int status = qmp->connection == NULL ? call_up(qmp) : 0;
	if (status < 0)
		fail(qmp, status, "cannot connect to");
	else if (qmp->connection->ready)
		send_call(qmp);
}

static void on_deadline(struct loop_timer *timer)
{
	fail(container_of(timer, struct qmp, deadline), -ETIMEDOUT, "no answer on");
}

int qmp_send_break(struct qmp *qmp, const char *chardev_id,
	void (*done)(void *user, int status, const char *reason), void *user)
{
	if (qmp->call_count == QMP_MAX_CALLS)
		return -EBUSY;
	qmp->calls[qmp->call_count++] = (struct call){chardev_id, done, user};
	loop_task_post(&qmp->task);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int qmp_new(struct loop *loop, const char *path, struct qmp **ret)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	if (qmp == NULL)
		return -ENOMEM;
	qmp->path = strdup(path);
	if (qmp->path == NULL) {
		free(qmp);
		return -ENOMEM;
	}
	qmp->loop = loop;
	loop_task_init(&qmp->task, loop, on_task);
	loop_timer_init(&qmp->deadline, loop, on_deadline);
	*ret = qmp;
	return 0;
}

static void on_timer_closed(struct loop_timer *timer)
{
	count_closed(container_of(timer, struct qmp, deadline));
}

void qmp_close(struct qmp *qmp, void (*closed)(void *user), void *user)
{
	qmp->closed = closed;
	qmp->closed_user = user;
	qmp->call_count = 0;
	loop_task_cancel(&qmp->task);
	hang_up(qmp);
	qmp->closing++;
	loop_timer_close(&qmp->deadline, on_timer_closed);
}
