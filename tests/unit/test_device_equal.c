/*
 * Comparing and copying a device's configuration: every field counts. A table changes each of them,
 * and a copy is equal, shares nothing and is released whole.
 */
#include "fail.h"
#include "test.h"

#include "model/device_config.h"
#include "model/device_equal.h"

#include <errno.h>
#include <string.h>

static char *text(const char *value)
{
	char *copy = strdup(value);
	assert_non_null(copy);
	return copy;
}

/* What is said where nothing was, or something else. */
static void say(char **field, const char *value)
{
	free(*field);
	*field = text(value);
}

static void base(struct device_config *device, enum source_type type)
{
	device_config_init(device, DEVICE_SERIAL);
	device->alias = text("serial0");
	device->source.type = type;
}

/* One change each, to a device of the row's type of source. */
#define SET(name, type, statement)                           \
	static void set_##name(struct device_config *device) \
	{                                                    \
		statement;                                   \
	}                                                    \
	static const struct row row_##name = {#name, type, set_##name};

struct row {
	const char *name;
	enum source_type type;
	void (*set)(struct device_config *device);
};

#define EXTENSIONS  device->extensions
#define UDP         device->source.u.udp
#define TCP         device->source.u.tcp
#define UNIX_SOCKET device->source.u.unix_socket

SET(kind, SOURCE_PTY, device->kind = DEVICE_PARALLEL)
SET(alias, SOURCE_PTY, say(&device->alias, "serial1"))
SET(alias_is_user, SOURCE_PTY, device->alias_is_user = true)
SET(alias_of_serial, SOURCE_PTY, device->alias_of_serial = 0)
SET(source_type, SOURCE_PTY, device->source.type = SOURCE_NULL)
SET(dev_path, SOURCE_DEV, say(&device->source.u.dev.path, "/x"))
SET(file_path, SOURCE_FILE, say(&device->source.u.file.path, "/x"))
SET(file_append, SOURCE_FILE, device->source.u.file.append = TRISTATE_YES)
SET(pipe_path, SOURCE_PIPE, say(&device->source.u.pipe.path, "/x"))
SET(tcp_mode, SOURCE_TCP, TCP.mode = SOCKET_BIND)
SET(tcp_host, SOURCE_TCP, say(&TCP.host, "x"))
SET(tcp_service, SOURCE_TCP, say(&TCP.service, "1"))
SET(tcp_protocol, SOURCE_TCP, TCP.protocol = TCP_PROTOCOL_TELNET)
SET(tcp_tls, SOURCE_TCP, TCP.tls = TRISTATE_NO)
SET(tcp_reconnect, SOURCE_TCP, TCP.reconnect.enabled = TRISTATE_YES)
SET(tcp_timeout, SOURCE_TCP, TCP.reconnect.timeout = 7)
SET(udp_connect_host, SOURCE_UDP, say(&UDP.connect_host, "x"))
SET(udp_connect_service, SOURCE_UDP, say(&UDP.connect_service, "1"))
SET(udp_bind_host, SOURCE_UDP, say(&UDP.bind_host, "x"))
SET(udp_bind_service, SOURCE_UDP, say(&UDP.bind_service, "1"))
SET(unix_mode, SOURCE_UNIX, UNIX_SOCKET.mode = SOCKET_BIND)
SET(unix_path, SOURCE_UNIX, say(&UNIX_SOCKET.path, "/x"))
SET(unix_reconnect, SOURCE_UNIX, UNIX_SOCKET.reconnect.enabled = TRISTATE_NO)
SET(unix_timeout, SOURCE_UNIX, UNIX_SOCKET.reconnect.timeout = 7)
SET(spiceport_channel, SOURCE_SPICEPORT, say(&device->source.u.spiceport.channel, "x"))
SET(dbus_channel, SOURCE_DBUS, say(&device->source.u.dbus.channel, "x"))
SET(nmdm_master, SOURCE_NMDM, say(&device->source.u.nmdm.master, "x"))
SET(nmdm_slave, SOURCE_NMDM, say(&device->source.u.nmdm.slave, "x"))
SET(clipboard, SOURCE_QEMU_VDAGENT, device->source.u.vdagent.clipboard_copypaste = TRISTATE_YES)
SET(mouse, SOURCE_QEMU_VDAGENT, device->source.u.vdagent.mouse = MOUSE_SERVER)
SET(log_file, SOURCE_PTY, say(&device->log.file, "/x"))
SET(log_append, SOURCE_PTY, device->log.append = TRISTATE_YES)
SET(target_port, SOURCE_PTY, device->target.port = 3)
SET(target_serial, SOURCE_PTY, device->target.serial = SERIAL_TARGET_USB)
SET(target_model, SOURCE_PTY, device->target.model = SERIAL_MODEL_PL011)
SET(target_console, SOURCE_PTY, device->target.console = CONSOLE_TARGET_XEN)
SET(target_channel, SOURCE_PTY, device->target.channel = CHANNEL_TARGET_XEN)
SET(target_iobase, SOURCE_PTY, device->target.iobase = 0x2f8)
SET(target_irq, SOURCE_PTY, device->target.irq = 3)
SET(target_name, SOURCE_PTY, say(&device->target.name, "x"))
SET(target_address, SOURCE_PTY, say(&device->target.address, "10.0.2.1"))
SET(target_guestfwd, SOURCE_PTY, device->target.guestfwd_port = 4)
SET(guest_type, SOURCE_PTY, EXTENSIONS.guest.type = GUEST_PORT_UNIX)
SET(guest_path, SOURCE_PTY, say(&EXTENSIONS.guest.path, "/x"))
SET(guest_listens, SOURCE_PTY, EXTENSIONS.guest.listens = TRISTATE_NO)
SET(history_size, SOURCE_PTY, EXTENSIONS.history.size = 4096)
SET(history_size_set, SOURCE_PTY, EXTENSIONS.history.size_set = true)
SET(history_replay, SOURCE_PTY, EXTENSIONS.history.replay = REPLAY_ALL)
SET(overflow_policy, SOURCE_PTY, EXTENSIONS.overflow.policy = OVERFLOW_BLOCK)
SET(overflow_patience, SOURCE_PTY, EXTENSIONS.overflow.patience_ms = 0)
SET(log_max_size, SOURCE_PTY, EXTENSIONS.log.max_size = 1)
SET(log_max_size_set, SOURCE_PTY, EXTENSIONS.log.max_size_set = true)
SET(log_max_backups, SOURCE_PTY, EXTENSIONS.log.max_backups = 0)
SET(log_timestamps, SOURCE_PTY, EXTENSIONS.log.timestamps = TRISTATE_YES)
SET(log_compress, SOURCE_PTY, EXTENSIONS.log.compress = TRISTATE_NO)
SET(clients_max, SOURCE_PTY, EXTENSIONS.clients_max = 1)
SET(line_speed, SOURCE_PTY, EXTENSIONS.line.speed = 9600)
SET(line_bits, SOURCE_PTY, EXTENSIONS.line.bits = 7)
SET(line_parity, SOURCE_PTY, EXTENSIONS.line.parity = PARITY_ODD)
SET(line_stop, SOURCE_PTY, EXTENSIONS.line.stop = 2)
SET(line_flow, SOURCE_PTY, EXTENSIONS.line.flow = FLOW_NONE)
SET(tls_said, SOURCE_PTY, EXTENSIONS.tls.said = true)
SET(tls_dir, SOURCE_PTY, say(&EXTENSIONS.tls.dir, "/x"))
SET(tls_verify, SOURCE_PTY, EXTENSIONS.tls.verify = TRISTATE_YES)
SET(tls_allow, SOURCE_PTY, say(&EXTENSIONS.tls.allow, "x"))
SET(socket_mode, SOURCE_PTY, EXTENSIONS.socket.mode = 0600)
SET(socket_group, SOURCE_PTY, say(&EXTENSIONS.socket.group, "x"))

