/* control/client.c: against a server at the other end of a socket pair, which the test is. */
#include "test.h"

#include "fail.h"

#include "control/client.h"
#include "util/fd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct bench {
	struct client *client;
	int server;
	struct error err;
};

static int setup(void **state)
{
	static struct bench bench;
	int pair[2];
	fail_reset();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bench = (struct bench){.server = pair[1]};
	assert_int_equal(client_new(pair[0], "a test", &bench.client, &bench.err), 0);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	fail_reset();
	client_free(bench->client);
	fd_close(bench->server);
	return 0;
}

/* The server's part, before it is asked: the socket keeps it. */
static void answer(struct bench *bench, const char *bytes, size_t n)
{
	assert_int_equal(fd_write_all(bench->server, bytes, n), 0);
}

#define ANSWER(bench, text) answer(bench, text, sizeof(text))

static void assert_asked(struct bench *bench, const char *wanted)
{
	char text[1024];
	ssize_t n = recv(bench->server, text, sizeof(text), 0);
	assert_int_equal(n, strlen(wanted) + 1);
	assert_string_equal(text, wanted);
}

static void one_call_one_reply(void **state)
{
	struct bench *bench = *state;
	json_t *reply = NULL;
	ANSWER(bench, "{\"parameters\":{\"number\":7}}");
	assert_int_equal(client_call(bench->client, "org.test.Do", json_pack("{s:s}", "a", "b"),
				 &reply, &bench->err),
		0);
	assert_asked(bench, "{\"method\":\"org.test.Do\",\"parameters\":{\"a\":\"b\"}}");
	assert_int_equal(json_integer_value(json_object_get(reply, "number")), 7);
	json_decref(reply);
}

static void a_reply_without_parameters_has_none(void **state)
{
	struct bench *bench = *state;
	json_t *reply = NULL;
	ANSWER(bench, "{}");
	assert_int_equal(
		client_call(bench->client, "org.test.Do", json_object(), &reply, &bench->err), 0);
	assert_true(json_is_object(reply));
	assert_int_equal(json_object_size(reply), 0);
	json_decref(reply);
}

static void replies_come_one_by_one_wherever_they_are_cut(void **state)
{
	static const char text[] = "{\"parameters\":{\"n\":1},\"continues\":true}\0"
				   "{\"parameters\":{\"n\":2},\"continues\":true}\0"
				   "{\"parameters\":{\"n\":3}}";
	struct bench *bench = *state;
	assert_int_equal(
		client_send(bench->client, "org.test.Do", json_object(), CLIENT_MORE, &bench->err),
		0);
	assert_asked(bench, "{\"method\":\"org.test.Do\",\"parameters\":{},\"more\":true}");
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		bool continues = true;
		answer(bench, text, cut);
		answer(bench, text + cut, sizeof(text) - cut);
		for (int n = 1; n <= 3; n++) {
			json_t *reply = NULL;
			assert_int_equal(
				client_receive(bench->client, &reply, &continues, &bench->err), 0);
			assert_int_equal(json_integer_value(json_object_get(reply, "n")), n);
			assert_int_equal(continues, n < 3);
			json_decref(reply);
		}
		assert_false(client_has_reply(bench->client));
	}
}

static void what_comes_after_an_upgrade_is_handed_out(void **state)
{
	static const char text[] = "{\"parameters\":{}}\0frames\0and more";
	struct bench *bench = *state;
	struct client_upgraded upgraded;
	json_t *reply = NULL;
	bool continues;
	answer(bench, text, sizeof(text) - 1);
	assert_int_equal(client_send(bench->client, "org.test.Do", json_object(), CLIENT_UPGRADE,
				 &bench->err),
		0);
	assert_int_equal(client_receive(bench->client, &reply, &continues, &bench->err), 0);
	json_decref(reply);
	client_upgrade(bench->client, &upgraded);
	bench->client = client_free(bench->client);
	assert_int_equal(upgraded.rest_size, strlen("frames") + 1 + strlen("and more"));
	assert_memory_equal(upgraded.rest, "frames\0and more", upgraded.rest_size);
	/* The connection is alive. */
	assert_int_equal(fd_write_all(upgraded.fd, "x", 1), 0);
	free(upgraded.rest);
	fd_close(upgraded.fd);
}

