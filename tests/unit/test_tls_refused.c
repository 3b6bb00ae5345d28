/* stream/tls.c, tls_peer.c: who is refused, and what each side is told of it. */
#include "tls_pair.h"

#include "util/fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tls_files files;
static struct loop *loop;
static struct tls_side server, client;

static int group_setup(void **state)
{
	tls_files_make(&files);
	return 0;
}

static int group_teardown(void **state)
{
	tls_files_remove(&files);
	return 0;
}

static int setup(void **state)
{
	server = client = (struct tls_side){0};
	return loop_new(&loop);
}

/* A test that has failed leaves something behind, which freeing the loop would wait for. */
static int teardown(void **state)
{
	if ((server.stream != NULL && !server.closed) || (client.stream != NULL && !client.closed))
		return -1;
	int r = loop_drain_within(loop, 1000);
	loop = loop_free(loop);
	return r;
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* A directory of its own for a side whose certificate is as wished; ca-cert.pem is the good one. */
static void make_dir(char dir[96], const char *name, const char *side,
	const struct certificate *authority, const struct certificate_wish *wish)
{
	snprintf(dir, 96, "%s/%s", files.base, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	certificate_write(&files.ca, dir, "ca", 0);
	if (wish == NULL)
		return;
	struct certificate own = certificate_make(authority, wish);
	certificate_write(&own, dir, side, 1);
	certificate_free(&own);
}

static void meet(
	const char *server_dir, const char *client_dir, const char *host, const char *allow)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0], tls_files_load(server_dir, true, allow), NULL, 0);
	tls_side_begin(&client, loop, fds[1], tls_files_load(client_dir, false, NULL), host, 0);
	tls_side_wait(&client);
	/* In TLS 1.3 the server judges when the client is ready already, and may have written. */
	if (client.ready)
		assert_int_equal(recorder_write(&client.recorder, "unread", 6), 6);
	tls_side_wait(&server);
	if (server.failed)
		tls_side_end(&server);
	if (client.ready && server.failed) {
		recorder_read_start(&client.recorder);
		recorder_wait(&client.recorder, client.recorder.count[RECORDER_GONE] == 1);
		assert_true(client.broken);
		assert_int_equal(client.failure, -EKEYREJECTED);
		assert_int_equal(client.recorder.reason, 0); /* it has been told */
		assert_int_equal(client.recorder.unsent, 6);
	}
	tls_side_end(&client);
	tls_side_end(&server);
}

static void expect_refused(
	const struct tls_side *side, int failure, const char *reason, const char *detail)
{
	char expected[512];
	snprintf(expected, sizeof(expected), reason, detail);
	assert_string_equal(side->reason, expected);
	assert_int_equal(side->failure, failure);
}

static void a_client_without_a_certificate(void **state)
{
	char dir[96];
	make_dir(dir, "nothing", "client", NULL, NULL);
	meet(files.server, dir, "localhost", NULL);
	expect_refused(&server, -EACCES, "it sent no certificate", NULL);
	expect_refused(&client, -EKEYREJECTED,
		"it refused us, who have no %s/client-cert.pem: Certificate is required", dir);
}

static void a_client_of_another_authority(void **state)
{
	static const struct certificate_wish wish = {.dn = "CN=mallory"};
	char dir[96];
	make_dir(dir, "other", "client", &files.other, &wish);
	meet(files.server, dir, "localhost", NULL);
	expect_refused(&server, -EACCES,
		"its certificate is not signed by the authority in %s/ca-cert.pem", files.server);
	expect_refused(&client, -EKEYREJECTED, "it refused our certificate: CA is unknown", NULL);
}

