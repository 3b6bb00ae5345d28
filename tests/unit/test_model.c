/* The model's values and bounds; what its grammar accepts is tests/xml/. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "model/document.h"

#define HEAD "<domain type='kvm' xmlns:c='urn:chardev:1'><name>d</name><os><type>hvm</type></os>"

static struct document *parse(const char *devices)
{
	char xml[4096];
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	int n = snprintf(xml, sizeof(xml), HEAD "<devices>%s</devices></domain>", devices);
	int r = document_parse(xml, (size_t)n, &diagnostics, &document);
	for (size_t i = 0; i < diagnostics.count; i++)
		print_message(
			"# %u: %s\n", diagnostics.entries[i].line, diagnostics.entries[i].message);
	diagnostics_fini(&diagnostics);
	assert_int_equal(r, 0);
	return document;
}

static const struct device_config *find(const struct document *document, const char *alias)
{
	const struct device_config *device = domain_find_device(document_domain(document), alias);
	assert_non_null(device);
	return device;
}

static void test_not_said(void **state)
{
	struct document *document = parse("<channel><target type='virtio'/></channel>");
	const struct device_config *device = find(document, "channel0");
	const struct extensions *said = &device->extensions;
	assert_int_equal(device->source.type, SOURCE_PTY);
	assert_null(device->log.file);
	assert_false(device->alias_is_user);
	assert_int_equal(device->alias_of_serial, -1);
	assert_int_equal(said->guest.type, GUEST_PORT_DEFAULT);
	assert_int_equal(said->guest.listens, TRISTATE_ABSENT);
	assert_false(said->history.size_set);
	assert_int_equal(said->history.replay, REPLAY_DEFAULT);
	assert_int_equal(said->overflow.policy, OVERFLOW_DEFAULT);
	assert_int_equal(said->overflow.patience_ms, -1);
	assert_false(said->log.max_size_set);
	assert_int_equal(said->log.max_backups, -1);
	assert_int_equal(said->clients_max, -1);
	assert_int_equal(said->line.speed, 0);
	assert_int_equal(said->socket.mode, -1);
	document_free(document);
}

static void test_said(void **state)
{
	struct document *document = parse("<serial type='unix'><source mode='bind' path='/s'/>"
					  "<log file='/l' append='on'/><alias name='ua-s'/>"
					  "<c:guest type='unix' path='/g' mode='bind'/>"
					  "<c:history size='2MiB' replay='none'/>"
					  "<c:overflow policy='drop' patience='2s'/>"
					  "<c:log maxSize='3MB' maxBackups='4' timestamps='yes'"
					  " compress='no'/><c:clients max='5'/>"
					  "<c:socket mode='0640' group='kvm'/></serial>");
	const struct device_config *device = find(document, "ua-s");
	const struct extensions *said = &device->extensions;
	assert_true(device->alias_is_user);
	assert_int_equal(device->source.u.unix_socket.mode, SOCKET_BIND);
	assert_string_equal(device->source.u.unix_socket.path, "/s");
	assert_string_equal(device->log.file, "/l");
	assert_int_equal(device->log.append, TRISTATE_YES);
	assert_int_equal(said->guest.type, GUEST_PORT_UNIX);
	assert_string_equal(said->guest.path, "/g");
	assert_int_equal(said->guest.listens, TRISTATE_YES);
	assert_true(said->history.size_set);
	assert_int_equal(said->history.size, 2 * 1024 * 1024);
	assert_int_equal(said->history.replay, REPLAY_NONE);
	assert_int_equal(said->overflow.policy, OVERFLOW_DROP);
	assert_int_equal(said->overflow.patience_ms, 2000);
	assert_true(said->log.max_size_set);
	assert_int_equal(said->log.max_size, 3000000);
	assert_int_equal(said->log.max_backups, 4);
	assert_int_equal(said->log.timestamps, TRISTATE_YES);
	assert_int_equal(said->log.compress, TRISTATE_NO);
	assert_int_equal(said->clients_max, 5);
	assert_int_equal(said->socket.mode, 0640);
	assert_string_equal(said->socket.group, "kvm");
	document_free(document);
}

static void test_line(void **state)
{
	struct document *document = parse("<serial type='dev'><source path='/dev/ttyS0'/><c:line "
					  "speed='9600' bits='7' parity='even' stop='2' "
					  "flow='xonxoff'/></serial>");
	const struct extensions *said = &find(document, "serial0")->extensions;
	assert_int_equal(said->line.speed, 9600);
	assert_int_equal(said->line.bits, 7);
	assert_int_equal(said->line.parity, PARITY_EVEN);
	assert_int_equal(said->line.stop, 2);
	assert_int_equal(said->line.flow, FLOW_XONXOFF);
	document_free(document);
}

static void test_order_and_aliases(void **state)
{
	static const char *const aliases[] = {
		"serial0", "serial1", "parallel0", "console0", "console1", "channel0"};
	struct document *document = parse("<channel><target type='virtio'/></channel>"
					  "<console type='null'><target type='virtio'/></console>"
					  "<serial/><parallel/><serial type='null'/>");
	const struct domain *domain = document_domain(document);
	assert_int_equal(domain->device_count, 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(domain->devices[i].alias, aliases[i]);
	assert_int_equal(find(document, "console0")->alias_of_serial, 0);
	assert_int_equal(find(document, "console1")->alias_of_serial, -1);
	assert_null(domain_find_device(domain, "serial2"));
	document_free(document);
}

static void test_generated_path_listens(void **state)
{
	struct document *document = parse("<channel type='unix'><source mode='connect'/>"
					  "<target type='virtio'/></channel>");
	const struct source *source = &find(document, "channel0")->source;
	assert_null(source->u.unix_socket.path);
	assert_int_equal(source->u.unix_socket.mode, SOCKET_BIND);
	document_free(document);
}

static void test_not_nul_terminated(void **state)
{
	static const char xml[] = HEAD "</domain>";
	size_t n = sizeof(xml) - 1;
	char *exact = malloc(n);
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	assert_non_null(exact);
	memcpy(exact, xml, n);
	assert_int_equal(document_parse(exact, n, &diagnostics, &document), 0);
	assert_int_equal(document_domain(document)->device_count, 0);
	document = document_free(document);
	/* Every shorter text is an error, and never a document. */
	for (size_t cut = 0; cut < n; cut++) {
		char *shorter = malloc(cut + 1);
		assert_non_null(shorter);
		memcpy(shorter, xml, cut);
		assert_true(document_parse(shorter, cut, &diagnostics, &document) < 0);
		assert_null(document);
		free(shorter);
	}
	assert_int_equal(diagnostics.errors, n);
	diagnostics_fini(&diagnostics);
	free(exact);
}

