/* control/: callers that mean harm, or just many; and calls of the system that fail. */
#include "control_client.h"
#include "control_host.h"
#include "fail.h"
#include "test.h"

#include <sys/resource.h>

#define VM ",\"parameters\":{\"domain\":\"vm\"}"

static int set_up(void **state)
{
	struct test_host *host = test_calloc(1, sizeof(*host));
	host_init(host);
	host_define(host, "vm");
	*state = host;
	return 0;
}

static int tear_down(void **state)
{
	fail_reset();
	host_fini(*state);
	test_free(*state);
	return 0;
}

static void assert_serves(struct test_host *host)
{
	assert_error(ask(host, "org.chardev.List", ""), "");
}

/* ---- messages ------------------------------------------------------------------------------- */

/* Bytes without NUL that begin as a call does, more or less. */
static size_t make_garbage(unsigned *seed, char ret[256])
{
	static const char call[] =
		"{\"method\":\"org.chardev.Status\",\"parameters\":{\"domain\":\"vm\"}}";
	size_t n = 1 + (size_t)rand_r(seed) % 255;
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)(1 + rand_r(seed) % 255);
	size_t real = (size_t)rand_r(seed) % sizeof(call);
	memcpy(ret, call, real < n ? real : n);
	return n;
}

static void garbage_is_answered_and_hung_up_on(void **state)
{
	enum { MESSAGES = 10000 };
	struct test_caller caller;
	unsigned seed = 1, rejected = 0;
	for (unsigned i = 0; i < MESSAGES; i++) {
		char garbage[257];
		size_t n = make_garbage(&seed, garbage);
		garbage[n] = '\0';
		caller_init(&caller, *state);
		caller_send_bytes(&caller, garbage, n + 1);
		json_t *reply = caller_receive(&caller);
		assert_non_null(reply);
		if (strcmp(error_of(reply), "org.chardev.Invalid") == 0) {
			rejected++;
			assert_null(caller_receive(&caller));
		}
		json_decref(reply);
		caller_fini(&caller);
	}
	assert_in_range(rejected, MESSAGES / 2, MESSAGES);
	assert_serves(*state);
}

static void half_messages_are_harmless(void **state)
{
	enum { CALLERS = 200 };
	struct test_caller callers[CALLERS];
	for (unsigned i = 0; i < CALLERS; i++) {
		caller_init(&callers[i], *state);
		caller_send_bytes(&callers[i], "{\"method\":\"org.chardev.Stop\"", 1 + i % 28);
	}
	assert_serves(*state);
	for (unsigned i = 0; i < CALLERS; i++) {
		if (i % 2 == 0)
			shutdown(callers[i].fd, SHUT_WR);
		if (i % 4 == 0)
			assert_null(caller_receive(&callers[i]));
		caller_fini(&callers[i]);
	}
	assert_serves(*state);
}

/* A call of n bytes. */
static void assert_too_long(struct test_host *host, size_t n, bool is_too_long)
{
	struct test_caller caller;
	char *text = test_malloc(n + 1);
	memset(text, ' ', n);
	memcpy(text, "{\"method\":\"org.varlink.service.GetInfo\"}", 40);
	text[n] = '\0';
	caller_init(&caller, host);
	caller_send_bytes(&caller, text, n + 1);
	json_t *reply = caller_receive(&caller);
	assert_non_null(reply);
	assert_string_equal(error_of(reply), is_too_long ? "org.chardev.Invalid" : "");
	json_decref(reply);
	if (is_too_long)
		assert_null(caller_receive(&caller));
	caller_fini(&caller);
	test_free(text);
}

static void a_call_has_the_length_that_its_caller_may_need(void **state)
{
	static const size_t most[ROLE_COUNT] = {4096, 16384, 131072, CONTROL_MESSAGE_MAX};
	for (enum role role = ROLE_NONE; role < ROLE_COUNT; role++) {
		set_role(*state, role, NULL);
		assert_too_long(*state, most[role], false);
		assert_too_long(*state, most[role] + 1, true);
	}
	set_owner(*state);
	assert_serves(*state);
}

static void who_never_reads_is_not_read_from(void **state)
{
	static const char call[] =
		"{\"method\":\"org.chardev.Status\",\"parameters\":{\"domain\":\"vm\"}}";
	struct test_caller caller;
	size_t sent = 0;
	caller_init(&caller, *state);
	for (;;) {
		ssize_t n = send(caller.fd, call, sizeof(call), MSG_NOSIGNAL);
		if (n < 0) {
			settle(*state);
			n = send(caller.fd, call, sizeof(call), MSG_NOSIGNAL);
		}
		if (n < 0)
			break;
		assert_int_equal(n, sizeof(call));
		sent += (size_t)n;
	}
	assert_int_equal(errno, EAGAIN);
	assert_in_range(sent, 1, 4 << 20); /* what two sockets hold, and no more */
	assert_serves(*state);
	for (size_t answers = 0; answers < sent / sizeof(call); answers++)
		assert_error(caller_receive(&caller), "");
	caller_fini(&caller);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void thousand_idle_callers_cost_no_turn(void **state)
{
	enum { CALLERS = 1000 };
	struct test_host *host = *state;
	struct test_caller *callers = test_calloc(CALLERS, sizeof(*callers));
	for (unsigned i = 0; i < CALLERS; i++)
		caller_init(&callers[i], host);
	settle(host);
	uint64_t before = loop_wakeups(host->loop);
	struct pollfd wait = {.fd = loop_fd(host->loop), .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 1200), 0);
	assert_int_equal(loop_wakeups(host->loop), before);
	assert_error(caller_ask(&callers[0], "org.chardev.List", ""), "");
	assert_error(caller_ask(&callers[CALLERS - 1], "org.chardev.List", ""), "");
	for (unsigned i = 0; i < CALLERS; i++)
		caller_fini(&callers[i]);
	settle(host);
	test_free(callers);
}