static void errors_have_codes_and_the_server_s_sentence(void **state)
{
	static const struct {
		const char *reply;
		int code;
		const char *sentence;
	} cases[] = {
		{"{\"error\":\"org.chardev.NotFound\",\"parameters\":{\"message\":\"no vm\"}}",
			-ENOENT, "no vm"},
		{"{\"error\":\"org.chardev.NotRunning\",\"parameters\":{\"message\":\"off\"}}",
			-ENOTCONN, "off"},
		{"{\"error\":\"org.chardev.Denied\",\"parameters\":{\"message\":\"no\"}}", -EACCES,
			"no"},
		{"{\"error\":\"org.chardev.Busy\",\"parameters\":{\"message\":\"pen\"}}", -EBUSY,
			"pen"},
		{"{\"error\":\"org.chardev.Invalid\",\"parameters\":{\"message\":\"x\"}}", -EINVAL,
			"x"},
		{"{\"error\":\"org.chardev.Failed\",\"parameters\":{\"message\":\"y\"}}", -EIO,
			"y"},
		{"{\"error\":\"org.varlink.service.MethodNotFound\"}", -EOPNOTSUPP,
			"the server at a test does not know this call; it is of another version "
			"than this command, or no chardev at all"},
		{"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
		 "{\"parameter\":\"tail\"}}",
			-EINVAL, "the server at a test does not take the parameter \"tail\""},
		{"{\"error\":\"org.example.Odd\",\"parameters\":{}}", -EREMOTEIO,
			"the server at a test answered with the error org.example.Odd"},
	};
	struct bench *bench = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *reply = NULL;
		answer(bench, cases[i].reply, strlen(cases[i].reply) + 1);
		assert_int_equal(client_call(bench->client, "org.test.Do", json_object(), &reply,
					 &bench->err),
			cases[i].code);
		assert_string_equal(bench->err.message, cases[i].sentence);
		assert_null(reply);
	}
}

static void what_is_no_varlink_is_refused(void **state)
{
	static const char *const replies[] = {"HTTP/1.1 400 Bad Request", "", "[]", "7",
		"{\"parameters\":[]}", "{\"error\":7}", "{\"a\":1,\"a\":2}", "\xff{}",
		"{\"parameters\":{},\"continues\":true}"};
	struct bench *bench = *state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		json_t *reply = NULL;
		answer(bench, replies[i], strlen(replies[i]) + 1);
		assert_int_equal(client_call(bench->client, "org.test.Do", json_object(), &reply,
					 &bench->err),
			-EPROTO);
		assert_non_null(strstr(bench->err.message, "does not speak Varlink"));
	}
}

static void the_end_before_a_reply(void **state)
{
	struct bench *bench = *state;
	json_t *reply = NULL;
	answer(bench, "{\"para", strlen("{\"para"));
	bench->server = fd_close(bench->server);
	assert_int_equal(
		client_call(bench->client, "org.test.Do", json_object(), &reply, &bench->err),
		-EPIPE);
	assert_string_equal(bench->err.message,
		"the server at a test ended the connection before it had answered");
}

/* A server that refuses and hangs up before the call has come is heard. */
static void a_refusal_before_the_call_is_heard(void **state)
{
	struct bench *bench = *state;
	json_t *reply = NULL;
	ANSWER(bench, "{\"error\":\"org.chardev.Busy\",\"parameters\":{\"message\":\"full\"}}");
	bench->server = fd_close(bench->server);
	assert_int_equal(
		client_call(bench->client, "org.test.Do", json_object(), &reply, &bench->err),
		-EBUSY);
	assert_string_equal(bench->err.message, "full");
}