static void test_diagnostics_are_bounded(void **state)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	for (unsigned i = 0; i < DIAGNOSTICS_MAX + 10; i++)
		diagnostics_add(&diagnostics, i % 2 ? SEVERITY_WARNING : SEVERITY_ERROR,
			DIAGNOSTICS_MAX - i / 2, "%u", i);
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.errors, DIAGNOSTICS_MAX / 2 + 5);
	assert_int_equal(diagnostics.warnings, DIAGNOSTICS_MAX / 2 + 5);
	diagnostics_sort(&diagnostics);
	for (size_t i = 1; i < diagnostics.count; i++) {
		const struct diagnostic *before = &diagnostics.entries[i - 1];
		const struct diagnostic *at = &diagnostics.entries[i];
		assert_true(before->line <= at->line);
		if (before->line == at->line) /* the order in which they were found */
			assert_int_equal(atoi(before->message) + 1, atoi(at->message));
	}
	diagnostics_fini(&diagnostics);
}

static void test_names(void **state)
{
	assert_string_equal(device_kind_name(DEVICE_CHANNEL), "channel");
	assert_string_equal(tcp_protocol_name(TCP_PROTOCOL_TELNETS), "telnets");
	for (int type = 0; type < SOURCE_TYPE_COUNT; type++)
		assert_non_null(source_type_name((enum source_type)type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_said),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_order_and_aliases),
		cmocka_unit_test(test_generated_path_listens),
		cmocka_unit_test(test_not_nul_terminated),
		cmocka_unit_test(test_diagnostics_are_bounded),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