static void a_client_that_is_revoked(void **state)
{
	static const struct certificate_wish wish = {.dn = "CN=server", .host = "localhost"};
	static const struct certificate_wish bob = {.dn = "CN=bob"};
	char server_dir[96], client_dir[96];
	make_dir(server_dir, "revoking", "server", &files.ca, &wish);
	make_dir(client_dir, "revoked", "client", NULL, NULL);
	struct certificate revoked = certificate_make(&files.ca, &bob);
	certificate_write(&revoked, client_dir, "client", 1);
	certificate_revoke(&files.ca, &revoked, 1, server_dir);
	meet(server_dir, client_dir, "localhost", NULL);
	expect_refused(&server, -EACCES, "its certificate is revoked by %s/ca-crl.pem", server_dir);
	expect_refused(&client, -EKEYREJECTED,
		"it refused our certificate: Certificate was revoked", NULL);
	meet(server_dir, files.client, "localhost", NULL); /* who is not in the list */
	assert_true(server.ready && client.ready && !client.broken);
	certificate_free(&revoked);
}

static void a_client_that_is_not_allowed(void **state)
{
	meet(files.server, files.client, "localhost", "CN=bob; CN=carol");
	expect_refused(&server, -EACCES, "CN=alice,O=Example is not in <chardev:tls allow=>", NULL);
	expect_refused(
		&client, -EKEYREJECTED, "it refused our certificate: Access was denied", NULL);
	meet(files.server, files.client, "localhost", "CN=bob; CN=alice");
	assert_true(server.ready && client.ready);
	meet(files.server, files.client, "localhost", "CN=*,O=Example");
	assert_true(server.ready && client.ready);
}

static void certificates_for_another_purpose(void **state)
{
	static const struct certificate_wish server_wish = {
		.dn = "CN=s", .host = "localhost", .purpose = GNUTLS_KP_TLS_WWW_CLIENT};
	static const struct certificate_wish client_wish = {
		.dn = "CN=c", .purpose = GNUTLS_KP_TLS_WWW_SERVER};
	char server_dir[96], client_dir[96];
	make_dir(server_dir, "purpose-s", "server", &files.ca, &server_wish);
	make_dir(client_dir, "purpose-c", "client", &files.ca, &client_wish);
	meet(files.server, client_dir, "localhost", NULL);
	expect_refused(&server, -EACCES, "its certificate is not for a client", NULL);
	meet(server_dir, files.client, "localhost", NULL);
	expect_refused(&client, -EACCES, "its certificate is not for a server", NULL);
}

static void a_server_of_another_name(void **state)
{
	meet(files.server, files.client, "example.org", NULL);
	expect_refused(&client, -EACCES, "its certificate is not for host %s", "example.org");
	expect_refused(
		&server, -EKEYREJECTED, "it refused our certificate: Certificate is bad", NULL);
	meet(files.server, files.client, "127.0.0.2", NULL);
	expect_refused(&client, -EACCES, "its certificate is not for host %s", "127.0.0.2");
	meet(files.server, files.client, "127.0.0.1", NULL);
	assert_true(server.ready && client.ready);
}

static void a_server_of_another_authority(void **state)
{
	static const struct certificate_wish wish = {.dn = "CN=server", .host = "localhost"};
	char dir[96];
	make_dir(dir, "other-s", "server", &files.other, &wish);
	meet(dir, files.client, "localhost", NULL);
	expect_refused(&client, -EACCES,
		"its certificate is not signed by the authority in %s/ca-cert.pem", files.client);
	expect_refused(&server, -EKEYREJECTED, "it refused our certificate: CA is unknown", NULL);
}

static void a_server_that_verifies_nobody(void **state)
{
	const struct tls_settings settings = {.dir = files.server};
	char dir[96];
	int fds[2];
	struct tls_credentials *open_to_all;
	make_dir(dir, "anonymous", "client", NULL, NULL);
	assert_int_equal(tls_credentials_load(&settings, true, &open_to_all, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0], open_to_all, NULL, 0);
	tls_side_begin(&client, loop, fds[1], tls_files_load(dir, false, NULL), "localhost", 0);
	tls_side_wait(&server);
	tls_side_wait(&client);
	assert_true(server.ready && client.ready);
	tls_side_end(&client);
	tls_side_end(&server);
}

/*
 * Certificates that are out of their time would not be loaded as one's own, so a GnuTLS client
 * shows them.
 */
