/* control/: what is told of what happens, and calls that take their time. */
#include "control_client.h"
#include "control_host.h"
#include "test.h"

#define VM ",\"parameters\":{\"domain\":\"vm\"}"
#define NEW_XML                                                                               \
	",\"parameters\":{\"xml\":\"<domain type='test'><name>new</name><os><type>hvm</type>" \
	"</os><devices><serial type='null'/></devices></domain>\"%s}"

static int set_up(void **state)
{
	struct test_host *host = test_calloc(1, sizeof(*host));
	host_init(host);
	host_define(host, "vm");
	settle(host); /* what its devices have to tell is told */
	*state = host;
	return 0;
}

static int tear_down(void **state)
{
	host_fini(*state);
	test_free(*state);
	return 0;
}

static void subscribe(struct test_caller *caller, struct test_host *host, const char *rest)
{
	caller_init(caller, host);
	caller_send(caller, "org.chardev.Events", rest);
	settle(host);
}

static void tell(struct test_host *host, const char *event, const char *domain, const char *text)
{
	control_server_tell(
		host->server, &(struct control_event){event, domain, "serial0", text, NULL});
}

/* The next event but those of devices that open; its uid is -1 where nobody did it. */
static void assert_event(struct test_caller *caller, const char *name, const char *domain,
	json_int_t uid, uint64_t lost)
{
	json_t *reply = caller_receive(caller);
	json_t *event = parameter_of(reply, "event");
	const char *is = json_string_value(json_object_get(event, "event"));
	if (strcmp(is, "guest") == 0 && strcmp(name, "guest") != 0) {
		json_decref(reply);
		assert_event(caller, name, domain, uid, lost);
		return;
	}
	json_t *by = json_object_get(event, "uid");
	assert_string_equal(is, name);
	assert_string_equal(json_string_value(json_object_get(event, "domain")), domain);
	assert_int_equal(by != NULL ? json_integer_value(by) : -1, uid);
	assert_int_equal(json_integer_value(json_object_get(event, "lost")), lost);
	json_decref(reply);
}

/* ---- events --------------------------------------------------------------------------------- */

static void a_change_is_told_once_with_who_did_it(void **state)
{
	struct test_host *host = *state;
	struct test_caller watcher;
	subscribe(&watcher, host, ",\"more\":true");
	assert_error(ask(host, "org.chardev.Stop", VM), "");
	assert_event(&watcher, "stopped", "vm", getuid(), 0);
	assert_error(ask(host, "org.chardev.Start", VM), "");
	assert_event(&watcher, "started", "vm", getuid(), 0);
	tell(host, "stopped", "vm", "by itself");
	assert_event(&watcher, "stopped", "vm", -1, 0);
	assert_error(ask(host, "org.chardev.Reload", ""), "");
	assert_event(&watcher, "reloaded", "", getuid(), 0);
	assert_string_equal(
		host_audit(host, "reloaded")->text, "domains that changed: 1, that failed: 1");
	caller_fini(&watcher);
}

static void without_more_it_is_the_next_one_alone(void **state)
{
	struct test_host *host = *state;
	struct test_caller watcher;
	subscribe(&watcher, host, VM);
	tell(host, "trouble", "other", "");
	tell(host, "trouble", "vm", "");
	tell(host, "trouble", "vm", "");
	assert_event(&watcher, "trouble", "vm", -1, 0);
	assert_error(caller_ask(&watcher, "org.chardev.List", ""), "");
	caller_fini(&watcher);
}

static void nobody_is_told_of_what_is_not_for_him(void **state)
{
	struct test_host *host = *state;
	struct test_caller watcher;
	set_role(host, ROLE_VIEWER, "vm");
	subscribe(&watcher, host, ",\"more\":true");
	tell(host, "trouble", "other", "");
	tell(host, "reloaded", "", "");
	assert_error(ask(host, "org.chardev.Stop", VM), "org.chardev.Denied");
	tell(host, "guest", "vm", "");
	assert_event(&watcher, "guest", "vm", -1, 0);
	set_role(host, ROLE_ADMIN, "vm");
	tell(host, "refused", "", "");
	tell(host, "refused", "vm", "");
	assert_event(&watcher, "refused", "vm", -1, 0);
	caller_fini(&watcher);
}

/* What the event says was lost before it, and which one it is. */
static uint64_t lost_before(json_t *reply, uint64_t *ret_number)
{
	json_t *event = parameter_of(reply, "event");
	const char *text = json_string_value(json_object_get(event, "text"));
	*ret_number = strtoull(text, NULL, 10);
	return (uint64_t)json_integer_value(json_object_get(event, "lost"));
}

static void tell_number(struct test_host *host, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%ju", (uintmax_t)number);
	tell(host, "trouble", "vm", text);
	loop_turn(host->loop);
}

