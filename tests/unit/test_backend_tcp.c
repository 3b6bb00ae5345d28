/* The backend tcp: addresses, refusals, clients, connecting and connecting again. */
#include "fake_device.h"

#include "fail.h"

#include "backend/connector.h"
#include "util/fd.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void init(
	struct fake_device *device, enum socket_mode mode, const char *host, const char *service)
{
	fake_init(device, DEVICE_SERIAL, SOURCE_TCP);
	device->config.source.u.tcp.mode = mode;
	device->config.source.u.tcp.host = (char *)host;
	device->config.source.u.tcp.service = (char *)service;
}

static void make_address(struct sockaddr_storage *ret, socklen_t *ret_size, int family, int port)
{
	memset(ret, 0, sizeof(*ret));
	if (family == AF_INET6) {
		*(struct sockaddr_in6 *)ret = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_addr = in6addr_loopback,
			.sin6_port = htons((uint16_t)port)};
		*ret_size = sizeof(struct sockaddr_in6);
	} else {
		*(struct sockaddr_in *)ret = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons((uint16_t)port)};
		*ret_size = sizeof(struct sockaddr_in);
	}
}

/* A client of loopback, or a negative errno. */
static int dial(int family, int port)
{
	struct sockaddr_storage address;
	socklen_t size;
	make_address(&address, &size, family, port);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	int code = -errno;
	close(fd);
	return code;
}

/* A server on loopback; *port 0 becomes the port it got. */
static int serve(int family, int *port, int backlog)
{
	static const int on = 1;
	struct sockaddr_storage address;
	socklen_t size;
	make_address(&address, &size, family, *port);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	return fd;
}

static int bound_port(struct fake_device *device, struct backend_description *text)
{
	device->backend->ops->describe(device->backend, text);
	return atoi(text->service);
}

