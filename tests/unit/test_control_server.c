/*
 * control/: each method of a server with real domains, on real connections: who may call it, what
 * it takes, what it answers, and what is told of it. What hurts a server is in
 * test_control_limits.c.
 */
#include "control_client.h"
#include "control_host.h"
#include "fake_log_reader.h"
#include "test.h"

#include "control/frame.h"
#include "control/method.h"

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
	host_fini(*state);
	test_free(*state);
	return 0;
}

/* ---- what a service says of itself ---------------------------------------------------------- */

static void a_service_describes_itself(void **state)
{
	json_t *reply = ask(*state, "org.varlink.service.GetInfo", "");
	assert_string_equal(json_string_value(parameter_of(reply, "product")), "test host");
	assert_int_equal(json_array_size(parameter_of(reply, "interfaces")), 2);
	json_decref(reply);
	reply = ask(*state, "org.varlink.service.GetInterfaceDescription",
		",\"parameters\":{\"interface\":\"org.chardev\"}");
	const char *text = json_string_value(parameter_of(reply, "description"));
	assert_non_null(strstr(text, "\ninterface org.chardev\n"));
	json_decref(reply);
	assert_error(ask(*state, "org.varlink.service.GetInterfaceDescription",
			     ",\"parameters\":{\"interface\":\"a.b\"}"),
		"org.varlink.service.InterfaceNotFound");
	reply = ask(*state, "org.chardev.Fly", "");
	assert_string_equal(json_string_value(parameter_of(reply, "method")), "org.chardev.Fly");
	assert_error(reply, "org.varlink.service.MethodNotFound");
	reply = ask(*state, "org.other.Fly", "");
	assert_string_equal(json_string_value(parameter_of(reply, "interface")), "org.other");
	assert_error(reply, "org.varlink.service.InterfaceNotFound");
	assert_error(ask(*state, "Fly", ""), "org.varlink.service.InterfaceNotFound");
}

/* "(name: ?string, ...)" of a method, as its table entry has it. */
static void print_parameters(const struct method *method, char *ret, size_t size)
{
	static const char *const types[] = {"string", "bool", "int"};
	size_t n = (size_t)snprintf(ret, size, "%s(", strrchr(method->name, '.') + 1);
	for (const struct parameter *p = method->parameters; p->name != NULL; p++)
		n += (size_t)snprintf(ret + n, size - n, "%s%s:%s%s",
			p == method->parameters ? "" : ",", p->name, p->required ? "" : "?",
			types[p->type]);
	snprintf(ret + n, size - n, ")->");
}

/* The description without comments and blanks. */
static char *squeeze(const char *text)
{
	char *squeezed = test_malloc(strlen(text) + 1), *to = squeezed;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '#')
			while (at[1] != '\n')
				at++;
		else if (strchr(" \n", *at) == NULL)
			*to++ = *at;
	}
	*to = '\0';
	return squeezed;
}

static void the_table_and_the_description_agree(void **state)
{
	json_t *reply = ask(*state, "org.varlink.service.GetInterfaceDescription",
		",\"parameters\":{\"interface\":\"org.chardev\"}");
	char *text = squeeze(json_string_value(parameter_of(reply, "description")));
	unsigned described = 0, in_table = 0;
	for (const char *at = text; (at = strstr(at, ")method")) != NULL; at++)
		described++;
	for (const struct method *method = method_table; method->name != NULL; method++) {
		char expected[512] = "method";
		if (strncmp(method->name, "org.chardev.", 12) != 0)
			continue;
		in_table++;
		print_parameters(method, expected + 6, sizeof(expected) - 6);
		if (strstr(text, expected) == NULL)
			fail_msg("not in the description: %s", expected);
	}
	assert_int_equal(described, in_table);
	test_free(text);
	json_decref(reply);
}

/* ---- who may -------------------------------------------------------------------------------- */

struct use {
	const char *method, *rest;
	enum role role;
};

