/* libchardev's devices: the bytes of each kind of host interface, back-pressure, and their end. */
#include "library_bench.h"

#include <netinet/in.h>
#include <termios.h>

static int setup(void **state)
{
	struct bench *bench = malloc(sizeof(*bench));
	bench_init(bench);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	bench_fini(*state);
	free(*state);
	return 0;
}

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* ---- one interface after the other ------------------------------------------------------ */

static void null_takes_everything(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	char chunk[65536] = {0};
	bench_parse(bench, "<serial type='null'/>");
	bench_open(bench, "serial0", &heard);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
			chardev_device_write(heard.device, chunk, sizeof(chunk)), sizeof(chunk));
	struct chardev_device_status status = status_of(&heard);
	assert_int_equal(status.output, 100 * sizeof(chunk));
	assert_int_equal(status.peers, 1); /* the void itself */
	assert_int_equal(status.dropped, 0);
	assert_string_equal(status.command, "");
}

static void a_file_has_every_byte_when_the_engine_has_ended(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	char chunk[10000];
	struct stat st;
	memset(chunk, 'f', sizeof(chunk));
	bench_parse(bench, "<serial type='file'><source path='%s/f'/><log file='%s/log'/>"
			   "<chardev:log maxSize='0'/></serial>");
	bench_open(bench, "serial0", &heard);
	for (int i = 0; i < 300; i++)
		say_much(&heard, chunk, sizeof(chunk));
	bench->engine = chardev_engine_free(bench->engine);
	assert_int_equal(stat(bench_path(bench, "f"), &st), 0);
	assert_int_equal(st.st_size, 300 * sizeof(chunk));
	assert_int_equal(stat(bench_path(bench, "log"), &st), 0);
	assert_int_equal(st.st_size, 300 * sizeof(chunk));
	unlink(bench_path(bench, "f"));
	unlink(bench_path(bench, "f.idx"));
	unlink(bench_path(bench, "log"));
	unlink(bench_path(bench, "log.idx"));
}

static void a_unix_server_carries_bytes_both_ways(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	say(&heard, "before anybody came\n");
	int client = unix_client(bench_path(bench, "s"));
	expect_bytes(bench, client, "before anybody came\n");
	say(&heard, "login: ");
	expect_bytes(bench, client, "login: ");
	type(client, "root\n");
	serve_until(bench, has_typed(&heard, "root\n"));
	settle(bench);
	assert_true(heard.changes > 0);
	struct chardev_device_status status = status_of(&heard);
	assert_int_equal(status.peers, 1);
	assert_int_equal(status.connects, 1);
	assert_int_equal(status.output, 27);
	assert_int_equal(status.input, 5);
	assert_string_equal(status.last_error, "");
	assert_non_null(strstr(status.where, "/s"));
	assert_non_null(strstr(status.command, "/s"));
	close(client);
	serve_until(bench, status_of(&heard).peers == 0);
}

static int tcp_client(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void a_tcp_server_on_any_port_says_which(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/>"
			   "<protocol type='raw'/></serial>");
	bench_open(bench, "serial0", &heard);
	struct chardev_device_status status = status_of(&heard);
	const char *colon = strrchr(status.where, ':');
	assert_non_null(colon);
	int clients[2] = {tcp_client(atoi(colon + 1)), tcp_client(atoi(colon + 1))};
	serve_until(bench, status_of(&heard).peers == 2);
	say(&heard, "to all of you");
	for (int i = 0; i < 2; i++)
		expect_bytes(bench, clients[i], "to all of you");
	type(clients[0], "a");
	serve_until(bench, has_typed(&heard, "a"));
	type(clients[1], "b");
	serve_until(bench, has_typed(&heard, "ab"));
	for (int i = 0; i < 2; i++)
		close(clients[i]);
}

static int open_tty(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios mode;
	assert_int_equal(tcgetattr(fd, &mode), 0);
	cfmakeraw(&mode);
	assert_int_equal(tcsetattr(fd, TCSANOW, &mode), 0);
	return fd;
}