static bool has_in6(void)
{
	int port = 0;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_storage address;
	socklen_t size;
	make_address(&address, &size, AF_INET6, port);
	bool there = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0;
	fd_close(fd);
	if (!there)
		print_message("skipped: this host has no IPv6 loopback\n");
	return there;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void bytes_go_both_ways(void **state)
{
	struct fake_device device;
	struct backend_description text;
	char expected[128], got[16];
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	snprintf(expected, sizeof(expected), "tcp 127.0.0.1:%d", port);
	assert_string_equal(text.where, expected);
	snprintf(expected, sizeof(expected), "socat -,raw,echo=0,escape=0x1d tcp:127.0.0.1:%d",
		port);
	assert_string_equal(text.command, expected);
	int fd = dial(AF_INET, port);
	fake_wait(&device, device.peer_count == 1);
	assert_int_equal(device.state, BACKEND_LISTENING);
	assert_int_equal(strncmp(device.peers[0].name, "127.0.0.1:", 10), 0);
	assert_int_equal(write(fd, "in", 2), 2);
	fake_wait(&device, device.peers[0].input_size == 2);
	assert_int_equal(fake_write(&device.peers[0], "out"), 3);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	fake_fini(&device);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	close(fd);
	assert_int_equal(dial(AF_INET, port), -ECONNREFUSED);
}

/* Which of loopback's two families reach what is bound to `host`, and which command is told. */
static void check_host(const char *host, bool in4, bool in6, const char *command)
{
	struct fake_device device;
	struct backend_description text;
	struct error err = {0};
	init(&device, SOCKET_BIND, host, "0");
	if (fake_open(&device, &err) != 0)
		fail_msg("%s: %s", host, err.message);
	int port = bound_port(&device, &text);
	assert_non_null(strstr(text.command, command));
	int fds[2] = {dial(AF_INET, port), dial(AF_INET6, port)};
	assert_int_equal(fds[0] >= 0, in4);
	assert_int_equal(fds[1] >= 0, in6);
	fake_wait(&device, device.peer_count == in4 + in6);
	for (int i = 0; i < 2; i++)
		fd_close(fds[i]);
	fake_fini(&device);
}

static void hosts_mean_what_they_say(void **state)
{
	check_host("127.0.0.1", true, false, "tcp:127.0.0.1:");
	check_host("0.0.0.0", true, false, "tcp:127.0.0.1:");
	if (!has_in6())
		return;
	check_host("::1", false, true, "tcp:'[::1]:");
	check_host("[::1]", false, true, "tcp:'[::1]:");
	check_host("", true, true, "tcp:127.0.0.1:");
	check_host("::", true, true, "tcp:127.0.0.1:");
	check_host("localhost", true, true, "tcp:127.0.0.1:");
}

static void refused(
	enum socket_mode mode, const char *host, const char *service, int code, const char *part)
{
	struct fake_device device;
	struct error err = {0};
	init(&device, mode, host, service);
	assert_int_equal(fake_open(&device, &err), code);
	if (strstr(err.message, part) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", err.message, part);
	fake_fini(&device);
}

static void what_cannot_be_bound_is_told(void **state)
{
	char service[16];
	int port = 0, server = serve(AF_INET, &port, 1);
	snprintf(service, sizeof(service), "%d", port);
	refused(SOCKET_BIND, "127.0.0.1", service, -EADDRINUSE, "is in use by another program");
	refused(SOCKET_BIND, "0.0.0.0", service, -EADDRINUSE, "is in use by another program");
	refused(SOCKET_BIND, "localhost", service, -EADDRINUSE, "is in use by another program");
	close(server);
	if (has_in6()) { /* half of localhost is not localhost */
		port = 0;
		server = serve(AF_INET6, &port, 1);
		snprintf(service, sizeof(service), "%d", port);
		refused(SOCKET_BIND, "localhost", service, -EADDRINUSE, "[::1]:");
		close(server);
		assert_int_equal(dial(AF_INET, port), -ECONNREFUSED);
	}
	refused(SOCKET_BIND, "192.0.2.1", "4001", -EADDRNOTAVAIL, "192.0.2.1:4001 is no address");
	refused(SOCKET_BIND, "127.0.0.1", "65536", -EINVAL, "0 to 65535");
	refused(SOCKET_BIND, "127.0.0.1", "99999999999999999999", -EINVAL, "0 to 65535");
	refused(SOCKET_BIND, "127.0.0.1", "no-such-service", -EINVAL, "no-such-service");
	refused(SOCKET_BIND, "127.0.0.1", "", -EINVAL, "no port is named");
	refused(SOCKET_CONNECT, "127.0.0.1", "0", -EINVAL, "cannot be connected to");
}

static void a_low_port_needs_permission(void **state)
{
	if (getuid() != 0) {
		print_message("skipped: only root can become nobody\n");
		skip();
	}
	pid_t child = fork();
	if (child == 0) {
		struct fake_device device;
		struct error err = {0};
		init(&device, SOCKET_BIND, "127.0.0.1", "81");
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		int rc = fake_open(&device, &err);
		_exit(rc == -EACCES && strstr(err.message, "ports below 1024") != NULL ? 0 : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

/* Whatever asks for TLS is refused where there are no certificates, and never becomes plain TCP. */
static void nothing_secure_becomes_plain(void **state)
{
	static const struct {
		enum tcp_protocol protocol;
		enum tristate tls;
	} cases[] = {
		{TCP_PROTOCOL_TLS, TRISTATE_ABSENT},
		{TCP_PROTOCOL_TLS, TRISTATE_YES},
		{TCP_PROTOCOL_TLS, TRISTATE_NO},
		{TCP_PROTOCOL_TELNETS, TRISTATE_ABSENT},
		{TCP_PROTOCOL_TELNETS, TRISTATE_YES},
		{TCP_PROTOCOL_TELNET, TRISTATE_YES},
		{TCP_PROTOCOL_RAW, TRISTATE_YES},
	};
	char dir[] = "/tmp/chardev-tcp-XXXXXX";
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int mode = 0; mode < SOCKET_MODE_COUNT; mode++) {
			struct fake_device device;
			struct error err = {0};
			init(&device, (enum socket_mode)mode, "127.0.0.1", "4001");
			device.config.source.u.tcp.protocol = cases[i].protocol;
			device.config.source.u.tcp.tls = cases[i].tls;
			device.config.extensions.tls.dir = dir;
			assert_int_equal(fake_open(&device, &err), -ENOENT);
			assert_non_null(strstr(err.message, dir));
			assert_int_equal(dial(AF_INET, 4001), -ECONNREFUSED);
			fake_fini(&device);
		}
	}
	assert_int_equal(rmdir(dir), 0);
}

static void a_hundred_clients(void **state)
{
	enum { CLIENTS = 100 };
	struct fake_device device;
	struct backend_description text;
	int fds[CLIENTS];
	char got[4];
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	device.config.extensions.clients_max = CLIENTS;
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = dial(AF_INET, port);
		assert_true(fds[i] >= 0);
	}
	fake_wait(&device, device.peer_count == CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(fake_write(&device.peers[i], "abc"), 3);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(read(fds[i], got, sizeof(got)), 3);
		close(fds[i]);
	}
	fake_fini(&device);
}

static void a_client_too_many_is_refused(void **state)
{
	struct fake_device device;
	struct backend_description text;
	int fds[17];
	char byte;
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	for (int i = 0; i < 17; i++)
		fds[i] = dial(AF_INET, port);
	fake_wait(&device, device.failure == -EUSERS);
	assert_int_equal(device.peer_count, 16);
	assert_non_null(strstr(device.reason, "16 clients are connected"));
	assert_int_equal(read(fds[16], &byte, 1), 0);
	/* One that has closed, which TCP shows as the end of its input only, makes room. */
	close(fds[3]);
	close(fds[16]);
	fake_wait(&device, device.peers[3].input_ended);
	fds[16] = dial(AF_INET, port);
	fake_wait(&device, device.peer_count == 17);
	fake_wait(&device, device.peers[3].gone);
	for (int i = 0; i < 17; i++)
		if (i != 3)
			close(fds[i]);
	fake_fini(&device);
}

/* Peers that are ended, but whose device does not let go of them (a guest that takes no input). */
static void those_that_only_look_alive_are_bounded(void **state)
{
	struct fake_device device;
	struct backend_description text;
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	device.config.extensions.clients_max = 2;
	device.keep_gone = true;
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	fake_wait(&device, device.state == BACKEND_LISTENING);
	int before = device.states, joined = 0;
	for (int i = 1; i <= 10; i++) {
		int fd = dial(AF_INET, port);
		assert_true(fd >= 0);
		fake_wait(&device, device.peer_count + device.states - before == i);
		close(fd);
		if (device.peer_count > joined)
			fake_wait(&device, device.peers[device.peer_count - 1].input_ended);
		joined = device.peer_count;
	}
	assert_int_equal(joined, 2 + 2);
	assert_int_equal(device.failure, -EUSERS);
	fake_fini(&device);
}

static void what_was_written_before_the_close_arrives(void **state)
{
	static char bytes[100000];
	struct fake_device device;
	struct backend_description text;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 23);
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int fd = dial(AF_INET, bound_port(&device, &text));
	assert_int_equal(fd_write_all(fd, bytes, sizeof(bytes)), 0);
	close(fd);
	fake_wait(&device, device.peer_count == 1 && device.peers[0].input_ended);
	assert_int_equal(device.peers[0].input_size, sizeof(bytes));
	assert_memory_equal(device.peers[0].input, bytes, sizeof(bytes));
	fake_fini(&device);
}

static void accepting_survives_every_error(void **state)
{
	static const int of_one_client[] = {ECONNABORTED, EINTR, EPERM, ENETDOWN};
	static const int of_the_process[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
	struct fake_device device;
	struct backend_description text;
	int count = 0;
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	for (size_t i = 0; i < sizeof(of_one_client) / sizeof(int); i++) {
		fail_reset();
		fail_nth(FAIL_ACCEPT4, 1, of_one_client[i]);
		int fd = dial(AF_INET, port);
		fake_wait(&device, device.peer_count == count + 1);
		count++;
		close(fd);
	}
	assert_int_equal(device.failure, 0);
	for (size_t i = 0; i < sizeof(of_the_process) / sizeof(int); i++) {
		fail_reset();
		fail_nth(FAIL_ACCEPT4, 1, of_the_process[i]);
		int fd = dial(AF_INET, port);
		fake_wait(&device, device.failure == -of_the_process[i]);
		assert_non_null(strstr(device.reason, "wait"));
		fake_settle(&device);
		assert_int_equal(fail_count(FAIL_ACCEPT4), 1);
		fake_wait(&device, device.peer_count == count + 1); /* by the timer */
		count++;
		close(fd);
	}
	fail_reset();
	fake_fini(&device);
}

/* Each system call that opening makes fails once: a sentence, and nothing is left behind. */
static void opening_survives_every_error(void **state)
{
	static const enum fail_call calls[] = {FAIL_SOCKET, FAIL_BIND, FAIL_LISTEN, FAIL_CALLOC};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1; n < 10; n++) {
			struct fake_device device;
			struct error err = {0};
			init(&device, SOCKET_BIND, "localhost", "0");
			int highest = dup(0);
			close(highest);
			fail_reset();
			fail_nth(calls[i], n, ENOMEM);
			int rc = fake_open(&device, &err);
			int made = fail_count(calls[i]);
			fail_reset();
			if (rc < 0) {
				assert_string_not_equal(err.message, "");
				int again = dup(0);
				close(again);
				assert_int_equal(again, highest);
			}
			fake_fini(&device);
			if (made < n)
				break;
			assert_true(n < 9);
		}
	}
}