static const struct use uses[] = {
	{"org.varlink.service.GetInfo", "", ROLE_NONE},
	{"org.varlink.service.GetInterfaceDescription",
		",\"parameters\":{\"interface\":\"org.chardev\"}", ROLE_NONE},
	{"org.chardev.List", "", ROLE_VIEWER},
	{"org.chardev.Status", VM, ROLE_VIEWER},
	{"org.chardev.Describe", VM, ROLE_VIEWER},
	{"org.chardev.Events", VM, ROLE_VIEWER},
	{"org.chardev.Attach",
		",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"read_only\":true}",
		ROLE_VIEWER},
	{"org.chardev.Attach", ",\"upgrade\":true" VM, ROLE_OPERATOR},
	{"org.chardev.Attach",
		",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"read_only\":true,"
		"\"lossless\":true}",
		ROLE_OPERATOR},
	{"org.chardev.Log", ",\"upgrade\":true" VM, ROLE_VIEWER},
	{"org.chardev.Send", ",\"parameters\":{\"domain\":\"vm\",\"data\":\"aGk=\",\"force\":true}",
		ROLE_OPERATOR},
	{"org.chardev.Break", ",\"parameters\":{\"domain\":\"vm\",\"force\":true}", ROLE_OPERATOR},
	{"org.chardev.Stop", VM, ROLE_ADMIN},
	{"org.chardev.Start", VM, ROLE_ADMIN},
	{"org.chardev.Define",
		",\"parameters\":{\"xml\":\"<domain type='test'><name>vm</name><os><type>hvm</type>"
		"</os><devices><serial type='null'/></devices></domain>\"}",
		ROLE_ADMIN},
	{"org.chardev.Undefine", VM, ROLE_ADMIN},
	{"org.chardev.Reload", "", ROLE_ADMIN},
};

enum { USES = sizeof(uses) / sizeof(uses[0]) };

/* Events answers when something has happened. */
static json_t *use(struct test_host *host, const struct use *what)
{
	const struct control_event event = {"trouble", "vm", "serial0", "a test", NULL};
	struct test_caller caller;
	json_t *reply;
	caller_init(&caller, host);
	caller_send(&caller, what->method, what->rest);
	settle(host);
	control_server_tell(host->server, &event);
	reply = caller_receive(&caller);
	assert_non_null(reply);
	caller_fini(&caller);
	settle(host);
	return reply;
}

static void check_use(struct test_host *host, const struct use *what, enum role has)
{
	unsigned before = host->audit_count;
	if (domains_find(host->domains, "vm") == NULL)
		host_define(host, "vm");
	json_t *reply = use(host, what);
	if (has >= what->role) {
		if (error_of(reply)[0] != '\0')
			fail_msg("%s as %s: %s", what->method, role_name(has), error_of(reply));
		json_decref(reply);
		return;
	}
	assert_error(reply, "org.chardev.Denied");
	assert_int_equal(host->audit_count, before + 1);
	const struct control_host_told *told = host_audit(host, "refused");
	assert_int_equal(told->uid, getuid());
	assert_non_null(strstr(told->text, what->method));
}

static void each_role_may_what_it_may(void **state)
{
	for (enum role role = ROLE_NONE; role < ROLE_COUNT; role++) {
		set_role(*state, role, NULL);
		for (unsigned i = 0; i < USES; i++)
			check_use(*state, &uses[i], role);
	}
	for (const struct method *method = method_table; method->name != NULL; method++) {
		unsigned i = 0;
		while (i < USES && strcmp(uses[i].method, method->name) != 0)
			i++;
		assert_in_range(i, 0, USES - 1);
	}
}

static void the_owner_may_do_all(void **state)
{
	for (unsigned i = 0; i < USES; i++)
		check_use(*state, &uses[i], ROLE_ADMIN);
}

