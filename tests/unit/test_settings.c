/* daemon/settings.c: what is read, and that every error is told with its line. */
#include "test.h"

#include "daemon/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int parse(const char *text, struct settings *ret, struct diagnostics *diagnostics)
{
	*diagnostics = DIAGNOSTICS_INIT;
	return settings_parse(text, strlen(text), ret, diagnostics);
}

static void read_good(const char *text, struct settings *ret)
{
	struct diagnostics diagnostics;
	int code = parse(text, ret, &diagnostics);
	if (code < 0)
		fail_msg("%u: %s", diagnostics.entries[0].line, diagnostics.entries[0].message);
	assert_int_equal(diagnostics.count, 0);
	diagnostics_fini(&diagnostics);
}

static void nothing_said_is_the_defaults(void **state)
{
	static const char *const texts[] = {
		"", "\n", "# a comment\n; another\n", "[log]\n[access]\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct settings settings;
		read_good(texts[i], &settings);
		assert_int_equal(settings.quota_domain, SETTINGS_QUOTA_DOMAIN);
		assert_int_equal(settings.quota_host, SETTINGS_QUOTA_HOST);
		assert_int_equal(settings.access.count, 0);
		assert_int_equal(settings.access.owner, geteuid());
		settings_fini(&settings);
	}
}

static void quotas_are_sizes(void **state)
{
	struct settings settings;
	read_good("[log]\nquota_domain = 3MiB\nquota_host=0\n", &settings);
	assert_int_equal(settings.quota_domain, 3 << 20);
	assert_int_equal(settings.quota_host, 0);
	settings_fini(&settings);
}

static void groups_get_roles_everywhere_and_on_a_domain(void **state)
{
	struct settings settings;
	read_good("[access]\n"
		  "  viewers = root, 1234  2345\n" /* indented: still a line of its own */
		  "\toperators = 77\n"
		  "viewers = 55 ; said again\n"
		  "[access web 1]\r\n"
		  "admins = 99\r\n",
		&settings);
	static const struct {
		enum role role;
		gid_t group;
		const char *domain;
	} expected[] = {
		{ROLE_VIEWER, 0, NULL},
		{ROLE_VIEWER, 1234, NULL},
		{ROLE_VIEWER, 2345, NULL},
		{ROLE_OPERATOR, 77, NULL},
		{ROLE_VIEWER, 55, NULL},
		{ROLE_ADMIN, 99, "web 1"},
	};
	assert_int_equal(settings.access.count, 6);
	for (size_t i = 0; i < 6; i++) {
		const struct access_rule *rule = &settings.access.rules[i];
		assert_int_equal(rule->role, expected[i].role);
		assert_int_equal(rule->group, expected[i].group);
		if (expected[i].domain == NULL)
			assert_null(rule->domain);
		else
			assert_string_equal(rule->domain, expected[i].domain);
	}
	settings_fini(&settings);
}

static void each_error_has_its_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} rows[] = {
		{"quota_host = 1\n", 1, "before the first [section]"},
		{"[log]\n\nquota = 1\n", 3, "[log] has no key \"quota\""},
		{"[log]\nquota_host = much\n", 2, "\"much\" is no size"},
		{"[log]\nquota_host = -1\n", 2, "\"-1\" is no size"},
		{"[log]\nquota_host =\n", 2, "\"\" is no size"},
		{"[log]\nquota_host = 1\nquota_host = 2\n", 3, "set on line 2 already"},
		{"[log]\nquota_domain = 99999999999999999999\n", 2, "is no size"},
		{"# x\n[logs]\nanything = 1\n", 2, "there is no section [logs]"},
		{"[empty]\n", 1, "there is no section [empty]"},
		{"[accessory]\n", 1, "there is no section [accessory]"},
		{"[access]\nowners = root\n", 2, "[access] has no key \"owners\""},
		{"[access]\nviewer = root\n", 2, "[access] has no key \"viewer\""},
		{"[access vm]\nnones = root\n", 2, "[access] has no key \"nones\""},
		{"[access]\nviewers = root no-such-group\n", 2, "no group \"no-such-group\""},
		{"[access]\nviewers = 4294967295\n", 2, "no group \"4294967295\""},
		{"[log]\nword\n", 2, "neither a [section] nor KEY = VALUE"},
		{"[log\n", 1, "neither a [section] nor KEY = VALUE"},
		{"[access 3456789012345678901234567890123456789012345]\n", 1, "at most 49 bytes"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct settings settings;
		struct diagnostics diagnostics;
		assert_int_equal(parse(rows[i].text, &settings, &diagnostics), -EINVAL);
		assert_int_equal(diagnostics.count, 1);
		assert_int_equal(diagnostics.entries[0].line, rows[i].line);
		if (strstr(diagnostics.entries[0].message, rows[i].words) == NULL)
			fail_msg("%s: %s", rows[i].text, diagnostics.entries[0].message);
		diagnostics_fini(&diagnostics);
	}
}