static void meet_bare(const struct certificate *own, const char *priority, int *ret_alert)
{
	gnutls_certificate_credentials_t x509;
	gnutls_session_t session;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
	fd_set_nonblocking(fds[1]);
	gnutls_certificate_allocate_credentials(&x509);
	gnutls_certificate_set_x509_key(x509, (gnutls_x509_crt_t *)&own->crt, 1, own->key);
	gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
	assert_int_equal(gnutls_priority_set_direct(session, priority, NULL), 0);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, x509);
	gnutls_transport_set_int(session, fds[1]);
	int code;
	while ((code = gnutls_handshake(session)) == GNUTLS_E_AGAIN)
		loop_turn(loop);
	tls_side_wait(&server);
	char byte;
	while (code == 0 && (code = (int)gnutls_record_recv(session, &byte, 1)) == GNUTLS_E_AGAIN)
		code = 0;
	*ret_alert = code == GNUTLS_E_FATAL_ALERT_RECEIVED ? (int)gnutls_alert_get(session) : -1;
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(x509);
	close(fds[1]);
	tls_side_end(&server);
}

static void a_client_out_of_its_time(void **state)
{
	static const char *const versions[] = {
		"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
	static const struct {
		struct certificate_wish wish;
		const char *reason;
	} cases[] = {
		{{.dn = "CN=old", .valid_from_days = -9, .valid_until_days = -1},
			"its certificate has expired"},
		{{.dn = "CN=new", .valid_from_days = 5}, "its certificate is not valid yet"},
	};
	for (int i = 0; i < 4; i++) {
		int alert;
		struct certificate own = certificate_make(&files.ca, &cases[i / 2].wish);
		meet_bare(&own, versions[i % 2], &alert);
		expect_refused(&server, -EACCES, cases[i / 2].reason, NULL);
		assert_int_equal(alert, GNUTLS_A_CERTIFICATE_EXPIRED);
		certificate_free(&own);
	}
}

static void versions_that_are_not_safe(void **state)
{
	int alert;
	struct certificate own =
		certificate_make(&files.ca, &(struct certificate_wish){.dn = "CN=a"});
	meet_bare(&own, "NORMAL:-VERS-ALL:+VERS-TLS1.1", &alert);
	assert_int_equal(alert, GNUTLS_A_PROTOCOL_VERSION);
	expect_refused(&server, -EPROTO, "it speaks neither TLS 1.3 nor TLS 1.2", NULL);
	certificate_free(&own);
}

/* ---- what is no TLS -------------------------------------------------------------------------- */

/* A peer without TLS; the other end of its connection, which does not block. */
static int meet_plain(bool as_server, unsigned ms)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0],
		tls_files_load(as_server ? files.server : files.client, as_server, NULL),
		as_server ? NULL : "localhost", ms);
	fd_set_nonblocking(fds[1]);
	return fds[1];
}

static void garbage(void **state)
{
	static const char *const texts[] = {
		"G", "GET / HTTP/1.0\r\n\r\n", "\x80\x2e\x01\x03\x01", ""};
	for (int i = 0; i < 8; i++) {
		const char *text = texts[i % 4];
		int fd = meet_plain(i < 4, 0);
		fd_write_all(fd, text, text[0] != '\0' ? strlen(text) : 1);
		tls_side_wait(&server);
		expect_refused(&server, -EPROTO, "it does not speak TLS", NULL);
		unsigned char answer[600];
		ssize_t n = read(fd, answer, sizeof(answer));
		assert_true(n >= 7);
		assert_int_equal(answer[n - 7], 21);
		assert_int_equal(answer[n - 2], GNUTLS_AL_FATAL);
		assert_int_equal(answer[n - 1], GNUTLS_A_UNEXPECTED_MESSAGE);
		tls_side_end(&server);
		close(fd);
	}
}

static void garbage_that_begins_like_tls(void **state)
{
	static const char text[40] = "\x16\x03\x01\x00\x20\x01\x00\x00\x1c"
				     "what follows is no hello";
	for (int i = 0; i < 2; i++) {
		char answer[600];
		int fd = meet_plain(i == 0, 0);
		fd_write_all(fd, text, sizeof(text));
		tls_side_wait(&server);
		assert_true(server.failed);
		assert_int_equal(server.failure, -EPROTO);
		assert_non_null(strstr(server.reason, "it does not keep to TLS"));
		ssize_t n = read(fd, answer, sizeof(answer));
		assert_true(n >= 7);
		assert_int_equal(answer[n - 7], 21); /* an alert, the last thing that was said */
		assert_int_equal(answer[n - 2], GNUTLS_AL_FATAL);
		tls_side_end(&server);
		close(fd);
	}
}