static void a_role_on_one_domain_is_for_that_alone(void **state)
{
	struct test_host *host = *state;
	host_define(host, "other");
	set_role(host, ROLE_ADMIN, "vm");
	for (unsigned i = 0; i < USES; i++)
		if (strcmp(uses[i].method, "org.chardev.Reload") != 0)
			check_use(host, &uses[i], ROLE_ADMIN);
	assert_error(ask(host, "org.chardev.Reload", ""), "org.chardev.Denied");
	/* Whether there is such a domain is not said. */
	json_t *one = ask(host, "org.chardev.Status", ",\"parameters\":{\"domain\":\"other\"}");
	json_t *none = ask(host, "org.chardev.Status", ",\"parameters\":{\"domain\":\"none\"}");
	assert_true(json_equal(one, none));
	json_decref(none);
	assert_error(one, "org.chardev.Denied");
	assert_string_equal(host_audit(host, "refused")->domain, "");
	assert_error(ask(host, "org.chardev.Define",
			     ",\"parameters\":{\"xml\":\"<domain type='test'><name>new</name><os>"
			     "<type>hvm</type></os></domain>\"}"),
		"org.chardev.Denied");
	if (domains_find(host->domains, "vm") == NULL)
		host_define(host, "vm");
	json_t *list = ask(host, "org.chardev.List", "");
	assert_int_equal(json_array_size(parameter_of(list, "domains")), 1);
	json_decref(list);
}

/* ---- what it takes -------------------------------------------------------------------------- */

static void parameters_are_checked(void **state)
{
	static const struct {
		const char *method, *rest, *wrong;
	} cases[] = {
		{"org.chardev.List", ",\"parameters\":{\"domain\":\"vm\"}", "domain"},
		{"org.chardev.Status", ",\"parameters\":{\"domain\":1}", "domain"},
		{"org.chardev.Status", ",\"parameters\":{\"domain\":\"vm\",\"live\":true}", "live"},
		{"org.chardev.Describe", "", "domain"},
		{"org.chardev.Describe", ",\"parameters\":{\"domain\":null}", "domain"},
		{"org.chardev.Describe", ",\"parameters\":{\"domain\":\"vm\",\"live\":1}", "live"},
		{"org.chardev.Attach",
			",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"tail\":-1}", "tail"},
		{"org.chardev.Attach",
			",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"tail\":1.0}",
			"tail"},
		{"org.chardev.Send", ",\"parameters\":{\"domain\":\"vm\"}", "data"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *reply = ask(*state, cases[i].method, cases[i].rest);
		const char *wrong = json_string_value(parameter_of(reply, "parameter"));
		assert_string_equal(wrong != NULL ? wrong : error_of(reply), cases[i].wrong);
		assert_error(reply, "org.varlink.service.InvalidParameter");
	}
}

static void what_has_no_meaning_is_refused(void **state)
{
	static const char *const attaches[] = {"\"tail\":1,\"since\":\"2026-01-01T00:00:00Z\"",
		"\"tail\":1,\"offset\":1", "\"since\":\"yesterday\"", "\"offset\":1",
		"\"epoch\":\"0000000000000000\"", "\"read_only\":true,\"force\":true"};
	for (size_t i = 0; i < sizeof(attaches) / sizeof(attaches[0]); i++) {
		char rest[256];
		snprintf(rest, sizeof(rest),
			",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",%s}", attaches[i]);
		assert_error(ask(*state, "org.chardev.Attach", rest), "org.chardev.Invalid");
	}
	assert_error(ask(*state, "org.chardev.Attach", VM), "org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Log", VM), "org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.List", ",\"upgrade\":true"), "org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Status", ",\"parameters\":{\"device\":\"serial0\"}"),
		"org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Status", ""), "org.varlink.service.ExpectedMore");
	assert_error(ask(*state, "org.chardev.Send",
			     ",\"parameters\":{\"domain\":\"vm\",\"data\":\"not base64\"}"),
		"org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Define", ",\"parameters\":{\"xml\":\"<domain>\"}"),
		"org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Status",
			     ",\"parameters\":{\"domain\":\"vm\",\"device\":\"serial9\"}"),
		"org.chardev.NotFound");
	assert_error(ask(*state, "org.chardev.Start", ",\"parameters\":{\"domain\":\"none\"}"),
		"org.chardev.NotFound");
}

