/* The backend udp: lines to datagrams, and an input that nothing ends. */
#include "fake_device.h"

#include "fail.h"

#include "util/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- real sockets at the other end ----------------------------------------------------------- */

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
}

/* A socket on loopback; *port 0 becomes the port it got. */
static int endpoint(int *port)
{
	struct sockaddr_in address = loopback(*port);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void send_to(int fd, int port, const void *bytes, size_t n)
{
	struct sockaddr_in address = loopback(port);
	assert_int_equal(
		sendto(fd, bytes, n, 0, (struct sockaddr *)&address, sizeof(address)), (ssize_t)n);
}

/* The next datagram as a text, or "(none)". */
static const char *next_datagram(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n < 0)
		return "(none)";
	text[n] = '\0';
	return text;
}

/* ---- the device's side ----------------------------------------------------------------------- */

struct setup {
	struct fake_device device;
	struct fake_peer *peer;
	char peer_service[16];
	int port; /* of the other end */
	int fd;
};

static void init(struct setup *setup, const char *bind_host, const char *bind_service)
{
	*setup = (struct setup){0};
	setup->fd = endpoint(&setup->port);
	snprintf(setup->peer_service, sizeof(setup->peer_service), "%d", setup->port);
	fake_init(&setup->device, DEVICE_SERIAL, SOURCE_UDP);
	setup->device.config.source.u.udp = (struct udp_source){
		.connect_host = "127.0.0.1",
		.connect_service = setup->peer_service,
		.bind_host = (char *)bind_host,
		.bind_service = (char *)bind_service,
	};
	fail_reset();
}

static void open_setup(struct setup *setup)
{
	struct error err = {0};
	if (fake_open(&setup->device, &err) != 0)
		fail_msg("%s", err.message);
	fake_wait(&setup->device, setup->device.peer_count == 1);
	setup->peer = &setup->device.peers[0];
	assert_int_equal(setup->peer->kind, PEER_LOSSY);
	assert_int_equal(setup->device.state, BACKEND_CONNECTED);
}

static void fini(struct setup *setup)
{
	fail_reset();
	fake_fini(&setup->device);
	fd_close(setup->fd);
}

static int our_port(struct setup *setup)
{
	struct backend_description text;
	struct backend *backend = setup->device.backend;
	backend->ops->describe(backend, &text);
	return atoi(text.service);
}

/* What a reader does: offers all it has, and again when it is told to, until all is taken. */
static void write_all(struct setup *setup, const char *bytes, size_t n)
{
	while (n > 0) {
		int before = setup->peer->writables;
		/* Two parts, as at the wrap of a ring. */
		struct iovec iov[2] = {{(char *)bytes, n / 3}, {(char *)bytes + n / 3, n - n / 3}};
		ssize_t taken = stream_write(setup->peer->stream, iov, 2);
		assert_in_range(taken, 0, n);
		bytes += taken;
		n -= (size_t)taken;
		if (n > 0)
			fake_wait(&setup->device, setup->peer->writables > before);
	}
}

static void a_datagram_is_a_line(void **state)
{
	struct setup setup;
	init(&setup, NULL, NULL);
	open_setup(&setup);
	assert_int_equal(fake_write(setup.peer, "one\ntwo\r\n\nthree\nfo"), 16);
	assert_string_equal(next_datagram(setup.fd), "one\n");
	assert_string_equal(next_datagram(setup.fd), "two\r\n");
	assert_string_equal(next_datagram(setup.fd), "\n");
	assert_string_equal(next_datagram(setup.fd), "three\n");
	assert_string_equal(next_datagram(setup.fd), "(none)");
	fini(&setup);
}

/* Byte by byte, offered before 2 ms are over: the line arrives whole. */
static void single_bytes_become_a_line(void **state)
{
	static const char line[] = "[    0.000000] Linux version 6.1\n";
	struct setup setup;
	init(&setup, NULL, NULL);
	open_setup(&setup);
	for (size_t n = 1; n < sizeof(line) - 1; n++) {
		struct iovec iov = {(char *)line, n};
		assert_int_equal(stream_write(setup.peer->stream, &iov, 1), 0);
	}
	assert_int_equal(fake_write(setup.peer, line), sizeof(line) - 1);
	assert_string_equal(next_datagram(setup.fd), line);
	fake_settle(&setup.device);
	assert_int_equal(setup.peer->writables, 0); /* the timer went with the line */
	fini(&setup);
}