static void add_seclabel(struct device_config *device)
{
	struct source *source = &device->source;
	size_t n = source->seclabel_count + 1;
	source->seclabels = realloc(source->seclabels, n * sizeof(*source->seclabels));
	assert_non_null(source->seclabels);
	source->seclabels[n - 1] = (struct seclabel){text("dac"), text("+0:+0"), TRISTATE_YES};
	source->seclabel_count = n;
}

static const struct row row_seclabel = {"seclabel", SOURCE_PTY, add_seclabel};

static const struct row *const rows[] = {&row_kind, &row_alias, &row_alias_is_user,
	&row_alias_of_serial, &row_source_type, &row_dev_path, &row_file_path, &row_file_append,
	&row_pipe_path, &row_tcp_mode, &row_tcp_host, &row_tcp_service, &row_tcp_protocol,
	&row_tcp_tls, &row_tcp_reconnect, &row_tcp_timeout, &row_udp_connect_host,
	&row_udp_connect_service, &row_udp_bind_host, &row_udp_bind_service, &row_unix_mode,
	&row_unix_path, &row_unix_reconnect, &row_unix_timeout, &row_spiceport_channel,
	&row_dbus_channel, &row_nmdm_master, &row_nmdm_slave, &row_clipboard, &row_mouse,
	&row_log_file, &row_log_append, &row_target_port, &row_target_serial, &row_target_model,
	&row_target_console, &row_target_channel, &row_target_iobase, &row_target_irq,
	&row_target_name, &row_target_address, &row_target_guestfwd, &row_guest_type,
	&row_guest_path, &row_guest_listens, &row_history_size, &row_history_size_set,
	&row_history_replay, &row_overflow_policy, &row_overflow_patience, &row_log_max_size,
	&row_log_max_size_set, &row_log_max_backups, &row_log_timestamps, &row_log_compress,
	&row_clients_max, &row_line_speed, &row_line_bits, &row_line_parity, &row_line_stop,
	&row_line_flow, &row_tls_said, &row_tls_dir, &row_tls_verify, &row_tls_allow,
	&row_socket_mode, &row_socket_group, &row_seclabel};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static void every_field_counts(void **state)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		struct device_config a, b;
		base(&a, rows[i]->type);
		base(&b, rows[i]->type);
		assert_true(device_config_equals(&a, &b));
		rows[i]->set(&b);
		if (device_config_equals(&a, &b) || device_config_equals(&b, &a))
			fail_msg("%s is not compared", rows[i]->name);
		rows[i]->set(&a);
		assert_true(device_config_equals(&a, &b));
		device_config_fini(&a);
		device_config_fini(&b);
	}
}