static void a_pty_has_a_link_in_the_directory(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='pty'/>");
	bench_open(bench, "serial0", &heard);
	int tty = open_tty(bench_path(bench, "serial0.pty"));
	serve_until(bench, status_of(&heard).peers == 1);
	say(&heard, "guest\n");
	expect_bytes(bench, tty, "guest\n");
	type(tty, "host");
	serve_until(bench, has_typed(&heard, "host"));
	close(tty);
	serve_until(bench, status_of(&heard).peers == 0);
}

static void a_pty_needs_no_directory(void **state)
{
	struct bench *bench = *state;
	struct heard heard = {.bench = bench};
	bench_parse(bench, "<serial type='pty'/>");
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, "serial0", NULL, NULL,
				 NULL, &heard.device, NULL),
		0);
	int tty = open_tty(status_of(&heard).where);
	serve_until(bench, status_of(&heard).peers == 1);
	say(&heard, "guest\n");
	expect_bytes(bench, tty, "guest\n");
	close(tty);
}

static void a_channel_gets_a_socket_in_the_directory(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<channel type='unix'><target type='virtio' name='a.b'/></channel>");
	bench_open(bench, "channel0", &heard);
	struct chardev_device_status status = status_of(&heard);
	const char *path = strstr(status.where, bench->dir);
	assert_non_null(path);
	int client = unix_client(path);
	serve_until(bench, status_of(&heard).peers == 1);
	say(&heard, "agent");
	expect_bytes(bench, client, "agent");
	close(client);
}

static void stdio_devices_share_the_log_of_the_domain(void **state)
{
	struct bench *bench = *state;
	struct heard heard[2];
	char got[64];
	bench_parse(bench, "<serial type='stdio'/><serial type='stdio'/>");
	bench_open(bench, "serial0", &heard[0]);
	bench_open(bench, "serial1", &heard[1]);
	say(&heard[0], "one ");
	say(&heard[1], "two\n");
	say(&heard[0], "line\n");
	bench->engine = chardev_engine_free(bench->engine);
	const char *path = bench_path(bench, "vm.log");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "one line\n"));
	assert_non_null(strstr(got, "two\n"));
	assert_int_equal(n, 13);
	close(fd);
	unlink(path);
	unlink(bench_path(bench, "vm.log.idx"));
}

/* ---- back-pressure ---------------------------------------------------------------------- */

static void a_reader_that_blocks_holds_up_the_guest_and_loses_nothing(void **state)
{
	enum { TOTAL = 1024 * 1024 };
	struct bench *bench = *state;
	struct heard heard;
	static unsigned char sent[TOTAL], got[TOTAL];
	for (size_t i = 0; i < TOTAL; i++)
		sent[i] = (unsigned char)(i * 7 + i / 251);
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/>"
			   "<chardev:history size='64KiB'/>"
			   "<chardev:overflow policy='block'/></serial>");
	bench_open(bench, "serial0", &heard);
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard).peers == 1);
	size_t at = (size_t)chardev_device_write(heard.device, sent, TOTAL);
	assert_true(at < TOTAL);
	assert_int_equal(chardev_device_write(heard.device, sent + at, TOTAL - at), 0);
	settle(bench);
	assert_int_equal(heard.rooms, 0);
	unsigned rooms = 0;
	for (size_t have = 0; have < TOTAL;) {
		ssize_t n = read(client, got + have, TOTAL - have);
		if (n > 0)
			have += (size_t)n;
		if (n <= 0)
			bench_round(bench, now_ms() + PATIENCE_MS);
		if (heard.rooms > rooms) {
			rooms = heard.rooms;
			at += (size_t)chardev_device_write(heard.device, sent + at, TOTAL - at);
		}
	}
	assert_memory_equal(got, sent, TOTAL);
	assert_true(rooms > 1);
	assert_int_equal(status_of(&heard).dropped, 0);
	close(client);
}

static void on_input_late(struct chardev_device *device, void *user)
{
	((struct heard *)user)->inputs++;
}