static void an_unfinished_line_goes_after_a_while(void **state)
{
	struct setup setup;
	init(&setup, NULL, NULL);
	open_setup(&setup);
	assert_int_equal(fake_write(setup.peer, "logi"), 0);
	assert_string_equal(next_datagram(setup.fd), "(none)");
	fake_wait(&setup.device, setup.peer->writables == 1);
	assert_int_equal(fake_write(setup.peer, "login: "), 7);
	assert_string_equal(next_datagram(setup.fd), "login: ");
	/* A line that was finished meanwhile goes, and what follows it is young again. */
	assert_int_equal(fake_write(setup.peer, "a"), 0);
	fake_wait(&setup.device, setup.peer->writables == 2);
	assert_int_equal(fake_write(setup.peer, "ab\nc"), 3);
	assert_string_equal(next_datagram(setup.fd), "ab\n");
	assert_string_equal(next_datagram(setup.fd), "(none)");
	fake_wait(&setup.device, setup.peer->writables == 3);
	assert_int_equal(fake_write(setup.peer, "c"), 1);
	assert_string_equal(next_datagram(setup.fd), "c");
	fake_assert_idle(&setup.device);
	fini(&setup);
}

static void long_lines_are_cut(void **state)
{
	static char line[3001];
	struct setup setup;
	size_t total = 0;
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	init(&setup, NULL, NULL);
	open_setup(&setup);
	write_all(&setup, line, sizeof(line) - 1);
	static const size_t sizes[] = {1400, 1400, 200};
	for (int i = 0; i < 3; i++) {
		size_t n = strlen(next_datagram(setup.fd));
		assert_int_equal(n, sizes[i]);
		total += n;
	}
	assert_int_equal(total, sizeof(line) - 1);
	fini(&setup);
}

/* More than goes out in one turn of the loop, and more than a receiver's queue would hold. */
static void bulk_arrives_whole_where_it_is_read(void **state)
{
	static char bytes[64 * 1024], got[sizeof(bytes)];
	struct setup setup;
	size_t received = 0, sent = 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 26);
	init(&setup, NULL, NULL);
	open_setup(&setup);
	while (received < sizeof(bytes)) {
		struct iovec iov = {bytes + sent, sizeof(bytes) - sent};
		int before = setup.peer->writables;
		ssize_t n = sent < sizeof(bytes) ? stream_write(setup.peer->stream, &iov, 1) : 0;
		assert_true(n >= 0 && n <= 64 * 61);
		sent += (size_t)n;
		while ((n = recv(setup.fd, got + received, sizeof(got) - received, MSG_DONTWAIT)) >
			0)
			received += (size_t)n;
		if (sent < sizeof(bytes))
			fake_wait(&setup.device, setup.peer->writables > before);
	}
	assert_memory_equal(got, bytes, sizeof(bytes));
	fini(&setup);
}

static void refusals_end_nothing(void **state)
{
	struct setup setup;
	init(&setup, NULL, NULL);
	open_setup(&setup);
	setup.fd = fd_close(setup.fd);
	for (int i = 0; i < 5; i++)
		write_all(&setup, "lost\n", 5);
	fake_wait(&setup.device, setup.device.failure == -ECONNREFUSED);
	assert_int_equal(setup.device.state, BACKEND_CONNECTED);
	assert_non_null(strstr(setup.device.reason, "nobody receives at 127.0.0.1:"));
	int states = setup.device.states;
	setup.fd = endpoint(&setup.port);
	write_all(&setup, "lost or not\n", 12); /* takes the last refusal with it */
	write_all(&setup, "here\n", 5);
	const char *got = next_datagram(setup.fd);
	if (strcmp(got, "lost or not\n") == 0)
		got = next_datagram(setup.fd);
	assert_string_equal(got, "here\n");
	/* And the way in is open; the answer goes to whom the datagram came from. */
	write_all(&setup, "ping\n", 5);
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte[16];
	assert_int_equal(
		recvfrom(setup.fd, byte, sizeof(byte), 0, (struct sockaddr *)&from, &size), 5);
	send_to(setup.fd, ntohs(from.sin_port), "pong", 4);
	fake_wait(&setup.device, setup.peer->input_size == 4);
	assert_int_equal(setup.device.states, states); /* told once */
	assert_false(setup.peer->gone);
	fini(&setup);
}