/* Sent by a child, as no socket keeps that much; its end says that it was not all read. */
static void a_reply_without_end_is_bounded(void **state)
{
	struct bench *bench = *state;
	json_t *reply = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		static char piece[1 << 20];
		close(client_fd(bench->client));
		memset(piece, ' ', sizeof(piece));
		while (send(bench->server, piece, sizeof(piece), MSG_NOSIGNAL) > 0)
			continue;
		_exit(0);
	}
	bench->server = fd_close(bench->server);
	assert_int_equal(
		client_call(bench->client, "org.test.Do", json_object(), &reply, &bench->err),
		-EPROTO);
	assert_non_null(strstr(bench->err.message, "its reply has no end"));
}

static void a_call_that_is_too_long_is_not_sent(void **state)
{
	struct bench *bench = *state;
	char *text = malloc(CLIENT_CALL_MAX);
	assert_non_null(text);
	memset(text, 'x', CLIENT_CALL_MAX);
	json_t *parameters = json_pack("{s:s#}", "xml", text, CLIENT_CALL_MAX);
	free(text);
	assert_int_equal(
		client_send(bench->client, "org.test.Do", parameters, 0, &bench->err), -E2BIG);
	assert_int_equal(recv(bench->server, &(char){0}, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void parameters_for_which_there_was_no_memory(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(client_send(bench->client, "org.test.Do", NULL, 0, &bench->err), -ENOMEM);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int listen_at(char path[64], int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(path, 64, "/tmp/test_client.%d", (int)getpid());
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void nobody_serves_it(void **state)
{
	char path[64];
	struct client *client = NULL;
	struct error err = {0};
	int fd = listen_at(path, 0);
	fd_close(fd);
	assert_int_equal(client_connect(path, 0, &client, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.message, "its server has ended"));
	unlink(path);
	assert_int_equal(client_connect(path, 0, &client, &err), -ENOENT);
	assert_non_null(strstr(err.message, "there is no such socket"));
	assert_int_equal(client_connect("/dev/null/socket", 0, &client, &err), -ENOENT);
	assert_int_equal(client_connect("", 0, &client, &err), -ENAMETOOLONG);
	assert_null(client);
}

static void a_path_that_is_too_long(void **state)
{
	char path[200];
	struct client *client = NULL;
	struct error err = {0};
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(client_connect(path, 0, &client, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.message, "a socket's has 1 to 107 bytes"));
}

static void patience_has_an_end(void **state)
{
	char path[64];
	struct client *client = NULL, *second = NULL, *third = NULL;
	struct error err = {0};
	json_t *reply = NULL;
	int fd = listen_at(path, 0);
	assert_int_equal(client_connect(path, 50, &client, &err), 0);
	assert_int_equal(
		client_call(client, "org.test.Do", json_object(), &reply, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "does not answer"));
	/* The queue has room for one more; the next one waits to be taken. */
	int code = client_connect(path, 50, &second, &err);
	if (code == 0)
		code = client_connect(path, 50, &third, &err);
	assert_int_equal(code, -ETIMEDOUT);
	assert_non_null(strstr(err.message, "does not take connections"));
	client_free(client);
	client_free(second);
	fd_close(fd);
	unlink(path);
}

static void every_allocation_and_call_may_fail(void **state)
{
	static const enum fail_call calls[] = {FAIL_CALLOC, FAIL_MALLOC, FAIL_SOCKET, FAIL_CONNECT};
	char path[64];
	struct error err = {0};
	int fd = listen_at(path, 8);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct client *client = NULL;
		fail_nth(calls[i], 1, ENOMEM);
		assert_int_equal(client_connect(path, 0, &client, &err), -ENOMEM);
		assert_null(client);
		fail_reset();
	}
	fd_close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_call_one_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_reply_without_parameters_has_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			replies_come_one_by_one_wherever_they_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_comes_after_an_upgrade_is_handed_out, setup, teardown),
		cmocka_unit_test_setup_teardown(
			errors_have_codes_and_the_server_s_sentence, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_varlink_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_before_a_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_refusal_before_the_call_is_heard, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reply_without_end_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_call_that_is_too_long_is_not_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(
			parameters_for_which_there_was_no_memory, setup, teardown),
		cmocka_unit_test(nobody_serves_it),
		cmocka_unit_test(a_path_that_is_too_long),
		cmocka_unit_test(patience_has_an_end),
		cmocka_unit_test(every_allocation_and_call_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
