/* vmm/qemu.c: the arguments for QEMU, from XML to words. */
#include "test.h"

#include "model/document.h"
#include "util/strbuf.h"
#include "vmm/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PORTS = 1024 };

struct scene {
	struct document *document;
	struct qemu_port ports[MAX_PORTS];
	char paths[MAX_PORTS][64];
	struct qemu_params params;
	struct diagnostics diagnostics;
	struct error err;
	struct qemu_arguments result;
	int code;
};

static bool is_presented(const struct device_config *config)
{
	return config->alias_of_serial < 0 && config->source.type != SOURCE_SPICEVMC;
}

/* As a domain without fifo and unix servers would stand: nothing is opened here. */
static void set_ports(struct scene *scene, const struct domain *domain)
{
	for (size_t i = 0; i < domain->device_count; i++) {
		const struct device_config *config = &domain->devices[i];
		if (!is_presented(config))
			continue;
		size_t n = scene->params.port_count++;
		enum guest_port_type type = config->extensions.guest.type;
		if (type == GUEST_PORT_DEFAULT)
			type = config->kind == DEVICE_CHANNEL ? GUEST_PORT_UNIX : GUEST_PORT_FIFO;
		snprintf(scene->paths[n], sizeof(scene->paths[n]), "/r/%s%s", config->alias,
			type == GUEST_PORT_UNIX ? ".sock" : "");
		const char *path = config->extensions.guest.path;
		scene->ports[n] = (struct qemu_port){
			.config = config,
			.type = type,
			.listens = config->extensions.guest.listens == TRISTATE_YES,
			.path = path != NULL ? path : scene->paths[n],
		};
	}
}

static struct scene *make(const char *attributes, const char *os, const char *devices,
	char *const *user_args, const char *qmp_path)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct strbuf xml = STRBUF_INIT;
	strbuf_addf(&xml,
		"<domain %s xmlns:chardev='urn:chardev:1'><name>vm</name><memory>1</memory>"
		"<os><type %s>hvm</type></os><devices>%s</devices></domain>",
		attributes, os, devices);
	char *text = strbuf_steal(&xml);
	struct diagnostics found = DIAGNOSTICS_INIT;
	if (document_parse(text, strlen(text), &found, &scene->document) < 0)
		fail_msg("%s: %s", devices, found.entries[0].message);
	diagnostics_fini(&found);
	free(text);
	const struct domain *domain = document_domain(scene->document);
	set_ports(scene, domain);
	scene->params.domain = domain;
	scene->params.ports = scene->ports;
	scene->params.user_args = user_args;
	scene->params.qmp_path = qmp_path;
	scene->params.diagnostics = &scene->diagnostics;
	scene->code = qemu_arguments_make(&scene->params, &scene->result, &scene->err);
	return scene;
}

static struct scene *make_x86(const char *devices)
{
	return make("type='kvm'", "arch='x86_64'", devices, NULL, NULL);
}

static void drop(struct scene *scene)
{
	qemu_arguments_fini(&scene->result);
	diagnostics_fini(&scene->diagnostics);
	document_free(scene->document);
	free(scene);
}

/* All arguments but the restraints at the end, one space between. */
static char *joined(const struct scene *scene, bool restraints)
{
	struct strbuf sb = STRBUF_INIT;
	for (size_t i = 0; i < scene->result.args.count; i++) {
		const char *arg = scene->result.args.items[i];
		const char *next = scene->result.args.items[i + 1];
		if (!restraints && next != NULL && strcmp(next, "none") == 0)
			break;
		strbuf_addf(&sb, "%s%s", i > 0 ? " " : "", arg);
	}
	return strbuf_steal(&sb);
}

static void expect(struct scene *scene, const char *expected)
{
	if (scene->code < 0)
		fail_msg("%s", scene->err.message);
	char *text = joined(scene, false);
	assert_string_equal(text, expected);
	free(text);
	drop(scene);
}