/* What the guest does not read stays where it is, and comes whole. */
static void a_guest_that_does_not_read_holds_up_its_peers(void **state)
{
	enum { TOTAL = 300 * 1000 };
	struct bench *bench = *state;
	const struct chardev_device_events events = {
		.size = sizeof(events), .on_input = on_input_late};
	struct heard heard = {.bench = bench};
	static unsigned char sent[TOTAL], got[TOTAL];
	for (size_t i = 0; i < TOTAL; i++)
		sent[i] = (unsigned char)(i * 11 + i / 253);
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, "serial0", NULL, &events,
				 &heard, &heard.device, NULL),
		0);
	int client = unix_client(bench_path(bench, "s"));
	size_t at = 0;
	for (ssize_t n; (n = write(client, sent + at, TOTAL - at)) > 0;) {
		at += (size_t)n;
		settle(bench);
	}
	assert_true(at < TOTAL);
	assert_true(heard.inputs > 0);
	for (size_t have = 0; have < TOTAL;) {
		unsigned inputs = heard.inputs;
		ssize_t n = chardev_device_read(heard.device, got + have, 1000);
		have += (size_t)n;
		if (n == 0 && have < at)
			serve_until(bench, heard.inputs > inputs);
		n = write(client, sent + at, TOTAL - at);
		at += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(got, sent, TOTAL);
	assert_int_equal(status_of(&heard).input, TOTAL);
	close(client);
}

/* ---- the end ---------------------------------------------------------------------------- */

static void closing_gives_peers_the_last_bytes_and_removes_what_was_made(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>"
			   "<serial type='pty'/>");
	bench_open(bench, "serial0", &heard);
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard).peers == 1);
	say(&heard, "the last words");
	assert_null(chardev_device_close(heard.device));
	assert_false(is_there(bench_path(bench, "s")));
	char got[32] = "";
	assert_int_equal(read(client, got, sizeof(got)), 14);
	assert_string_equal(got, "the last words");
	expect_end(bench, client);
	close(client);
	bench_open(bench, "serial1", &heard);
	assert_true(is_there(bench_path(bench, "serial1.pty")));
	chardev_device_close(heard.device);
	assert_false(is_there(bench_path(bench, "serial1.pty")));
}

static void a_device_may_be_closed_by_its_own_callback(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	heard.close_on_input = true;
	int client = unix_client(bench_path(bench, "s"));
	type(client, "logout");
	serve_until(bench, heard.inputs > 0);
	unsigned changes = heard.changes;
	expect_end(bench, client);
	settle(bench);
	assert_int_equal(heard.inputs, 1);
	assert_int_equal(heard.changes, changes);
	close(client);
}

/* Neither the reader that stands still nor the domain that is gone keeps the engine. */
static void an_engine_ends_with_open_devices_and_a_stuck_reader(void **state)
{
	struct bench *bench = *state;
	struct heard heard[3];
	static char much[256 * 1024];
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>"
			   "<serial type='pty'/><serial type='null'/>");
	bench_open(bench, "serial0", &heard[0]);
	bench_open(bench, "serial1", &heard[1]);
	bench_open(bench, "serial2", &heard[2]);
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard[0]).peers == 1);
	chardev_device_write(heard[0].device, much, sizeof(much));
	chardev_device_write(heard[0].device, much, sizeof(much));
	chardev_device_close(heard[0].device);
	bench->domain = chardev_domain_free(bench->domain);
	assert_true(is_there(bench_path(bench, "s")));
	int64_t began = now_ms();
	bench->engine = chardev_engine_free(bench->engine);
	assert_in_range(now_ms() - began, 1000, 4000);
	assert_false(is_there(bench_path(bench, "s")));
	assert_false(is_there(bench_path(bench, "serial1.pty")));
	close(client);
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_bench(null_takes_everything),
		with_bench(a_file_has_every_byte_when_the_engine_has_ended),
		with_bench(a_unix_server_carries_bytes_both_ways),
		with_bench(a_tcp_server_on_any_port_says_which),
		with_bench(a_pty_has_a_link_in_the_directory),
		with_bench(a_pty_needs_no_directory),
		with_bench(a_channel_gets_a_socket_in_the_directory),
		with_bench(stdio_devices_share_the_log_of_the_domain),
		with_bench(a_reader_that_blocks_holds_up_the_guest_and_loses_nothing),
		with_bench(a_guest_that_does_not_read_holds_up_its_peers),
		with_bench(closing_gives_peers_the_last_bytes_and_removes_what_was_made),
		with_bench(a_device_may_be_closed_by_its_own_callback),
		with_bench(an_engine_ends_with_open_devices_and_a_stuck_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