static int accept_one(struct fake_device *device, int server)
{
	fake_wait(device, device->state == BACKEND_CONNECTED);
	int fd = accept(server, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void a_server_is_found_when_it_comes_and_comes_back(void **state)
{
	struct fake_device device;
	struct backend_description text;
	char service[16], got[8];
	int port = 0;
	close(serve(AF_INET, &port, -1));
	snprintf(service, sizeof(service), "%d", port);
	init(&device, SOCKET_CONNECT, "127.0.0.1", service);
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.failure == -ECONNREFUSED);
	assert_int_equal(device.state, BACKEND_CONNECTING);
	assert_non_null(strstr(device.reason, "connection refused by 127.0.0.1:"));
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, service));
	assert_non_null(strstr(text.command, "tcp4-listen:"));
	for (int i = 0; i < 3; i++) {
		int server = serve(AF_INET, &port, 5);
		int peer = accept_one(&device, server);
		assert_int_equal(device.peer_count, i + 1);
		assert_string_equal(strchr(device.peers[i].name, ':') + 1, service);
		assert_int_equal(write(peer, "x", 1), 1);
		fake_wait(&device, device.peers[i].input_size == 1);
		assert_int_equal(fake_write(&device.peers[i], "out"), 3);
		assert_int_equal(read(peer, got, sizeof(got)), 3);
		close(peer);
		close(server);
		fake_wait(&device, device.state == BACKEND_CONNECTING);
		assert_true(device.peers[i].gone);
	}
	fake_fini(&device);
}