static void what_is_not_read_is_counted(void **state)
{
	enum { TOLD = 5000 };
	struct test_host *host = *state;
	struct test_caller watcher;
	uint64_t got = 0, number;
	json_t *reply;
	subscribe(&watcher, host, ",\"more\":true");
	for (uint64_t i = 0; i < TOLD; i++)
		tell_number(host, i);
	do {
		for (; (reply = caller_take(&watcher)) != NULL; got++) {
			assert_int_equal(lost_before(reply, &number), 0);
			assert_int_equal(number, got);
			json_decref(reply);
		}
		settle(host);
		caller_read(&watcher);
	} while (watcher.size > 0);
	assert_in_range(got, 257, TOLD - 1);
	tell_number(host, TOLD);
	reply = caller_receive(&watcher);
	assert_int_equal(lost_before(reply, &number), TOLD - got);
	assert_int_equal(number, TOLD);
	json_decref(reply);
	caller_fini(&watcher);
}

static void who_leaves_is_told_nothing_more(void **state)
{
	struct test_host *host = *state;
	struct test_caller watcher;
	for (int i = 0; i < 20; i++) {
		subscribe(&watcher, host, ",\"more\":true");
		if (i % 2 == 0)
			tell(host, "trouble", "vm", "");
		caller_fini(&watcher);
		tell(host, "trouble", "vm", "");
		settle(host);
		tell(host, "trouble", "vm", "");
	}
	/* Who has only shut down its side still listens. */
	subscribe(&watcher, host, ",\"more\":true");
	shutdown(watcher.fd, SHUT_WR);
	settle(host);
	tell(host, "trouble", "vm", "");
	assert_event(&watcher, "trouble", "vm", -1, 0);
	caller_fini(&watcher);
}

/* ---- calls that take their time ------------------------------------------------------------- */

static void a_definition_is_kept_changed_and_forgotten(void **state)
{
	struct test_host *host = *state;
	char rest[512];
	snprintf(rest, sizeof(rest), NEW_XML, "");
	json_t *reply = ask(host, "org.chardev.Define", rest);
	assert_string_equal(json_string_value(parameter_of(reply, "domain")), "new");
	assert_int_equal(json_array_size(parameter_of(reply, "devices")), 1);
	assert_error(reply, "");
	assert_string_equal(host_audit(host, "defined")->domain, "new");
	assert_null(host_audit(host, "changed"));
	assert_error(ask(host, "org.chardev.Define", rest), "");
	assert_string_equal(host_audit(host, "changed")->domain, "new");
	assert_error(ask(host, "org.chardev.Undefine", ",\"parameters\":{\"domain\":\"new\"}"), "");
	assert_string_equal(host_audit(host, "undefined")->domain, "new");
	assert_null(domains_find(host->domains, "new"));
	snprintf(rest, sizeof(rest), NEW_XML, ",\"start\":false");
	assert_error(ask(host, "org.chardev.Define", rest), "");
	assert_int_equal(served_state(domains_find(host->domains, "new")), SERVED_STOPPED);
}

static void a_host_without_definitions_says_what_to_do(void **state)
{
	static const char *const methods[] = {
		"org.chardev.Define", "org.chardev.Undefine", "org.chardev.Reload"};
	struct test_host *host = *state;
	char xml[512];
	snprintf(xml, sizeof(xml), NEW_XML, "");
	const char *const rests[] = {xml, VM, ""};
	host->host.define = NULL;
	host->host.fixed = "this one serves its file alone; stop it first";
	for (unsigned i = 0; i < 3; i++) {
		json_t *reply = ask(host, methods[i], rests[i]);
		assert_string_equal(
			json_string_value(parameter_of(reply, "message")), host->host.fixed);
		assert_error(reply, "org.chardev.Failed");
	}
}

static void a_call_outlives_its_caller(void **state)
{
	struct test_host *host = *state;
	struct test_caller caller;
	host->holds = true;
	caller_init(&caller, host);
	caller_send(&caller, "org.chardev.Undefine", VM);
	settle(host);
	caller_fini(&caller);
	settle(host);
	assert_null(host_audit(host, "undefined"));
	host_release(host);
	assert_string_equal(host_audit(host, "undefined")->domain, "vm");
	assert_error(ask(host, "org.chardev.List", ""), "");
}

static void a_call_under_way_ends_with_the_server(void **state)
{
	struct test_host *host = *state;
	struct test_caller caller;
	host->holds = true;
	caller_init(&caller, host);
	caller_send(&caller, "org.chardev.Reload", "");
	settle(host);
	assert_non_null(host->held_done);
	caller_fini(&caller);
	/* tear_down() releases it while the server closes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_change_is_told_once_with_who_did_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_more_it_is_the_next_one_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			nobody_is_told_of_what_is_not_for_him, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_read_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_leaves_is_told_nothing_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_definition_is_kept_changed_and_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_host_without_definitions_says_what_to_do, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_outlives_its_caller, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_call_under_way_ends_with_the_server, set_up, tear_down),
	};
	become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
