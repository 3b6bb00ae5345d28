/*
 * Any bytes on a connection to the control interface of a server with one domain that runs: each
 * reply is JSON, and when the caller has left, nothing of it is left.
 */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "../unit/control_host.h"
#include "control/server_internal.h"
#include "fuzz.h"

/* What a document of a fuzzer would make on this machine is nobody's business. */
static void define(
	void *user, const char *xml, size_t n, bool start, control_done *done, void *call)
{
	done(call, &(struct control_outcome){.domain = "vm"});
}

static void undefine(void *user, struct served *served, control_done *done, void *call)
{
	done(call, &(struct control_outcome){.domain = "vm"});
}

static void ignore(void *user, const struct domains_result *result)
{
}

/* One for all inputs. */
static struct test_host *host;

static void end_host(void)
{
	host_fini(host);
	free(host);
}

static void begin_host(void)
{
	host = calloc(1, sizeof(*host));
	assert(host != NULL);
	host_init(host);
	host_define(host, "vm");
	host->host.define = define;
	host->host.undefine = undefine;
	atexit(end_host);
}

static void run_domain(void)
{
	struct served *served = domains_find(host->domains, "vm");
	if (served_state(served) == SERVED_STOPPED)
		domains_start(served, ignore, NULL);
}

static void settle(void)
{
	struct pollfd wait = {.fd = loop_fd(host->loop), .events = POLLIN};
	while (poll(&wait, 1, 0) > 0)
		loop_turn(host->loop);
}

static int connect_to_host(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strncpy(address.sun_path, host->socket, sizeof(address.sun_path) - 1);
	assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Until its call is done: a domain that stops ends its log on a thread. */
static void wait_for_end(void)
{
	enum { WAIT_MS = 10000 };
	struct pollfd wait = {.fd = loop_fd(host->loop), .events = POLLIN};
	while (host->server->caller_count > 0) {
		assert(poll(&wait, 1, WAIT_MS) == 1);
		loop_turn(host->loop);
	}
}

/* Up to an upgrade: frames begin with their type. */
static void check_replies(int fd)
{
	enum { ROOM = 1024 * 1024 };
	char *replies = malloc(ROOM + 1);
	assert(replies != NULL);
	ssize_t n = recv(fd, replies, ROOM, MSG_WAITALL | MSG_DONTWAIT);
	replies[n > 0 ? n : 0] = '\0';
	for (char *at = replies; n > 0 && *at == '{';) {
		char *end = memchr(at, '\0', (size_t)(n - (at - replies)));
		if (end == NULL)
			break;
		json_t *reply = json_loads(at, JSON_REJECT_DUPLICATES, NULL);
		assert(json_is_object(reply));
		json_decref(reply);
		at = end + 1;
	}
	free(replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (host == NULL)
		begin_host();
	run_domain();
	settle();
	int fd = connect_to_host();
	/* In two pieces, cut where the input says. */
	size_t cut = size > 0 ? data[size - 1] * size / 256 : 0;
	/* It may have closed by then. */
	send(fd, data, cut, MSG_NOSIGNAL);
	settle();
	send(fd, data + cut, size - cut, MSG_NOSIGNAL);
	settle();
	const struct control_event event = {"trouble", "vm", "serial0", "a test", NULL};
	control_server_tell(host->server, &event);
	settle();
	check_replies(fd);
	close(fd);
	wait_for_end();
	assert(list_is_empty(&host->server->subscriptions));
	return 0;
}