static void all_errors_are_told_in_order(void **state)
{
	struct settings settings;
	struct diagnostics diagnostics;
	assert_int_equal(parse("word\n[log]\nanother\nquota_host = x\n[odd]\nthird\n", &settings,
				 &diagnostics),
		-EINVAL);
	assert_int_equal(diagnostics.count, 5);
	static const unsigned lines[] = {1, 3, 4, 5, 6};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(diagnostics.entries[i].line, lines[i]);
	diagnostics_fini(&diagnostics);
}

/* What inih would cut in two, or take for shorter than it is. */
static void lines_too_long_are_refused(void **state)
{
	char text[600];
	struct settings settings;
	struct diagnostics diagnostics;
	for (int digits = 170; digits < 300; digits += 5) {
		int n = snprintf(text, sizeof(text), "[access]\nviewers = %0*d\n", digits, 7);
		size_t line = (size_t)n - strlen("[access]\n\n");
		int code = parse(text, &settings, &diagnostics);
		assert_int_equal(code, line > SETTINGS_MAX_LINE ? -EINVAL : 0);
		if (code < 0)
			assert_int_equal(diagnostics.entries[0].line, 2);
		else
			settings_fini(&settings);
		diagnostics_fini(&diagnostics);
	}
	/* The longest section is whole. */
	read_good("[access 345678901234567890123456789012345678901234]\nviewers=1\n", &settings);
	assert_int_equal(strlen(settings.access.rules[0].domain), 42);
	settings_fini(&settings);
}

static void what_is_no_text_is_refused(void **state)
{
	static const char nul[] = "[log]\nquota_host = 1\0MiB\n";
	struct settings settings;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	assert_int_equal(settings_parse(nul, sizeof(nul) - 1, &settings, &diagnostics), -EINVAL);
	assert_int_equal(diagnostics.entries[0].line, 2);
	assert_non_null(strstr(diagnostics.entries[0].message, "NUL"));
	diagnostics_fini(&diagnostics);
	char *large = calloc(1, SETTINGS_MAX_BYTES + 1);
	memset(large, '\n', SETTINGS_MAX_BYTES + 1);
	assert_int_equal(settings_parse(large, SETTINGS_MAX_BYTES, &settings, &diagnostics), 0);
	settings_fini(&settings);
	assert_int_equal(
		settings_parse(large, SETTINGS_MAX_BYTES + 1, &settings, &diagnostics), -EINVAL);
	diagnostics_fini(&diagnostics);
	free(large);
}

static void rules_are_bounded(void **state)
{
	static const char line[] = "viewers = 1 2 3 4 5 6 7 8\n";
	char *text = calloc(1, 16 + 129 * sizeof(line));
	struct settings settings;
	struct diagnostics diagnostics;
	strcpy(text, "[access]\n");
	for (int i = 0; i < 128; i++)
		strcat(text, line);
	read_good(text, &settings);
	assert_int_equal(settings.access.count, SETTINGS_MAX_RULES);
	settings_fini(&settings);
	strcat(text, "viewers = 9\n");
	assert_int_equal(parse(text, &settings, &diagnostics), -EINVAL);
	assert_int_equal(diagnostics.entries[0].line, 130);
	diagnostics_fini(&diagnostics);
	free(text);
}

static void a_file_that_is_not_there(void **state)
{
	struct settings settings;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	assert_int_equal(settings_read("/nonexistent/x", false, &settings, &diagnostics), 0);
	settings_fini(&settings);
	assert_int_equal(settings_read("/nonexistent/x", true, &settings, &diagnostics), -EINVAL);
	assert_int_equal(diagnostics.entries[0].line, 0);
	diagnostics_fini(&diagnostics);
	assert_int_equal(settings_read("/", false, &settings, &diagnostics), -EINVAL);
	assert_non_null(strstr(diagnostics.entries[0].message, "directory"));
	diagnostics_fini(&diagnostics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_said_is_the_defaults),
		cmocka_unit_test(quotas_are_sizes),
		cmocka_unit_test(groups_get_roles_everywhere_and_on_a_domain),
		cmocka_unit_test(each_error_has_its_line),
		cmocka_unit_test(all_errors_are_told_in_order),
		cmocka_unit_test(lines_too_long_are_refused),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(rules_are_bounded),
		cmocka_unit_test(a_file_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
