/* vmm/qmp.c against a server that answers as QEMU does, or as nobody should. */
#include "test.h"

#include "util/fd.h"
#include "vmm/qmp.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING     "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define CAPABLE      "{\"return\": {}, \"id\": 0}\r\n"
#define CAPABILITIES "{\"execute\":\"qmp_capabilities\",\"id\":0}"

/* What the server does on one connection: says `say` (NULL: nothing), then expects `hear`. */
struct step {
	const char *say;
	const char
		*hear; /* a line, without its end; NULL: nothing; "" : that the client hangs up */
};

struct server {
	char path[64];
	int listener;
	const struct step *steps;
	unsigned connections; /* how often to serve the steps */
	char wrong[256];      /* the first line that was not expected */
	pthread_t thread;
};

struct client {
	struct loop *loop;
	struct qmp *qmp;
	unsigned awaited;
	int statuses[QMP_MAX_CALLS + 1];
	char reason[256];
	unsigned answers;
	bool closed;
};

static void hear(struct server *server, FILE *stream, const char *expected)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n = getline(&line, &size, stream);
	const char *got = n < 0 ? "" : line;
	if (n > 0)
		line[n - 1] = '\0';
	if (strcmp(got, expected) != 0 && server->wrong[0] == '\0')
		snprintf(server->wrong, sizeof(server->wrong), "got \"%s\" for \"%s\"", got,
			expected);
	free(line);
}

static void *serve(void *user)
{
	struct server *server = user;
	for (unsigned i = 0; i < server->connections; i++) {
		int fd = accept(server->listener, NULL, NULL);
		FILE *stream = fdopen(dup(fd), "r");
		for (const struct step *step = server->steps;
			step->say != NULL || step->hear != NULL; step++) {
			if (step->say != NULL)
				fd_write_all(fd, step->say, strlen(step->say));
			if (step->hear != NULL)
				hear(server, stream, step->hear);
		}
		fclose(stream);
		close(fd);
	}
	return NULL;
}

static void start(struct server *server, const struct step *steps, unsigned connections)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*server = (struct server){.steps = steps, .connections = connections};
	snprintf(server->path, sizeof(server->path), "/tmp/test_qmp.%d.sock", (int)getpid());
	strcpy(address.sun_path, server->path);
	unlink(server->path);
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 4), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void finish(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->listener);
	unlink(server->path);
	assert_string_equal(server->wrong, "");
}

static void on_done(void *user, int status, const char *reason)
{
	struct client *client = user;
	client->statuses[client->answers++] = status;
	snprintf(client->reason, sizeof(client->reason), "%s", reason != NULL ? reason : "");
	if (client->answers == client->awaited)
		loop_stop(client->loop);
}

static void open_client(struct client *client, const char *path)
{
	*client = (struct client){0};
	assert_int_equal(loop_new(&client->loop), 0);
	assert_int_equal(qmp_new(client->loop, path, &client->qmp), 0);
}

static void send_and_wait(struct client *client, unsigned n)
{
	client->answers = 0;
	client->awaited = n;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(qmp_send_break(client->qmp, i == 0 ? "charserial0" : "charx",
					 on_done, client),
			0);
	assert_int_equal(client->answers, 0); /* never on this stack */
	loop_run(client->loop);
	assert_int_equal(client->answers, n);
}

static void on_closed(void *user)
{
	*(bool *)user = true;
}

static void close_client(struct client *client)
{
	qmp_close(client->qmp, on_closed, &client->closed);
	assert_false(client->closed);
	loop_drain(client->loop);
	assert_true(client->closed);
	loop_free(client->loop);
}

#define BREAK(id, number) \
	"{\"execute\":\"chardev-send-break\",\"arguments\":{\"id\":\"" id "\"},\"id\":" #number "}"

static void a_break_is_sent_and_the_line_hung_up(void **state)
{
	static const struct step steps[] = {
		{GREETING, CAPABILITIES},
		{CAPABLE, BREAK("charserial0", 1)},
		{"{\"return\": {}, \"id\": 1}\r\n", ""},
		{NULL, NULL},
	};
	struct server server;
	struct client client;
	start(&server, steps, 1);
	open_client(&client, server.path);
	send_and_wait(&client, 1);
	assert_int_equal(client.statuses[0], 0);
	finish(&server); /* it heard the end while the client was still open */
	close_client(&client);
}

static void commands_go_one_by_one_on_one_connection(void **state)
{
	static const struct step steps[] = {
		{GREETING, CAPABILITIES},
		{CAPABLE, BREAK("charserial0", 1)},
		{"{\"return\": {}, \"id\": 1}\r\n", BREAK("charx", 2)},
		{"{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no "
		 "charx\"}}\r\n",
			""},
		{NULL, NULL},
	};
	struct server server;
	struct client client;
	start(&server, steps, 1);
	open_client(&client, server.path);
	send_and_wait(&client, 2);
	assert_int_equal(client.statuses[0], 0);
	assert_int_equal(client.statuses[1], -EPROTO);
	assert_string_equal(client.reason, "QEMU says: no charx");
	finish(&server);
	close_client(&client);
}