/* A name is in the first bytes, for a server that has several; an address must not be. */
static void a_name_is_told_and_an_address_is_not(void **state)
{
	static const char *const hosts[] = {"name.example", "192.0.2.1"};
	for (int i = 0; i < 2; i++) {
		int fds[2];
		char hello[2000];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		tls_side_begin(&server, loop, fds[0], tls_files_load(files.client, false, NULL),
			hosts[i], 0);
		fd_set_nonblocking(fds[1]);
		ssize_t n;
		while ((n = read(fds[1], hello, sizeof(hello))) < 0)
			loop_turn(loop);
		bool told = memmem(hello, (size_t)n, hosts[i], strlen(hosts[i])) != NULL;
		assert_int_equal(told, i == 0);
		close(fds[1]);
		tls_side_wait(&server);
		tls_side_end(&server);
	}
}

static void a_peer_that_leaves(void **state)
{
	int fd = meet_plain(true, 0);
	close(fd);
	tls_side_wait(&server);
	expect_refused(
		&server, -ECONNRESET, "it closed the connection without a word of TLS", NULL);
	tls_side_end(&server);
	fd = meet_plain(true, 0);
	fd_write_all(fd, "\x16\x03\x01", 3);
	shutdown(fd, SHUT_WR);
	tls_side_wait(&server);
	expect_refused(
		&server, -ECONNRESET, "it closed the connection during TLS's handshake", NULL);
	tls_side_end(&server);
	close(fd);
}

static void a_peer_that_is_silent(void **state)
{
	for (int i = 0; i < 2; i++) {
		uint64_t began = loop_now_ms(loop);
		int fd = meet_plain(i == 0, 50);
		tls_side_wait(&server);
		assert_in_range(loop_now_ms(loop) - began, 50, 5000);
		expect_refused(&server, -ETIMEDOUT, "no answer within 50 ms", NULL);
		tls_side_end(&server);
		close(fd);
	}
}

struct trickle {
	struct loop_timer timer;
	int fd;
	int sent;
};

static void send_one(struct loop_timer *timer)
{
	struct trickle *trickle = container_of(timer, struct trickle, timer);
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	char byte = trickle->sent < 11 ? hello[trickle->sent] : 0;
	trickle->sent += write(trickle->fd, &byte, 1) == 1;
	loop_timer_start(timer, 5);
}

/* The deadline is for the whole handshake, not for the next byte. */
static void a_peer_that_trickles(void **state)
{
	struct trickle trickle = {.fd = meet_plain(true, 100)};
	loop_timer_init(&trickle.timer, loop, send_one);
	loop_timer_start(&trickle.timer, 1);
	tls_side_wait(&server);
	expect_refused(
		&server, -ETIMEDOUT, "it was not done with TLS's handshake within 100 ms", NULL);
	assert_in_range(trickle.sent, 2, 101);
	loop_timer_close(&trickle.timer, NULL);
	tls_side_end(&server);
	close(trickle.fd);
}

#define tls_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tls_test(a_client_without_a_certificate),
		tls_test(a_client_of_another_authority),
		tls_test(a_client_that_is_revoked),
		tls_test(a_client_that_is_not_allowed),
		tls_test(certificates_for_another_purpose),
		tls_test(a_server_of_another_name),
		tls_test(a_server_of_another_authority),
		tls_test(a_server_that_verifies_nobody),
		tls_test(a_client_out_of_its_time),
		tls_test(versions_that_are_not_safe),
		tls_test(garbage),
		tls_test(garbage_that_begins_like_tls),
		tls_test(a_name_is_told_and_an_address_is_not),
		tls_test(a_peer_that_leaves),
		tls_test(a_peer_that_is_silent),
		tls_test(a_peer_that_trickles),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
