/* A caller of the control interface, for tests: turns the host's loop itself. */
#ifndef CHARDEV_TEST_CONTROL_CLIENT_H
#define CHARDEV_TEST_CONTROL_CLIENT_H

#include "control_host.h"
#include "test.h"

#include "util/fd.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CALLER_WAIT_MS = 20000 };

struct test_caller {
	struct test_host *host;
	int fd;
	char *in; /* what came and was not looked at yet */
	size_t size, capacity;
	bool ended; /* the server hung up */
};

/* Root may do all: the tests are somebody else, whose group the rules are made for. */
static inline void become_nobody(void)
{
	enum { NOBODY = 65534 };
	if (getuid() != 0)
		return;
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setgid(NOBODY), 0);
	assert_int_equal(setuid(NOBODY), 0);
	prctl(PR_SET_DUMPABLE, 1); /* for the leak checker */
}

/* From now on this process has `role` on the domain (NULL: on all). */
static inline void set_role(struct test_host *host, enum role role, const char *domain)
{
	access_fini(&host->access);
	host->access.owner = 0;
	assert_int_equal(access_allow(&host->access, role, getgid(), domain), 0);
}

static inline void set_owner(struct test_host *host)
{
	access_fini(&host->access);
	host->access.owner = getuid();
}

static inline void turn(struct test_host *host)
{
	struct pollfd wait = {.fd = loop_fd(host->loop), .events = POLLIN};
	assert_int_equal(poll(&wait, 1, CALLER_WAIT_MS), 1);
	loop_turn(host->loop);
}

/* Turns until nothing is left to do right now. */
static inline void settle(struct test_host *host)
{
	struct pollfd wait = {.fd = loop_fd(host->loop), .events = POLLIN};
	while (poll(&wait, 1, 0) > 0)
		loop_turn(host->loop);
}

static inline void caller_init(struct test_caller *caller, struct test_host *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*caller = (struct test_caller){.host = host};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", host->socket);
	caller->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(caller->fd >= 0);
	while (connect(caller->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		assert_int_equal(errno, EAGAIN);
		turn(host);
	}
}

static inline void caller_fini(struct test_caller *caller)
{
	caller->fd = fd_close(caller->fd);
	free(caller->in);
	caller->in = NULL;
}

/* Sends n bytes; false: the server has hung up. */
static inline bool caller_send_bytes(struct test_caller *caller, const void *bytes, size_t n)
{
	const char *at = bytes;
	while (n > 0) {
		ssize_t sent = send(caller->fd, at, n, MSG_NOSIGNAL);
		if (sent > 0) {
			at += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN) {
			turn(caller->host);
		} else {
			return false;
		}
	}
	return true;
}

/* `rest` follows the method: "" or more members, with a comma before them. */
static inline void caller_send(struct test_caller *caller, const char *method, const char *rest)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "{\"method\":\"%s\"%s}", method, rest);
	assert_in_range(n, 1, sizeof(text) - 1);
	assert_true(caller_send_bytes(caller, text, (size_t)n + 1));
}

static inline void caller_read(struct test_caller *caller)
{
	if (caller->capacity - caller->size < 65536) {
		caller->capacity = 2 * caller->capacity + 65536;
		caller->in = realloc(caller->in, caller->capacity);
		assert_non_null(caller->in);
	}
	ssize_t n = recv(caller->fd, caller->in + caller->size, 65536, 0);
	if (n > 0)
		caller->size += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		caller->ended = true;
}

/* The next message that is here already; NULL: there is none. */
static inline json_t *caller_take(struct test_caller *caller)
{
	caller_read(caller);
	char *end = caller->size > 0 ? memchr(caller->in, '\0', caller->size) : NULL;
	if (end == NULL)
		return NULL;
	size_t n = (size_t)(end - caller->in) + 1;
	json_t *message = json_loads(caller->in, 0, NULL);
	assert_non_null(message);
	caller->size -= n;
	memmove(caller->in, caller->in + n, caller->size);
	return message;
}

/* Waits for the next message; NULL: the server hung up. */
static inline json_t *caller_receive(struct test_caller *caller)
{
	json_t *message;
	while ((message = caller_take(caller)) == NULL && !caller->ended)
		turn(caller->host);
	return message;
}

static inline json_t *caller_ask(struct test_caller *caller, const char *method, const char *rest)
{
	caller_send(caller, method, rest);
	json_t *reply = caller_receive(caller);
	assert_non_null(reply);
	return reply;
}

/* One call on a connection of its own. */
static inline json_t *ask(struct test_host *host, const char *method, const char *rest)
{
	struct test_caller caller;
	caller_init(&caller, host);
	json_t *reply = caller_ask(&caller, method, rest);
	caller_fini(&caller);
	return reply;
}

static inline const char *error_of(json_t *reply)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	return error != NULL ? error : "";
}

static inline json_t *parameter_of(json_t *reply, const char *name)
{
	return json_object_get(json_object_get(reply, "parameters"), name);
}

/* Whether the reply is this error ("": none); ends it. */
#define assert_error(reply, name)                              \
	do {                                                   \
		json_t *reply_ = (reply);                      \
		assert_string_equal(error_of(reply_), (name)); \
		json_decref(reply_);                           \
	} while (0)

#endif