/* ---- what it answers ------------------------------------------------------------------------ */

static void status_says_how_a_domain_is(void **state)
{
	json_t *reply = ask(*state, "org.chardev.Status", VM);
	json_t *domain = parameter_of(reply, "domain");
	json_t *devices = parameter_of(reply, "devices");
	assert_string_equal(json_string_value(json_object_get(domain, "name")), "vm");
	assert_string_equal(json_string_value(json_object_get(domain, "state")), "running");
	assert_int_equal(json_integer_value(json_object_get(domain, "devices")), 2);
	assert_int_equal(json_array_size(devices), 2);
	json_t *serial = json_array_get(devices, 0);
	assert_string_equal(json_string_value(json_object_get(serial, "alias")), "serial0");
	assert_string_equal(json_string_value(json_object_get(serial, "type")), "null");
	assert_true(json_is_null(json_object_get(serial, "last_output")));
	json_decref(reply);
	assert_error(ask(*state, "org.chardev.Stop", VM), "");
	reply = ask(*state, "org.chardev.Status", VM);
	domain = parameter_of(reply, "domain");
	assert_string_equal(json_string_value(json_object_get(domain, "state")), "stopped");
	assert_int_equal(json_integer_value(json_object_get(domain, "devices")), 2);
	assert_int_equal(json_array_size(parameter_of(reply, "devices")), 0);
	json_decref(reply);
	assert_error(ask(*state, "org.chardev.Stop", VM), "org.chardev.NotRunning");
	assert_error(ask(*state, "org.chardev.Break", VM), "org.chardev.NotRunning");
	assert_error(ask(*state, "org.chardev.Start", VM), "");
	assert_error(ask(*state, "org.chardev.Start", VM), "org.chardev.Failed");
}

static void status_of_all_comes_one_by_one(void **state)
{
	static const char *const names[] = {"a", "b", "vm"};
	struct test_caller caller;
	host_define(*state, "b");
	host_define(*state, "a");
	caller_init(&caller, *state);
	caller_send(&caller, "org.chardev.Status", ",\"more\":true");
	for (unsigned i = 0; i < 3; i++) {
		json_t *reply = caller_receive(&caller);
		json_t *name = json_object_get(parameter_of(reply, "domain"), "name");
		assert_string_equal(json_string_value(name), names[i]);
		assert_int_equal(json_is_true(json_object_get(reply, "continues")), i < 2);
		json_decref(reply);
	}
	assert_error(caller_ask(&caller, "org.chardev.List", ""), "");
	caller_fini(&caller);
}

static void calls_are_answered_in_their_order(void **state)
{
	struct test_caller caller;
	caller_init(&caller, *state);
	caller_send(&caller, "org.chardev.Stop", VM);
	caller_send(&caller, "org.chardev.List", ",\"oneway\":true");
	caller_send(&caller, "org.chardev.Start", ",\"oneway\":true" VM);
	caller_send(&caller, "org.chardev.Fly", ",\"oneway\":true");
	caller_send(&caller, "org.chardev.Describe", VM);
	assert_error(caller_receive(&caller), "");
	json_t *reply = caller_receive(&caller);
	assert_non_null(strstr(json_string_value(parameter_of(reply, "xml")), "<name>vm</name>"));
	json_decref(reply);
	assert_int_equal(served_state(domains_find(caller.host->domains, "vm")), SERVED_RUNNING);
	caller_fini(&caller);
}