static void each_device_has_its_frontend(void **state)
{
	static const struct {
		const char *devices, *expected;
	} rows[] = {
		{"<serial type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=0"},
		{"<serial type='null'><target port='2'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=2"},
		{"<serial type='null'><target type='pci-serial'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device pci-serial,chardev=charserial0,id=serial0"},
		{"<serial type='null'><target type='usb-serial'/></serial>",
			"-device qemu-xhci,id=usb-serial-bus "
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device usb-serial,chardev=charserial0,id=serial0,bus=usb-serial-bus.0,"
			"always-plugged=on"},
		{"<serial type='null'><target type='isa-debug'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-debugcon,chardev=charserial0,id=serial0"},
		{"<parallel type='null'><target port='1'/></parallel>",
			"-chardev pipe,id=charparallel0,path=/r/parallel0 "
			"-device isa-parallel,chardev=charparallel0,id=parallel0,index=1"},
		{"<serial type='null'><alias name='ua-boot'/></serial>",
			"-chardev pipe,id=charua-boot,path=/r/ua-boot "
			"-device isa-serial,chardev=charua-boot,id=ua-boot,index=0"},
		{"<serial type='null'><target type='isa-debug'/>"
		 "<address type='isa' iobase='0x402'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-debugcon,chardev=charserial0,id=serial0,iobase=0x402"},
		{"<serial type='null'><address type='isa' iobase='2e8' irq='0x9'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=0,iobase=0x2e8,"
			"irq=0x9"},
		{"<serial type='null'><address type='pci' iobase='zzz'/></serial>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=0"},
		/* The console is the serial's other face: once. */
		{"<console type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=0"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(make_x86(rows[i].devices), rows[i].expected);
}

static void virtio_ports_share_one_controller(void **state)
{
	expect(make_x86("<console type='null'><target type='virtio'/></console>"
			"<console type='null'><target type='virtio'/></console>"
			"<channel type='null'><target type='virtio' name='org.x,y'/></channel>"),
		"-device virtio-serial-pci,id=virtio-serial0 "
		"-chardev pipe,id=charconsole0,path=/r/console0 "
		"-device virtconsole,chardev=charconsole0,id=console0,bus=virtio-serial0.0,nr=0 "
		"-chardev pipe,id=charconsole1,path=/r/console1 "
		"-device virtconsole,chardev=charconsole1,id=console1,bus=virtio-serial0.0,nr=1 "
		"-chardev socket,id=charchannel0,path=/r/channel0.sock,server=on,wait=off "
		"-device virtserialport,chardev=charchannel0,id=channel0,bus=virtio-serial0.0,nr=2,"
		"name=org.x,,y");
	/* Number 0 is for a console only. */
	expect(make_x86("<channel type='null'><target type='virtio'/></channel>"),
		"-device virtio-serial-pci,id=virtio-serial0 "
		"-chardev socket,id=charchannel0,path=/r/channel0.sock,server=on,wait=off "
		"-device "
		"virtserialport,chardev=charchannel0,id=channel0,bus=virtio-serial0.0,nr=1");
}

static char *many(const char *device, unsigned n)
{
	struct strbuf sb = STRBUF_INIT;
	for (unsigned i = 0; i < n; i++)
		strbuf_add(&sb, device);
	return strbuf_steal(&sb);
}

static void controllers_grow_and_end(void **state)
{
	static const struct {
		const char *device;
		unsigned count;
		const char *first; /* NULL: refused */
	} rows[] = {
		{"<channel type='null'><target type='virtio'/></channel>", 30,
			"virtio-serial-pci,id=virtio-serial0"},
		{"<channel type='null'><target type='virtio'/></channel>", 31,
			"virtio-serial-pci,id=virtio-serial0,max_ports=32"},
		{"<channel type='null'><target type='virtio'/></channel>", 511, NULL},
		{"<serial type='null'><target type='usb-serial'/></serial>", 4,
			"qemu-xhci,id=usb-serial-bus"},
		{"<serial type='null'><target type='usb-serial'/></serial>", 5,
			"qemu-xhci,id=usb-serial-bus,p2=5,p3=5"},
		{"<serial type='null'><target type='usb-serial'/></serial>", 16, NULL},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *devices = many(rows[i].device, rows[i].count);
		struct scene *scene = make_x86(devices);
		if (rows[i].first == NULL) {
			assert_int_equal(scene->code, -E2BIG);
			assert_non_null(strstr(scene->err.message, "leave 1 of them out"));
		} else {
			assert_int_equal(scene->code, 0);
			assert_string_equal(scene->result.args.items[1], rows[i].first);
		}
		drop(scene);
		free(devices);
	}
}

static void each_guest_port_has_its_chardev(void **state)
{
#define SERIAL(guest) "<serial type='null'>" guest "</serial>"
#define DEVICE        " -device isa-serial,chardev=charserial0,id=serial0,index=0"
	static const struct {
		const char *devices, *expected;
	} rows[] = {
		{SERIAL("<chardev:guest type='fifo' path='/a,b'/>"),
			"-chardev pipe,id=charserial0,path=/a,,b" DEVICE},
		{SERIAL("<chardev:guest type='unix' path='/s' mode='connect'/>"),
			"-chardev socket,id=charserial0,path=/s,server=on,wait=off" DEVICE},
		{SERIAL("<chardev:guest type='unix' path='/s' mode='bind'/>"),
			"-chardev socket,id=charserial0,path=/s,server=off,reconnect=1" DEVICE},
		{SERIAL("<chardev:guest type='pty' path='/p' mode='bind'/>"),
			"-chardev serial,id=charserial0,path=/p" DEVICE},
		{SERIAL("<chardev:guest type='stdio'/>"),
			"-chardev stdio,id=charserial0,signal=off" DEVICE},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(make_x86(rows[i].devices), rows[i].expected);
}

static void other_machines_have_other_devices(void **state)
{
	static const struct {
		const char *type, *os, *devices, *expected;
	} rows[] = {
		{"type='qemu'", "arch='aarch64' machine='virt'", "<serial type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 -serial chardev:charserial0"},
		{"type='qemu'", "arch='ppc64le' machine='pseries'", "<serial type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device spapr-vty,chardev=charserial0,id=serial0"},
		{"type='qemu'", "arch='s390x'",
			"<console type='null'><target type='sclplm'/></console>",
			"-chardev pipe,id=charconsole0,path=/r/console0 "
			"-device sclplmconsole,chardev=charconsole0,id=console0"},
		{"type='qemu'", "arch='s390x'", "<serial type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device sclpconsole,chardev=charserial0,id=serial0"},
		{"type='qemu'", "arch='s390x'",
			"<console type='null'><target type='virtio'/></console>",
			"-device virtio-serial-ccw,id=virtio-serial0 "
			"-chardev pipe,id=charconsole0,path=/r/console0 "
			"-device virtconsole,chardev=charconsole0,id=console0,"
			"bus=virtio-serial0.0,nr=0"},
		{"type='test'", "arch='x86_64'", "<serial type='null'/>",
			"-chardev pipe,id=charserial0,path=/r/serial0 "
			"-device isa-serial,chardev=charserial0,id=serial0,index=0"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(make(rows[i].type, rows[i].os, rows[i].devices, NULL, NULL),
			rows[i].expected);
}

static void forwards_share_one_network(void **state)
{
	expect(make_x86("<channel type='null'><target type='guestfwd' address='10.0.2.1' "
			"port='4600'/></channel>"
			"<channel type='null'><target type='guestfwd' address='10.0.2.1' "
			"port='4601'/></channel>"),
		"-chardev socket,id=charchannel0,path=/r/channel0.sock,server=on,wait=off "
		"-chardev socket,id=charchannel1,path=/r/channel1.sock,server=on,wait=off "
		"-netdev user,id=guestfwd0,guestfwd=tcp:10.0.2.1:4600-chardev:charchannel0,"
		"guestfwd=tcp:10.0.2.1:4601-chardev:charchannel1 "
		"-device virtio-net-pci,netdev=guestfwd0");
}

static void what_qemu_lacks_is_left_out_with_a_warning(void **state)
{
	struct scene *scene = make("type='test'", "arch='x86_64'",
		"<serial type='null'/>"
		"<console type='null'><target type='xen'/></console>"
		"<channel type='null'><target type='xen'/></channel>"
		"<channel type='spicevmc'><target type='virtio'/></channel>",
		NULL, NULL);
	assert_int_equal(scene->diagnostics.warnings, 2);
	assert_non_null(strstr(scene->diagnostics.entries[1].message, "channel0"));
	assert_string_equal(scene->result.chardev_ids.items[0], "charserial0");
	for (size_t i = 1; i < scene->result.chardev_ids.count; i++)
		assert_string_equal(scene->result.chardev_ids.items[i], "");
	expect(scene, "-chardev pipe,id=charserial0,path=/r/serial0 "
		      "-device isa-serial,chardev=charserial0,id=serial0,index=0");
}

static void what_cannot_be_is_a_sentence(void **state)
{
	struct scene *scene =
		make_x86(SERIAL("<chardev:guest type='pty' path='/p' mode='connect'/>"));
	assert_int_equal(scene->code, -EINVAL);
	assert_non_null(strstr(scene->err.message, "serial0: the name of a pty"));
	drop(scene);
	scene = make_x86("");
	qemu_arguments_fini(&scene->result);
	scene->ports[0] = (struct qemu_port){
		.config =
			&(struct device_config){.alias = (char *)"serial0", .alias_of_serial = -1},
		.type = GUEST_PORT_PROCESS,
	};
	scene->params.port_count = 1;
	assert_int_equal(qemu_arguments_make(&scene->params, &scene->result, &scene->err), -EINVAL);
	assert_non_null(strstr(scene->err.message, "inside this process"));
	drop(scene);
}

static void ids_give_way_to_the_persons(void **state)
{
	static const struct {
		const char *arg, *chardev, *device;
	} rows[] = {
		{"null,id=charserial0", "charserial0-2", "serial0"},
		{"null,id=charserial0-2,foo=charserial0", "charserial0", "serial0"},
		{"x,id=serial0,y", "charserial0", "serial0-2"},
		{"{\"driver\": \"x\", \"id\" : \"serial0\"}", "charserial0", "serial0-2"},
		{"x,id=serial01", "charserial0", "serial0"},
		{"x,uuid=serial0", "charserial0", "serial0"},
		{"chardev=charserial0", "charserial0", "serial0"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[200];
		char *user[] = {"-foo", (char *)rows[i].arg, NULL};
		snprintf(expected, sizeof(expected),
			"-chardev pipe,id=%s,path=/r/serial0 "
			"-device isa-serial,chardev=%s,id=%s,index=0",
			rows[i].chardev, rows[i].chardev, rows[i].device);
		expect(make("type='kvm'", "arch='x86_64'", SERIAL(""), user, NULL), expected);
	}
}

static void qemus_own_ports_are_kept_away(void **state)
{
	static const struct {
		const char *os;
		char *user[4];
		const char *end;
	} rows[] = {
		{"arch='x86_64'", {"-m", "64"},
			"-serial none -parallel none -monitor none -display none"},
		{"arch='x86_64'", {"-nographic"}, "-serial none -parallel none -monitor none"},
		{"arch='x86_64'", {"--display", "gtk"},
			"-serial none -parallel none -monitor none"},
		{"arch='x86_64'", {"-monitor", "stdio", "-vnc"}, "-serial none -parallel none"},
		{"arch='x86_64'", {"-serial", "stdio"},
			"-parallel none -monitor none -display none"},
		{"arch='x86_64'", {"-append", "display"},
			"-serial none -parallel none -monitor none -display none"},
		{"arch='aarch64' machine='virt'", {"-m", "64"},
			"-parallel none -monitor none -display none"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *scene = make(
			"type='kvm'", rows[i].os, SERIAL(""), (char *const *)rows[i].user, NULL);
		char *text = joined(scene, true);
		const char *end = strstr(text, rows[i].end);
		assert_non_null(end);
		assert_string_equal(end, rows[i].end);
		size_t words = 0;
		for (const char *c = text; (c = strstr(c, " none")) != NULL; c++)
			words++;
		size_t wanted = 0;
		for (const char *c = rows[i].end; (c = strstr(c, " none")) != NULL; c++)
			wanted++;
		assert_int_equal(words, wanted);
		free(text);
		drop(scene);
	}
}

static void the_monitor_is_qmp(void **state)
{
	expect(make("type='kvm'", "arch='x86_64'", "", NULL, "/r/a,b/qmp.sock"),
		"-chardev socket,id=chardevqmp,path=/r/a,,b/qmp.sock,server=on,wait=off "
		"-mon chardev=chardevqmp,mode=control");
}

static void programs_are_known_by_name(void **state)
{
	assert_true(qemu_is_program("qemu-system-x86_64"));
	assert_true(qemu_is_program("/usr/bin/qemu-system-aarch64"));
	assert_true(qemu_is_program("/usr/libexec/qemu-kvm"));
	assert_false(qemu_is_program("qemu-img"));
	assert_false(qemu_is_program("/opt/qemu-system-x/run.sh"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_device_has_its_frontend),
		cmocka_unit_test(virtio_ports_share_one_controller),
		cmocka_unit_test(controllers_grow_and_end),
		cmocka_unit_test(each_guest_port_has_its_chardev),
		cmocka_unit_test(other_machines_have_other_devices),
		cmocka_unit_test(forwards_share_one_network),
		cmocka_unit_test(what_qemu_lacks_is_left_out_with_a_warning),
		cmocka_unit_test(what_cannot_be_is_a_sentence),
		cmocka_unit_test(ids_give_way_to_the_persons),
		cmocka_unit_test(qemus_own_ports_are_kept_away),
		cmocka_unit_test(the_monitor_is_qmp),
		cmocka_unit_test(programs_are_known_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