/* A table that lacks a new field would go unseen: its size is looked at instead. */
static void no_field_was_added_without_a_row(void **state)
{
	assert_int_equal(sizeof(struct extensions), 152);
	assert_int_equal(sizeof(struct target), 56);
	assert_int_equal(sizeof(struct source), 64);
	assert_int_equal(sizeof(struct device_config), 312);
}

static void the_line_in_the_document_is_no_part_of_it(void **state)
{
	struct device_config a, b;
	base(&a, SOURCE_PTY);
	base(&b, SOURCE_PTY);
	b.line = 100;
	assert_true(device_config_equals(&a, &b));
	device_config_fini(&a);
	device_config_fini(&b);
}

static void each_seclabel_counts(void **state)
{
	for (int field = 0; field < 3; field++) {
		struct device_config a, b;
		base(&a, SOURCE_PTY);
		base(&b, SOURCE_PTY);
		add_seclabel(&a);
		add_seclabel(&b);
		struct seclabel *label = &b.source.seclabels[0];
		if (field == 0)
			say(&label->model, "selinux");
		else if (field == 1)
			say(&label->label, "+1:+1");
		else
			label->relabel = TRISTATE_NO;
		assert_false(device_config_equals(&a, &b));
		device_config_fini(&a);
		device_config_fini(&b);
	}
}

static void a_copy_is_equal_and_its_own(void **state)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		struct device_config device, copy;
		base(&device, rows[i]->type);
		rows[i]->set(&device);
		add_seclabel(&device);
		assert_int_equal(device_config_copy(&device, &copy), 0);
		assert_true(device_config_equals(&device, &copy));
		assert_ptr_not_equal(copy.alias, device.alias);
		/* The address sanitizer tells what was shared, or lost. */
		device_config_fini(&device);
		assert_memory_equal(copy.alias, "serial", 6);
		assert_string_equal(copy.source.seclabels[0].label, "+0:+0");
		device_config_fini(&copy);
	}
}

static void a_copy_without_memory_leaves_nothing(void **state)
{
	struct device_config device, copy = {.line = 77};
	base(&device, SOURCE_UDP);
	add_seclabel(&device);
	fail_nth(FAIL_CALLOC, 1, ENOMEM);
	assert_int_equal(device_config_copy(&device, &copy), -ENOMEM);
	fail_reset();
	assert_int_equal(copy.line, 77);
	device_config_fini(&device);
}

static void what_is_asked_of_two_that_differ(void **state)
{
	struct device_config a, b;
	base(&a, SOURCE_FILE);
	base(&b, SOURCE_FILE);
	assert_true(device_file_equals(&a, &b));
	set_file_append(&b);
	assert_true(device_file_equals(&a, &b));
	assert_true(device_log_equals(&a, &b));
	set_log_append(&b);
	assert_true(device_log_equals(&a, &b));
	set_log_file(&b);
	assert_false(device_log_equals(&a, &b));
	set_file_path(&b);
	assert_false(device_file_equals(&a, &b));
	device_config_fini(&a);
	device_config_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_counts),
		cmocka_unit_test(no_field_was_added_without_a_row),
		cmocka_unit_test(the_line_in_the_document_is_no_part_of_it),
		cmocka_unit_test(each_seclabel_counts),
		cmocka_unit_test(a_copy_is_equal_and_its_own),
		cmocka_unit_test(a_copy_without_memory_leaves_nothing),
		cmocka_unit_test(what_is_asked_of_two_that_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