static void who_shuts_down_its_side_is_still_answered(void **state)
{
	struct test_caller caller;
	caller_init(&caller, *state);
	caller_send(&caller, "org.chardev.List", "");
	shutdown(caller.fd, SHUT_WR);
	assert_error(caller_receive(&caller), "");
	assert_null(caller_receive(&caller));
	caller_fini(&caller);
}

/* ---- attached ------------------------------------------------------------------------------- */

static void assert_log_path(const struct test_host *host, const char *path)
{
	char expected[128];
	snprintf(expected, sizeof(expected), "%s/serial0.log", host->dir);
	assert_string_equal(path, expected);
}

static void who_is_attached_has_the_pen(void **state)
{
	static const char data[] = ",\"parameters\":{\"domain\":\"vm\",\"data\":\"aGk=\"%s}";
	struct test_host *host = *state;
	struct test_caller caller;
	char rest[128];
	caller_init(&caller, host);
	json_t *reply = caller_ask(&caller, "org.chardev.Attach", ",\"upgrade\":true" VM);
	assert_string_equal(json_string_value(parameter_of(reply, "device")), "serial0");
	assert_true(json_is_true(parameter_of(reply, "pen")));
	assert_int_equal(json_array_size(parameter_of(reply, "viewers")), 1);
	assert_int_equal(json_integer_value(parameter_of(reply, "offset")), 0);
	assert_log_path(host, json_string_value(parameter_of(reply, "log")));
	assert_error(reply, "");
	assert_int_equal(host_audit(host, "attach")->uid, getuid());
	snprintf(rest, sizeof(rest), data, "");
	assert_error(ask(host, "org.chardev.Send", rest), "org.chardev.Busy");
	assert_error(ask(host, "org.chardev.Break", VM), "org.chardev.Busy");
	snprintf(rest, sizeof(rest), data, ",\"force\":true");
	assert_error(ask(host, "org.chardev.Send", rest), "");
	assert_non_null(strstr(host_audit(host, "pen")->text, "by force"));
	caller_fini(&caller);
	settle(host);
	assert_string_equal(host_audit(host, "detach")->device, "serial0");
	assert_error(ask(host, "org.chardev.Break", VM), "");
	assert_string_equal(host_audit(host, "break")->device, "serial0");
}

static void a_log_is_asked_for_as_the_caller_says(void **state)
{
	json_t *reply = ask(*state, "org.chardev.Log",
		",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"tail\":7,\"follow\":true}");
	assert_log_path(*state, json_string_value(parameter_of(reply, "path")));
	json_decref(reply);
	assert_log_path(*state, fake_log_asked.path);
	assert_true(fake_log_asked.start.follow && fake_log_asked.start.has_tail);
	assert_int_equal(fake_log_asked.start.tail, 7);
	assert_false(fake_log_asked.start.has_since);
	assert_error(ask(*state, "org.chardev.Log",
			     ",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\","
			     "\"since\":\"1970-01-01T00:00:01.5Z\"}"),
		"");
	assert_int_equal(fake_log_asked.start.since_ms, 1500);
	assert_error(ask(*state, "org.chardev.Log",
			     ",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\",\"tail\":1,"
			     "\"since\":\"1970-01-01T00:00:01Z\"}"),
		"org.chardev.Invalid");
	assert_error(ask(*state, "org.chardev.Log",
			     ",\"upgrade\":true,\"parameters\":{\"domain\":\"vm\","
			     "\"device\":\"channel0\"}"),
		"org.chardev.NotFound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_service_describes_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_table_and_the_description_agree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_role_may_what_it_may, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_owner_may_do_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_role_on_one_domain_is_for_that_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parameters_are_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_no_meaning_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_says_how_a_domain_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(status_of_all_comes_one_by_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			calls_are_answered_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_shuts_down_its_side_is_still_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_attached_has_the_pen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_log_is_asked_for_as_the_caller_says, set_up, tear_down),
	};
	become_nobody();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