static void empty_datagrams_end_nothing(void **state)
{
	struct setup setup;
	init(&setup, "127.0.0.1", "0");
	open_setup(&setup);
	int port = our_port(&setup);
	assert_true(port > 0);
	for (int i = 0; i < 3; i++)
		send_to(setup.fd, port, "", 0);
	send_to(setup.fd, port, "input", 5);
	fake_wait(&setup.device, setup.peer->input_size == 5);
	assert_string_equal(setup.peer->input, "input");
	assert_false(setup.peer->input_ended);
	fini(&setup);
}

/* As a netconsole: a sender on a port that the document does not name. */
static void a_bound_device_hears_anybody(void **state)
{
	struct setup setup;
	int stranger_port = 0, stranger = endpoint(&stranger_port);
	init(&setup, "127.0.0.1", "0");
	open_setup(&setup);
	send_to(stranger, our_port(&setup), "[ 1.0] oops\n", 12);
	fake_wait(&setup.device, setup.peer->input_size == 12);
	write_all(&setup, "out\n", 4);
	assert_string_equal(next_datagram(setup.fd), "out\n");
	assert_string_equal(next_datagram(stranger), "(none)");
	close(stranger);
	fini(&setup);
}

static void without_bind_strangers_are_kept_out(void **state)
{
	struct setup setup;
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char bytes[8];
	int stranger_port = 0, stranger = endpoint(&stranger_port);
	init(&setup, NULL, NULL);
	open_setup(&setup);
	assert_int_equal(our_port(&setup), 0);
	write_all(&setup, "hi\n", 3);
	recvfrom(setup.fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
	send_to(stranger, ntohs(from.sin_port), "stranger", 8);
	send_to(setup.fd, ntohs(from.sin_port), "peer", 4);
	fake_wait(&setup.device, setup.peer->input_size > 0);
	assert_string_equal(setup.peer->input, "peer");
	close(stranger);
	fini(&setup);
}

static void a_datagram_is_whole_or_counted(void **state)
{
	struct setup setup;
	init(&setup, "127.0.0.1", "0");
	setup.device.start_paused = true;
	open_setup(&setup);
	int port = our_port(&setup);
	setup.peer->space = 8;
	send_to(setup.fd, port, "123456789", 9);
	send_to(setup.fd, port, "12345678", 8);
	stream_read_start(setup.peer->stream);
	fake_wait(&setup.device, setup.peer->input_size > 0);
	assert_string_equal(setup.peer->input, "12345678");
	fake_wait(&setup.device, setup.device.failure == -EMSGSIZE);
	assert_non_null(strstr(setup.device.reason, "a datagram of 9 bytes was dropped"));
	/* While reading is paused the kernel keeps what comes. */
	setup.peer->space = 0;
	send_to(setup.fd, port, "later", 5);
	fake_settle(&setup.device);
	assert_int_equal(setup.peer->input_size, 8);
	setup.peer->space = 8;
	stream_read_start(setup.peer->stream);
	fake_wait(&setup.device, setup.peer->input_size == 13);
	fini(&setup);
}

static void sending_survives_every_error(void **state)
{
	static const int lost[] = {ENOBUFS, ENETUNREACH, EPERM, EMSGSIZE, ENOMEM};
	struct setup setup;
	init(&setup, "127.0.0.1", "0");
	open_setup(&setup);
	fail_nth(FAIL_SENDMSG, 1, EAGAIN);
	assert_int_equal(fake_write(setup.peer, "line\n"), 0);
	fake_wait(&setup.device, setup.peer->writables == 1);
	assert_int_equal(fake_write(setup.peer, "line\n"), 5);
	assert_string_equal(next_datagram(setup.fd), "line\n");
	/* The refusal of an earlier datagram: this one has not gone yet. */
	fail_nth(FAIL_SENDMSG, 1, ECONNREFUSED);
	assert_int_equal(fake_write(setup.peer, "next\n"), 5);
	assert_string_equal(next_datagram(setup.fd), "next\n");
	fake_wait(&setup.device, setup.device.failure == -ECONNREFUSED);
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		fail_reset();
		fail_from(FAIL_SENDMSG, 1, lost[i]);
		assert_int_equal(fake_write(setup.peer, "lost\n"), 5);
		fail_reset();
		assert_int_equal(fake_write(setup.peer, "line\n"), 5);
		assert_string_equal(next_datagram(setup.fd), "line\n");
	}
	fake_settle(&setup.device);
	assert_int_equal(setup.device.failure, -ECONNREFUSED); /* one a minute is told */
	fini(&setup);
}