static void one_user_does_not_take_all_places(void **state)
{
	enum { MAX = 256 };
	struct test_host *host = *state;
	struct test_caller callers[MAX], one_more;
	set_role(host, ROLE_NONE, NULL);
	for (unsigned i = 0; i < MAX; i++)
		caller_init(&callers[i], host);
	settle(host);
	caller_init(&one_more, host);
	assert_error(caller_receive(&one_more), "org.chardev.Busy");
	assert_null(caller_receive(&one_more));
	caller_fini(&one_more);
	caller_fini(&callers[0]);
	settle(host);
	caller_init(&callers[0], host);
	assert_error(caller_ask(&callers[0], "org.varlink.service.GetInfo", ""), "");
	/* The owner is not counted. */
	set_owner(host);
	assert_serves(host);
	for (unsigned i = 0; i < MAX; i++)
		caller_fini(&callers[i]);
	settle(host);
}

static void without_descriptors_callers_wait(void **state)
{
	struct test_host *host = *state;
	struct test_caller first, second;
	caller_init(&first, host);
	assert_error(caller_ask(&first, "org.chardev.List", ""), "");
	fail_nth(FAIL_ACCEPT4, 1, EMFILE);
	caller_init(&second, host);
	settle(host);
	assert_non_null(strstr(host_audit(host, "trouble")->text, "LimitNOFILE"));
	/* Somebody leaves. */
	caller_fini(&first);
	assert_error(caller_ask(&second, "org.chardev.List", ""), "");
	/* A second is over: nobody leaves, the wait is the timer's. */
	fail_nth(FAIL_ACCEPT4, 1, EMFILE);
	caller_init(&first, host);
	assert_error(caller_ask(&first, "org.chardev.List", ""), "");
	caller_fini(&first);
	caller_fini(&second);
}

/* ---- what fails ----------------------------------------------------------------------------- */

/* Whatever fails, there is a reply, or the server hangs up; a connection that waits is let in. */
static void assert_answered(struct test_host *host, const char *method, const char *rest)
{
	struct test_caller caller;
	caller_init(&caller, host);
	caller_send(&caller, method, rest);
	do {
		turn(host);
		caller_read(&caller);
	} while (!caller.ended &&
		 (caller.size == 0 || memchr(caller.in, '\0', caller.size) == NULL));
	if (caller.size > 0 && memchr(caller.in, '\0', caller.size) != NULL)
		assert_true(strncmp(caller.in, "{\"parameters\"", 13) == 0 ||
			    strncmp(caller.in, "{\"error\"", 8) == 0);
	caller_fini(&caller);
	settle(host);
}

static void any_call_of_the_system_may_fail(void **state)
{
	static const struct {
		enum fail_call call;
		int error;
	} failures[] = {{FAIL_CALLOC, ENOMEM}, {FAIL_MALLOC, ENOMEM}, {FAIL_READ, EIO},
		{FAIL_READ, EINTR}, {FAIL_SENDMSG, EPIPE}, {FAIL_SENDMSG, EINTR},
		{FAIL_SENDMSG, EAGAIN}, {FAIL_ACCEPT4, ECONNABORTED}};
	static const struct {
		const char *method, *rest;
		bool is_given_away; /* then the reply is not ours to send */
	} calls[] = {
		{"org.chardev.Status", ",\"more\":true"},
		{"org.chardev.Describe", VM},
		{"org.chardev.Attach", ",\"upgrade\":true" VM, true},
		{"org.chardev.Send", ",\"parameters\":{\"domain\":\"vm\",\"data\":\"aGk=\"}"},
	};
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		for (size_t j = 0; j < sizeof(calls) / sizeof(calls[0]); j++)
			for (int n = 1; n < 1000; n++) {
				if (calls[j].is_given_away && failures[i].call == FAIL_SENDMSG)
					break;
				fail_reset();
				fail_nth(failures[i].call, n, failures[i].error);
				assert_answered(*state, calls[j].method, calls[j].rest);
				if (fail_count(failures[i].call) < n)
					break;
			}
	fail_reset();
	assert_serves(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			garbage_is_answered_and_hung_up_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_messages_are_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_call_has_the_length_that_its_caller_may_need, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_never_reads_is_not_read_from, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			thousand_idle_callers_cost_no_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_user_does_not_take_all_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_descriptors_callers_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_call_of_the_system_may_fail, set_up, tear_down),
	};
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	json_set_alloc_funcs(malloc, free); /* this program's, which can fail */
	become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