static void noise_between_is_passed_over(void **state)
{
	static const struct step steps[] = {
		{"\r\nnot json\r\n[1]\r\n{\"return\": {}, \"id\": 0}\n{\"QMP", NULL},
		{"\": {}}\r\n{\"event\": \"RESUME\"}\r\n", CAPABILITIES},
		{"{\"return\": {}}\r\n{\"return\": {}, \"id\": \"0\"}\r\n\xff\xfe\r\n", NULL},
		{CAPABLE, BREAK("charserial0", 1)},
		{"{\"event\": \"STOP\", \"id\": 7}\r\n{\"return\": {}, \"id\": 0}\r\n", NULL},
		{"{\"return\": {}, \"id\": 1}\r\n{\"event\": \"RESUME\"}\r\n", ""},
		{NULL, NULL},
	};
	struct server server;
	struct client client;
	start(&server, steps, 1);
	open_client(&client, server.path);
	send_and_wait(&client, 1);
	assert_int_equal(client.statuses[0], 0);
	finish(&server);
	close_client(&client);
}

static void a_line_without_end_is_refused(void **state)
{
	char *endless = malloc(QMP_MAX_LINE + 1);
	memset(endless, '[', QMP_MAX_LINE);
	endless[QMP_MAX_LINE] = '\0';
	const struct step steps[] = {{endless, NULL}, {NULL, ""}, {NULL, NULL}};
	struct server server;
	struct client client;
	start(&server, steps, 1);
	open_client(&client, server.path);
	send_and_wait(&client, 1);
	assert_int_equal(client.statuses[0], -EMSGSIZE);
	finish(&server);
	close_client(&client);
	free(endless);
}

static void the_next_break_finds_the_next_qemu(void **state)
{
	static const struct step dies[] = {{GREETING, CAPABILITIES}, {NULL, NULL}};
	static const struct step lives[] = {
		{GREETING, CAPABILITIES},
		{CAPABLE, BREAK("charserial0", 1)},
		{"{\"return\": {}, \"id\": 1}\r\n", ""},
		{NULL, NULL},
	};
	struct server server;
	struct client client;
	start(&server, dies, 1);
	open_client(&client, server.path);
	send_and_wait(&client, 1);
	assert_int_equal(client.statuses[0], -ECONNRESET);
	finish(&server);
	send_and_wait(&client, 2); /* each of them learns it */
	assert_int_equal(client.statuses[0], -ENOENT);
	assert_int_equal(client.statuses[1], -ENOENT);
	assert_non_null(strstr(client.reason, server.path));
	start(&server, lives, 1);
	send_and_wait(&client, 1);
	assert_int_equal(client.statuses[0], 0);
	finish(&server);
	close_client(&client);
}

static void too_many_calls_are_refused(void **state)
{
	struct client client;
	open_client(&client, "/nowhere/qmp.sock");
	for (unsigned i = 0; i < QMP_MAX_CALLS; i++)
		assert_int_equal(qmp_send_break(client.qmp, "x", on_done, &client), 0);
	assert_int_equal(qmp_send_break(client.qmp, "x", on_done, &client), -EBUSY);
	close_client(&client); /* and none of them is answered */
	assert_int_equal(client.answers, 0);
}

static void on_done_close(void *user, int status, const char *reason)
{
	struct client *client = user;
	client->statuses[client->answers++] = status;
	qmp_close(client->qmp, on_closed, &client->closed);
	loop_stop(client->loop);
}

static void closing_in_an_answer_forgets_the_rest(void **state)
{
	static const struct step steps[] = {
		{GREETING, CAPABILITIES},
		{CAPABLE, BREAK("a", 1)},
		{"{\"return\": {}, \"id\": 1}\r\n{\"return\": {}, \"id\": 2}\r\n", ""},
		{NULL, NULL},
	};
	struct server server;
	struct client client;
	start(&server, steps, 1);
	open_client(&client, server.path);
	assert_int_equal(qmp_send_break(client.qmp, "a", on_done_close, &client), 0);
	assert_int_equal(qmp_send_break(client.qmp, "b", on_done_close, &client), 0);
	loop_run(client.loop);
	loop_drain(client.loop);
	assert_true(client.closed);
	loop_free(client.loop);
	finish(&server);
	assert_int_equal(client.answers, 1);
	assert_int_equal(client.statuses[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_break_is_sent_and_the_line_hung_up),
		cmocka_unit_test(commands_go_one_by_one_on_one_connection),
		cmocka_unit_test(noise_between_is_passed_over),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(the_next_break_finds_the_next_qemu),
		cmocka_unit_test(too_many_calls_are_refused),
		cmocka_unit_test(closing_in_an_answer_forgets_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