static void refused(
	const char *bind_host, const char *bind_service, char *peer, int code, const char *part)
{
	struct setup setup;
	struct error err = {0};
	init(&setup, bind_host, bind_service);
	if (peer != NULL)
		setup.device.config.source.u.udp.connect_host = peer;
	assert_int_equal(fake_open(&setup.device, &err), code);
	if (strstr(err.message, part) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", err.message, part);
	fini(&setup);
}

static void what_cannot_be_bound_is_told(void **state)
{
	char service[16];
	int port = 0, taken = endpoint(&port);
	snprintf(service, sizeof(service), "%d", port);
	refused("127.0.0.1", service, NULL, -EADDRINUSE, "in use by another program");
	refused("", service, NULL, -EADDRINUSE, "in use by another program");
	close(taken);
	refused("192.0.2.1", "4001", NULL, -EADDRNOTAVAIL, "no address of this host");
	refused("127.0.0.1", "70000", NULL, -EINVAL, "0 to 65535");
	refused("127.0.0.1", "0", "::1", -EAFNOSUPPORT, "one is IPv4, the other IPv6");
}

static void an_unknown_peer_keeps_only_output_away(void **state)
{
	struct setup setup;
	init(&setup, "127.0.0.1", "0");
	setup.device.config.source.u.udp.connect_host = "no-such-host.invalid";
	open_setup(&setup);
	assert_non_null(strstr(setup.peer->name, "no-such-host.invalid"));
	send_to(setup.fd, our_port(&setup), "input", 5);
	fake_wait(&setup.device, setup.peer->input_size == 5);
	write_all(&setup, "lost\n", 5); /* not for ever: a lossy peer holds nobody up */
	fake_wait(&setup.device, setup.device.failure < 0);
	assert_non_null(strstr(setup.device.reason, "no-such-host.invalid"));
	fini(&setup);
	init(&setup, NULL, NULL);
	setup.device.config.source.u.udp.connect_host = "no-such-host.invalid";
	assert_int_equal(fake_open(&setup.device, NULL), 0);
	fake_wait(&setup.device, setup.device.failure < 0);
	assert_int_equal(setup.device.state, BACKEND_CONNECTING);
	fini(&setup);
}

static void a_named_peer_is_reached(void **state)
{
	struct setup setup;
	for (int bound = 0; bound < 2; bound++) {
		init(&setup, NULL, bound ? "0" : NULL);
		setup.device.config.source.u.udp.connect_host = bound ? NULL : "localhost";
		open_setup(&setup);
		write_all(&setup, "hello\n", 6);
		assert_string_equal(next_datagram(setup.fd), "hello\n");
		fini(&setup);
	}
}

static void it_says_where_it_is(void **state)
{
	struct setup setup;
	struct backend_description text;
	char expected[160];
	init(&setup, "0.0.0.0", "0");
	open_setup(&setup);
	int port = our_port(&setup);
	setup.device.backend->ops->describe(setup.device.backend, &text);
	snprintf(expected, sizeof(expected), "udp 0.0.0.0:%d to 127.0.0.1:%d", port, setup.port);
	assert_string_equal(text.where, expected);
	snprintf(expected, sizeof(expected),
		"socat -,raw,echo=0,escape=0x1d udp:127.0.0.1:%d,bind=127.0.0.1:%d", port,
		setup.port);
	assert_string_equal(text.command, expected);
	fini(&setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_a_line),
		cmocka_unit_test(single_bytes_become_a_line),
		cmocka_unit_test(an_unfinished_line_goes_after_a_while),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(bulk_arrives_whole_where_it_is_read),
		cmocka_unit_test(refusals_end_nothing),
		cmocka_unit_test(empty_datagrams_end_nothing),
		cmocka_unit_test(a_bound_device_hears_anybody),
		cmocka_unit_test(without_bind_strangers_are_kept_out),
		cmocka_unit_test(a_datagram_is_whole_or_counted),
		cmocka_unit_test(sending_survives_every_error),
		cmocka_unit_test(what_cannot_be_bound_is_told),
		cmocka_unit_test(an_unknown_peer_keeps_only_output_away),
		cmocka_unit_test(a_named_peer_is_reached),
		cmocka_unit_test(it_says_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