static void all_addresses_are_tried(void **state)
{
	struct fake_device device;
	char service[16];
	int port = 0;
	if (!has_in6())
		skip();
	/* localhost is 127.0.0.1 first; only ::1 listens. */
	int server = serve(AF_INET6, &port, 5);
	snprintf(service, sizeof(service), "%d", port);
	init(&device, SOCKET_CONNECT, "localhost", service);
	assert_int_equal(fake_open(&device, NULL), 0);
	int peer = accept_one(&device, server);
	assert_int_equal(device.failure, 0);
	assert_int_equal(strncmp(device.peers[0].name, "[::1]:", 6), 0);
	close(peer);
	close(server);
	fake_fini(&device);
}

static void names_that_do_not_resolve_are_a_state(void **state)
{
	struct fake_device device;
	struct error err = {0};
	for (int mode = 0; mode < SOCKET_MODE_COUNT; mode++) {
		init(&device, (enum socket_mode)mode, "no-such-host.invalid", "4001");
		assert_int_equal(fake_open(&device, &err), 0);
		fake_wait(&device, device.failure < 0);
		assert_non_null(strstr(device.reason, "no-such-host.invalid"));
		assert_int_equal(
			device.state, mode == SOCKET_BIND ? BACKEND_IDLE : BACKEND_CONNECTING);
		fake_fini(&device);
		/* Closed while the question is under way. */
		init(&device, (enum socket_mode)mode, "no-such-host.invalid", "4001");
		assert_int_equal(fake_open(&device, &err), 0);
		fake_fini(&device);
	}
}

/* This host's own name stands in /etc/hosts or is what its resolver makes of it. */
static void a_name_is_bound_without_blocking(void **state)
{
	struct fake_device device;
	struct backend_description text;
	char host[256] = "";
	struct addrinfo *list = NULL;
	gethostname(host, sizeof(host) - 1);
	if (getaddrinfo(host, NULL, NULL, &list) != 0) {
		print_message("skipped: this host's name \"%s\" does not resolve\n", host);
		skip();
	}
	freeaddrinfo(list);
	init(&device, SOCKET_BIND, host, "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.states == 1);
	assert_int_equal(device.state, BACKEND_LISTENING);
	assert_true(bound_port(&device, &text) > 0);
	fake_fini(&device);
}

struct probe {
	struct connector connector;
	int code;
	uint64_t took_ms;
	uint64_t begun_ms;
	int rounds;
	bool closed;
};

static void probe_prepare(struct connector *connector)
{
	struct probe *probe = container_of(connector, struct probe, connector);
	probe->rounds++;
	probe->begun_ms = loop_now_ms(connector->loop);
}

static void probe_options(struct connector *connector, int fd)
{
}

static void probe_connected(struct connector *connector, int fd, const struct address *address)
{
	fail_msg("nobody accepts here");
}

static void probe_failed(struct connector *connector, int code, const char *reason)
{
	struct probe *probe = container_of(connector, struct probe, connector);
	probe->code = code;
	probe->took_ms = loop_now_ms(connector->loop) - probe->begun_ms;
}

static bool probe_will_kick(struct connector *connector, int code)
{
	return false;
}

static void probe_closed(struct connector *connector)
{
	container_of(connector, struct probe, connector)->closed = true;
}

static const struct connector_ops probe_ops = {
	.prepare = probe_prepare,
	.set_options = probe_options,
	.connected = probe_connected,
	.failed = probe_failed,
	.will_kick = probe_will_kick,
};

/* A full queue swallows the handshake, as a vanished host does. */
static void a_silent_server_has_a_deadline(void **state)
{
	struct fake_device device;
	struct probe probe = {0};
	int port = 0, fds[8], n = 0;
	int server = serve(AF_INET, &port, 0);
	struct sockaddr_storage address;
	socklen_t size;
	make_address(&address, &size, AF_INET, port);
	for (; n < 4; n++) {
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[n], (struct sockaddr *)&address, size);
	}
	init(&device, SOCKET_CONNECT, "127.0.0.1", "1");
	connector_init_host(&probe.connector, device.loop, &probe_ops, "127.0.0.1", (uint16_t)port);
	probe.connector.deadline_ms = 200;
	connector_start(&probe.connector);
	fake_wait(&device, probe.code != 0);
	assert_int_equal(probe.code, -ETIMEDOUT);
	assert_in_range(probe.took_ms, 200, 5000);
	fake_wait(&device, probe.rounds == 2);
	connector_close(&probe.connector, probe_closed); /* while it connects */
	fake_wait(&device, probe.closed);
	while (n > 0)
		close(fds[--n]);
	close(server);
	fake_fini(&device);
}

static void pauses_double_up_to_the_limit(void **state)
{
	struct fake_device device;
	struct probe probe = {0};
	int port = 0;
	uint64_t begun[6];
	close(serve(AF_INET, &port, -1));
	init(&device, SOCKET_CONNECT, "127.0.0.1", "1");
	connector_init_host(&probe.connector, device.loop, &probe_ops, "127.0.0.1", (uint16_t)port);
	probe.connector.longest_pause_ms = 300;
	connector_start(&probe.connector);
	for (int i = 0; i < 6; i++) {
		fake_wait(&device, probe.rounds == i + 1);
		begun[i] = probe.begun_ms;
	}
	static const uint64_t pauses[] = {100, 200, 300, 300, 300};
	for (int i = 0; i < 5; i++)
		assert_in_range(begun[i + 1] - begun[i], pauses[i], pauses[i] + 90);
	connector_close(&probe.connector, probe_closed);
	fake_wait(&device, probe.closed);
	fake_fini(&device);
}

static void connections_have_keepalive_and_no_delay(void **state)
{
	struct fake_device device;
	struct backend_description text;
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int port = bound_port(&device, &text);
	int fd = dial(AF_INET, port), found = 0;
	fake_wait(&device, device.peer_count == 1);
	for (int i = 3; i < 64; i++) {
		struct sockaddr_in local = {0};
		socklen_t size = sizeof(local);
		if (i == fd || getsockname(i, (struct sockaddr *)&local, &size) < 0 ||
			local.sin_family != AF_INET || ntohs(local.sin_port) != port ||
			option(i, SOL_SOCKET, SO_ACCEPTCONN) == 1)
			continue;
		found++;
		assert_int_equal(option(i, IPPROTO_TCP, TCP_NODELAY), 1);
		assert_int_equal(option(i, SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(option(i, IPPROTO_TCP, TCP_KEEPIDLE), 15);
		assert_int_equal(option(i, IPPROTO_TCP, TCP_KEEPINTVL), 5);
		assert_int_equal(option(i, IPPROTO_TCP, TCP_KEEPCNT), 3);
	}
	assert_int_equal(found, 1);
	close(fd);
	fake_fini(&device);
}

static void without_reconnect_it_stays_down(void **state)
{
	struct fake_device device;
	char service[16];
	int port = 0;
	int server = serve(AF_INET, &port, 5);
	snprintf(service, sizeof(service), "%d", port);
	init(&device, SOCKET_CONNECT, "127.0.0.1", service);
	device.config.source.u.tcp.reconnect.enabled = TRISTATE_NO;
	assert_int_equal(fake_open(&device, NULL), 0);
	int peer = accept_one(&device, server);
	close(peer);
	fake_wait(&device, device.state == BACKEND_IDLE);
	fake_assert_idle(&device);
	assert_int_equal(device.peer_count, 1);
	close(server);
	fake_fini(&device);
}

static void an_idle_server_sleeps(void **state)
{
	struct fake_device device;
	struct backend_description text;
	init(&device, SOCKET_BIND, "127.0.0.1", "0");
	assert_int_equal(fake_open(&device, NULL), 0);
	int fd = dial(AF_INET, bound_port(&device, &text));
	fake_wait(&device, device.peer_count == 1);
	fake_settle(&device);
	fake_assert_idle(&device);
	close(fd);
	fake_fini(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(hosts_mean_what_they_say),
		cmocka_unit_test(what_cannot_be_bound_is_told),
		cmocka_unit_test(a_low_port_needs_permission),
		cmocka_unit_test(nothing_secure_becomes_plain),
		cmocka_unit_test(a_hundred_clients),
		cmocka_unit_test(a_client_too_many_is_refused),
		cmocka_unit_test(what_was_written_before_the_close_arrives),
		cmocka_unit_test(those_that_only_look_alive_are_bounded),
		cmocka_unit_test(accepting_survives_every_error),
		cmocka_unit_test(opening_survives_every_error),
		cmocka_unit_test(a_server_is_found_when_it_comes_and_comes_back),
		cmocka_unit_test(all_addresses_are_tried),
		cmocka_unit_test(names_that_do_not_resolve_are_a_state),
		cmocka_unit_test(a_name_is_bound_without_blocking),
		cmocka_unit_test(a_silent_server_has_a_deadline),
		cmocka_unit_test(pauses_double_up_to_the_limit),
		cmocka_unit_test(connections_have_keepalive_and_no_delay),
		cmocka_unit_test(without_reconnect_it_stays_down),
		cmocka_unit_test(an_idle_server_sleeps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
