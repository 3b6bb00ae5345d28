/* stream/tls.c: the rules of stream.h with TLS between, on both sides. */
#include "tls_pair.h"

#include "fail.h"
#include "stream/tls_sent.h"
#include "util/fd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

static struct tls_files files;
static struct loop *loop;
static struct tls_side server, client;
static char bytes[MIB];

static int group_setup(void **state)
{
	tls_files_make(&files);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 + i / 251);
	return 0;
}

static int group_teardown(void **state)
{
	tls_files_remove(&files);
	return 0;
}

static int setup(void **state)
{
	fail_reset();
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

static void begin(void)
{
	tls_pair_begin(&server, &client, loop, &files);
}

static void end(void)
{
	tls_side_end(&client);
	tls_side_end(&server);
}

static void settle(void)
{
	for (int i = 0; i < 20; i++)
		loop_turn(loop);
}

/* Sends all n bytes in pieces that `piece` gives the size of, and has them arrive as they were. */
static void transfer(
	struct tls_side *from, struct tls_side *to, size_t n, size_t (*piece)(size_t at))
{
	size_t sent = 0;
	size_t before = to->recorder.length;
	recorder_read_start(&to->recorder);
	while (to->recorder.length - before < n) {
		size_t part = sent < n ? piece(sent) : 0;
		part = part < n - sent ? part : n - sent;
		ssize_t taken = part > 0 ? recorder_write(&from->recorder, bytes + sent, part) : 0;
		assert_true(taken >= 0);
		sent += (size_t)taken;
		if (taken == 0)
			loop_run(loop);
		else
			loop_turn(loop);
	}
	assert_memory_equal(to->recorder.input + before, bytes, n);
	stream_read_stop(to->stream);
}

static size_t all(size_t at)
{
	return sizeof(bytes);
}

static size_t two(size_t at)
{
	return 2; /* the recorder's two parts: a byte each */
}

static size_t various(size_t at)
{
	return 2 + (at * 7919) % 40000;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void bytes_go_both_ways(void **state)
{
	begin();
	transfer(&client, &server, sizeof(bytes), all);
	transfer(&server, &client, sizeof(bytes), all);
	transfer(&client, &server, 1000, two);
	transfer(&server, &client, 1000, two);
	transfer(&client, &server, sizeof(bytes), various);
	transfer(&server, &client, sizeof(bytes), various);
	end();
}

static void small_spaces_are_filled_one_by_one(void **state)
{
	begin();
	server.recorder.room = 3;
	transfer(&client, &server, 5000, all);
	client.recorder.room = 1;
	transfer(&server, &client, 5000, various);
	end();
}

/* What one side offers beyond what the other reads is not taken: nothing piles up between. */
static void a_slow_consumer_holds_up_the_writer(void **state)
{
	begin();
	size_t sent = 0;
	for (int idle = 0; idle < 3;) {
		ssize_t n = recorder_write(&client.recorder, bytes + sent, sizeof(bytes) - sent);
		assert_true(n >= 0);
		sent += (size_t)n;
		idle = n == 0 ? idle + 1 : 0;
		settle();
	}
	assert_in_range(sent, 1, sizeof(bytes) - 1);
	assert_int_equal(client.recorder.count[RECORDER_WRITABLE], 0);
	assert_int_equal(server.recorder.count[RECORDER_RECEIVED], 0);
	server.recorder.room = 10000;
	recorder_read_start(&server.recorder);
	while (server.recorder.length < sizeof(bytes)) {
		int told = client.recorder.count[RECORDER_WRITABLE];
		loop_run(loop);
		if (client.recorder.count[RECORDER_WRITABLE] == told || sent == sizeof(bytes))
			continue;
		ssize_t n = recorder_write(&client.recorder, bytes + sent, sizeof(bytes) - sent);
		assert_true(n > 0); /* it was writable */
		sent += (size_t)n;
	}
	assert_int_equal(sent, sizeof(bytes));
	assert_memory_equal(server.recorder.input, bytes, sizeof(bytes));
	end();
}

static void no_space_pauses_with_plain_text_pending(void **state)
{
	begin();
	server.recorder.room = 10;
	server.recorder.pause_at = 50;
	recorder_read_start(&server.recorder);
	assert_int_equal(recorder_write(&client.recorder, bytes, 500), 500);
	assert_int_equal(recorder_write(&client.recorder, bytes + 500, 500), 500);
	recorder_wait(&server.recorder, server.recorder.paused);
	settle();
	assert_int_equal(server.recorder.length, 50);
	assert_int_equal(server.recorder.count[RECORDER_SPACE], 6);
	server.recorder.paused = false;
	server.recorder.pause_at = 0;
	recorder_read_start(&server.recorder); /* which tells nothing at once */
	recorder_wait(&server.recorder, server.recorder.length == 1000);
	assert_memory_equal(server.recorder.input, bytes, 1000);
	end();
}

static void nothing_is_read_before_the_start_nor_after_the_stop(void **state)
{
	begin();
	assert_int_equal(recorder_write(&client.recorder, "hello", 5), 5);
	settle();
	assert_int_equal(server.recorder.count[RECORDER_SPACE], 0);
	recorder_read_start(&server.recorder);
	stream_read_stop(server.stream);
	settle();
	assert_int_equal(server.recorder.length, 0);
	recorder_read_start(&server.recorder);
	recorder_wait(&server.recorder, server.recorder.length == 5);
	end();
}

static void idle_sessions_cause_no_wakeups(void **state)
{
	begin();
	recorder_read_start(&server.recorder);
	recorder_read_start(&client.recorder);
	settle();
	uint64_t before = loop_wakeups(loop);
	settle();
	assert_in_range(loop_wakeups(loop) - before, 0, 20); /* settle's own */
	assert_int_equal(loop_drain_within(loop, 1), -ETIMEDOUT);
	end();
}

static void a_break_cannot_be_carried(void **state)
{
	static const struct stream_signal a_break = {STREAM_SIGNAL_BREAK};
	begin();
	assert_int_equal(stream_signal(client.stream, &a_break), -EOPNOTSUPP);
	end();
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&address, size), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[0] >= 0);
	close(listener);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* A close says close_notify, then ends the connection. */
static void a_close_is_an_orderly_end(void **state)
{
	begin();
	recorder_read_start(&server.recorder);
	assert_int_equal(recorder_write(&client.recorder, "bye", 3), 3);
	tls_side_end(&client);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.recorder.count[RECORDER_END_OF_INPUT], 1);
	assert_memory_equal(server.recorder.input, "bye", 3);
	assert_in_set((LargestIntegralType)server.recorder.reason,
		((LargestIntegralType[]){0, (LargestIntegralType)-EPIPE}), 2);
	assert_false(server.broken);
	tls_side_end(&server);
}

/* The input that a paused consumer has not read yet comes before the end. */
static void a_paused_consumer_loses_nothing(void **state)
{
	begin();
	server.recorder.room = 100;
	server.recorder.pause_at = 100;
	recorder_read_start(&server.recorder);
	assert_int_equal(recorder_write(&client.recorder, bytes, 5000), 5000);
	tls_side_end(&client);
	settle();
	assert_int_equal(server.recorder.count[RECORDER_END_OF_INPUT], 0);
	assert_int_equal(server.recorder.count[RECORDER_GONE], 0);
	assert_int_equal(server.recorder.length, 100);
	server.recorder.paused = false;
	server.recorder.pause_at = 0;
	recorder_read_start(&server.recorder);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.recorder.length, 5000);
	assert_memory_equal(server.recorder.input, bytes, 5000);
	tls_side_end(&server);
}

/* A peer that is GnuTLS itself, so that it can do what the layer never does. */
struct bare_peer {
	gnutls_session_t session;
	gnutls_certificate_credentials_t x509;
	int fd;
};

static void bare_begin(struct bare_peer *peer, const char *priority)
{
	int fds[2];
	char path[2][128];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
	peer->fd = fds[1];
	fd_set_nonblocking(peer->fd);
	snprintf(path[0], sizeof(path[0]), "%s/client-cert.pem", files.client);
	snprintf(path[1], sizeof(path[1]), "%s/client-key.pem", files.client);
	assert_int_equal(gnutls_certificate_allocate_credentials(&peer->x509), 0);
	assert_true(gnutls_certificate_set_x509_key_file(
			    peer->x509, path[0], path[1], GNUTLS_X509_FMT_PEM) >= 0);
	assert_int_equal(gnutls_init(&peer->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
	assert_int_equal(gnutls_priority_set_direct(peer->session, priority, NULL), 0);
	gnutls_credentials_set(peer->session, GNUTLS_CRD_CERTIFICATE, peer->x509);
	gnutls_transport_set_int(peer->session, peer->fd);
	int code;
	while ((code = gnutls_handshake(peer->session)) == GNUTLS_E_AGAIN)
		loop_turn(loop);
	assert_int_equal(code, 0);
	tls_side_wait(&server);
	assert_true(server.ready);
}

static void bare_end(struct bare_peer *peer)
{
	gnutls_deinit(peer->session);
	gnutls_certificate_free_credentials(peer->x509);
	close(peer->fd);
}

static const char *const versions[] = {
	"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};

/* Up to n bytes: how many before the end, or GnuTLS's error. */
static ssize_t bare_receive(struct bare_peer *peer, char *to, size_t n)
{
	size_t at = 0;
	while (at < n) {
		ssize_t code = gnutls_record_recv(peer->session, to + at, n - at);
		if (code == GNUTLS_E_AGAIN)
			loop_turn(loop);
		else if (code <= 0)
			return at > 0 ? (ssize_t)at : code;
		else
			at += (size_t)code;
	}
	return (ssize_t)at;
}

static void half_close_leaves_output(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct bare_peer peer;
		char answer[6];
		bare_begin(&peer, versions[i % 2]);
		recorder_read_start(&server.recorder);
		assert_int_equal(gnutls_record_send(peer.session, "hello", 5), 5);
		if (i < 2)
			gnutls_bye(peer.session, GNUTLS_SHUT_WR);
		else
			shutdown(peer.fd, SHUT_WR); /* as a program that skips close_notify */
		recorder_wait(&server.recorder, server.recorder.count[RECORDER_END_OF_INPUT] == 1);
		assert_int_equal(server.recorder.length, 5);
		assert_int_equal(recorder_write(&server.recorder, "answer", 6), 6);
		assert_int_equal(bare_receive(&peer, answer, 6), 6);
		assert_memory_equal(answer, "answer", 6);
		assert_int_equal(server.recorder.count[RECORDER_GONE], 0);
		bare_end(&peer);
		recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
		assert_int_equal(server.recorder.count[RECORDER_END_OF_INPUT], 1);
		assert_false(server.broken);
		tls_side_end(&server);
	}
}

/* What follows close_notify is ignored; the end of the connection is not. */
static void bytes_after_the_end_are_ignored(void **state)
{
	struct bare_peer peer;
	bare_begin(&peer, versions[0]);
	recorder_read_start(&server.recorder);
	gnutls_bye(peer.session, GNUTLS_SHUT_WR);
	for (int i = 0; i < 4; i++)
		fd_write_all(peer.fd, bytes, 20000);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_END_OF_INPUT] == 1);
	assert_int_equal(recorder_write(&server.recorder, "answer", 6), 6);
	stream_read_stop(server.stream);
	bare_end(&peer);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.recorder.length, 0);
	assert_false(server.broken);
	tls_side_end(&server);
}

/* The other way round: what the layer's own close says is the peer's end of input. */
static void a_peer_sees_close_notify(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct bare_peer peer;
		char byte;
		bare_begin(&peer, versions[i]);
		stream_close(server.stream);
		assert_int_equal(bare_receive(&peer, &byte, 1), 0);
		tls_side_end(&server);
		bare_end(&peer);
	}
}

/* The stream below counts bytes of TLS; the consumer is told its own. */
static void what_did_not_arrive_is_known(void **state)
{
	static struct tls_sent sent;
	tls_sent_add(&sent, 1000, 1122, 100); /* after a handshake of 1000 bytes */
	assert_int_equal(tls_sent_missing(&sent, 1122), 0);
	assert_int_equal(tls_sent_missing(&sent, 1061), 50);
	assert_int_equal(tls_sent_missing(&sent, 1000), 100);
	assert_int_equal(tls_sent_missing(&sent, 0), 100);
	for (uint64_t i = 0; i < 10000; i++)
		tls_sent_add(&sent, 1122 + i * 16406, 1122 + (i + 1) * 16406, 16384);
	for (uint64_t i = 0; i < TLS_SENT_MARKS; i++)
		assert_int_equal(tls_sent_missing(&sent, 1122 + (10000 - i) * 16406), i * 16384);
	assert_int_equal(tls_sent_missing(&sent, 0), TLS_SENT_MARKS * 16384);
	memset(&sent, 0, sizeof(sent));
	for (uint64_t i = 0; i < 100000; i++)
		tls_sent_add(&sent, i * 23, (i + 1) * 23, 1);
	for (uint64_t i = 0; i < 100000; i += 77)
		assert_in_range(tls_sent_missing(&sent, i * 23), 100000 - i, 100000 - i);
}

static void begin_tcp(int fds[2])
{
	tcp_pair(fds);
	tls_side_begin(&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
	tls_side_begin(
		&client, loop, fds[1], tls_files_load(files.client, false, NULL), "localhost", 0);
	tls_side_wait(&server);
	tls_side_wait(&client);
	settle();
}

/* Who holds up a guest that takes no input must not do so for ever because it has typed. */
static void who_waits_to_write_hears_that_the_peer_is_gone(void **state)
{
	int fds[2];
	begin_tcp(fds);
	server.recorder.paused = true;
	recorder_read_start(&server.recorder);
	assert_int_equal(recorder_write(&client.recorder, "hello", 5), 5);
	settle();
	while (recorder_write(&server.recorder, bytes, sizeof(bytes)) != 0)
		settle();
	int before = server.recorder.count[RECORDER_WRITABLE];
	/* With unread bytes, and without a word of TLS: a reset. */
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(dup3(nowhere, fds[1], O_CLOEXEC), fds[1]);
	close(nowhere);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_WRITABLE] > before);
	assert_int_equal(server.recorder.count[RECORDER_GONE], 0);
	assert_true(recorder_write(&server.recorder, "x", 1) < 0);
	server.recorder.paused = false;
	recorder_read_start(&server.recorder);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.recorder.length, 5);
	tls_side_end(&server);
	tls_side_end(&client);
}

/* A TCP peer that resets the connection with most of what was sent unread by its kernel. */
static void what_a_tcp_peer_did_not_take(void **state)
{
	int fds[2];
	tcp_pair(fds);
	tls_side_begin(&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
	tls_side_begin(
		&client, loop, fds[1], tls_files_load(files.client, false, NULL), "localhost", 0);
	tls_side_wait(&server);
	tls_side_wait(&client);
	settle();
	uint64_t handshake = server.lower.sent;
	size_t sent = 0;
	int unread = 0, queued = 0;
	/* Until no more goes, and all that has arrived is acknowledged. */
	for (int idle = 0; idle < 10;) {
		ssize_t n = recorder_write(&server.recorder, bytes, sizeof(bytes));
		assert_true(n >= 0);
		sent += (size_t)n;
		settle();
		ioctl(fds[1], FIONREAD, &unread);
		ioctl(fds[0], SIOCOUTQ, &queued);
		bool is_settled =
			server.lower.sent - handshake == (uint64_t)unread + (uint64_t)queued;
		idle = n == 0 && is_settled ? idle + 1 : 0;
	}
	assert_true(unread > 0 && queued > 0);
	recorder_read_start(&server.recorder);
	tls_side_end(&client); /* with unread bytes: a reset */
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	/* What TCP had not got rid of, and the record that waited for it. */
	size_t left = (size_t)queued;
	assert_in_range(server.recorder.unsent, left - left / 100, left + 2 * 16384);
	assert_true(server.recorder.unsent < sent);
	tls_side_end(&server);
}

/* A device that ends has given its last record; half of one would be nothing to the client. */
static void what_was_taken_before_a_close_arrives_after_it(void **state)
{
	begin();
	size_t taken = 0;
	for (ssize_t n; (n = recorder_write(&server.recorder, bytes, sizeof(bytes))) != 0;) {
		assert_true(n > 0);
		taken += (size_t)n;
	}
	server.in_operation = server.recorder.in_operation = true;
	stream_close(server.stream);
	server.in_operation = server.recorder.in_operation = false;
	settle();
	assert_false(server.closed);
	recorder_read_start(&client.recorder);
	recorder_wait(&client.recorder, client.recorder.count[RECORDER_END_OF_INPUT] == 1);
	assert_int_equal(client.recorder.length, taken);
	tls_side_end(&server);

	/* But not for ever, for one that does not read. */
	tls_side_end(&client);
	begin();
	while (recorder_write(&server.recorder, bytes, sizeof(bytes)) != 0)
		;
	uint64_t before = loop_now_ms(loop);
	tls_side_end(&server);
	assert_in_range(loop_now_ms(loop) - before, LAYER_LINGER_MS - 100, 10 * LAYER_LINGER_MS);
	tls_side_end(&client);
}

/* ---- peers that misbehave in a session ------------------------------------------------------- */

static void a_record_that_was_changed_ends_the_session(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct bare_peer peer;
		char record[5 + 100] = {23, 3, 3, 0, 100};
		bare_begin(&peer, versions[i]);
		recorder_read_start(&server.recorder);
		fd_write_all(peer.fd, record, sizeof(record));
		recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
		assert_true(server.broken);
		assert_int_equal(server.recorder.reason, 0); /* it has been told */
		assert_int_equal(server.failure, -EPROTO);
		assert_string_equal(server.reason, "what it sent was changed on its way");
		assert_int_equal(server.recorder.count[RECORDER_END_OF_INPUT], 0);
		assert_int_equal(recorder_write(&server.recorder, "x", 1), -EPIPE);
		assert_int_equal(bare_receive(&peer, record, 1), GNUTLS_E_FATAL_ALERT_RECEIVED);
		assert_int_equal(gnutls_alert_get(peer.session), GNUTLS_A_BAD_RECORD_MAC);
		tls_side_end(&server);
		bare_end(&peer);
	}
}

static void renegotiation_is_refused(void **state)
{
	struct bare_peer peer;
	bare_begin(&peer, versions[1]);
	recorder_read_start(&server.recorder);
	assert_int_equal(gnutls_handshake(peer.session), GNUTLS_E_AGAIN);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.failure, -EPROTO);
	assert_non_null(strstr(server.reason, "renegotiate"));
	tls_side_end(&server);
	bare_end(&peer);
}

/* New keys while output is held up: no byte is lost, none doubled. */
static void new_keys_on_demand(void **state)
{
	static char got[MIB];
	struct bare_peer peer;
	size_t sent = 0, received = 0;
	bare_begin(&peer, versions[0]);
	recorder_read_start(&server.recorder);
	for (int round = 0; received < sizeof(bytes); round++) {
		if (round < 4)
			assert_int_equal(
				gnutls_session_key_update(peer.session, GNUTLS_KU_PEER), 0);
		settle();
		if (sent < sizeof(bytes)) {
			ssize_t n = recorder_write(
				&server.recorder, bytes + sent, sizeof(bytes) - sent);
			assert_true(n >= 0);
			sent += (size_t)n;
		}
		settle();
		ssize_t n;
		while ((n = gnutls_record_recv(
				peer.session, got + received, sizeof(got) - received)) > 0)
			received += (size_t)n;
		assert_true(n == GNUTLS_E_AGAIN || received == sizeof(bytes));
	}
	assert_memory_equal(got, bytes, sizeof(bytes));
	assert_false(server.broken);
	tls_side_end(&server);
	bare_end(&peer);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void closing_in_any_callback(void **state)
{
	static const enum recorder_event events[] = {RECORDER_SPACE, RECORDER_RECEIVED,
		RECORDER_WRITABLE, RECORDER_END_OF_INPUT, RECORDER_GONE};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		begin();
		server.recorder.close_at = (int)events[i];
		recorder_read_start(&server.recorder);
		if (events[i] == RECORDER_WRITABLE) {
			while (recorder_write(&server.recorder, bytes, sizeof(bytes)) > 0)
				;
			recorder_read_start(&client.recorder);
		}
		assert_int_equal(recorder_write(&client.recorder, "xx", 2), 2);
		if (events[i] == RECORDER_END_OF_INPUT || events[i] == RECORDER_GONE)
			tls_side_end(&client);
		while (!server.closed)
			loop_run(loop);
		assert_int_equal(server.recorder.count[events[i]], 1);
		end();
	}
}

static void closing_when_ready(void **state)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	tls_side_begin(&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
	tls_side_begin(
		&client, loop, fds[1], tls_files_load(files.client, false, NULL), "localhost", 0);
	server.close_when_ready = client.close_when_ready = true;
	tls_side_wait(&server);
	tls_side_wait(&client);
	assert_true(client.ready);
	end();
}

static void closing_when_broken(void **state)
{
	struct bare_peer peer;
	char record[5 + 100] = {23, 3, 3, 0, 100};
	bare_begin(&peer, versions[0]);
	recorder_read_start(&server.recorder);
	server.close_when_broken = true;
	fd_write_all(peer.fd, record, sizeof(record));
	while (!server.closed)
		loop_run(loop);
	assert_true(server.broken);
	tls_side_end(&server);
	assert_int_equal(server.recorder.count[RECORDER_GONE], 0);
	bare_end(&peer);
}

/* After every number of turns of a handshake, from none on, until it is done. */
static void closing_in_the_middle_of_a_handshake(void **state)
{
	bool done = false;
	for (int turns = 0; !done; turns++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		tls_side_begin(
			&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 0);
		tls_side_begin(&client, loop, fds[1], tls_files_load(files.client, false, NULL),
			"localhost", 0);
		for (int i = 0; i < turns; i++)
			loop_turn(loop);
		done = server.ready && client.ready;
		struct tls_side *first = turns % 2 == 0 ? &server : &client;
		struct tls_side *second = turns % 2 == 0 ? &client : &server;
		tls_side_end(first);
		tls_side_wait(second);
		if (second->failed)
			assert_non_null(strstr(second->reason, "the connection "));
		tls_side_end(second);
	}
}

/* ---- calls that fail ------------------------------------------------------------------------- */

static void memory_that_is_short_when_it_begins(void **state)
{
	int fds[2];
	struct stream *stream = NULL;
	static const struct layer_listener listener = {0};
	struct layer_params params = {.loop = loop, .is_server = true, .listener = &listener};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fd_stream_init(&server.lower, loop, FD_STREAM_SOCKET, fds[0], fds[0],
				 recorder_closed),
		0);
	params.tls = tls_files_load(files.server, true, NULL);
	fail_nth(FAIL_CALLOC, 1, ENOMEM);
	assert_int_equal(layer_tls.wrap(&server.lower.base, &params, &stream), -ENOMEM);
	assert_null(stream);
	/* The stream below is as it was. */
	recorder_attach(&server.recorder, loop, &server.lower.base);
	recorder_detach(&server.recorder);
	tls_credentials_unref(params.tls);
	close(fds[1]);
}

/* Whichever send of a handshake and of what follows fails, both sides are told, once. */
static void a_send_that_fails(void **state)
{
	int failed = 0;
	for (int n = 1; n < 12; n++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		fail_reset();
		fail_nth(FAIL_SENDMSG, n, ECONNRESET);
		tls_side_begin(
			&server, loop, fds[0], tls_files_load(files.server, true, NULL), NULL, 200);
		tls_side_begin(&client, loop, fds[1], tls_files_load(files.client, false, NULL),
			"localhost", 200);
		tls_side_wait(&client);
		if (client.ready) {
			recorder_read_start(&client.recorder);
			for (int i = 0; i < 4 && client.recorder.count[RECORDER_GONE] == 0; i++) {
				recorder_write(&client.recorder, "hello", 5);
				settle();
			}
		}
		failed += client.failed || client.recorder.count[RECORDER_GONE] > 0;
		tls_side_end(&client);
		tls_side_wait(&server);
		tls_side_end(&server);
	}
	assert_true(failed > 0);
}

static void interrupted_and_short_sends(void **state)
{
	begin();
	fail_nth(FAIL_SENDMSG, 1, EINTR);
	transfer(&client, &server, 100000, all);
	fail_nth(FAIL_SENDMSG, 1, EAGAIN);
	transfer(&client, &server, 100000, various);
	fail_nth(FAIL_READV, 1, EAGAIN);
	transfer(&server, &client, 100000, all);
	end();
}

static void a_write_that_fails_ends_the_output(void **state)
{
	begin();
	recorder_read_start(&server.recorder);
	fail_nth(FAIL_SENDMSG, 1, ECONNRESET);
	assert_int_equal(recorder_write(&server.recorder, "x", 1), -ECONNRESET);
	assert_int_equal(recorder_write(&server.recorder, "x", 1), -ECONNRESET);
	assert_int_equal(recorder_write(&client.recorder, "still", 5), 5);
	recorder_wait(&server.recorder, server.recorder.length == 5);
	tls_side_end(&client);
	recorder_wait(&server.recorder, server.recorder.count[RECORDER_GONE] == 1);
	assert_int_equal(server.recorder.reason, -ECONNRESET);
	tls_side_end(&server);
}

#define tls_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tls_test(bytes_go_both_ways),
		tls_test(small_spaces_are_filled_one_by_one),
		tls_test(a_slow_consumer_holds_up_the_writer),
		tls_test(no_space_pauses_with_plain_text_pending),
		tls_test(nothing_is_read_before_the_start_nor_after_the_stop),
		tls_test(idle_sessions_cause_no_wakeups),
		tls_test(a_break_cannot_be_carried),
		tls_test(a_close_is_an_orderly_end),
		tls_test(who_waits_to_write_hears_that_the_peer_is_gone),
		tls_test(a_paused_consumer_loses_nothing),
		tls_test(half_close_leaves_output),
		tls_test(bytes_after_the_end_are_ignored),
		tls_test(a_peer_sees_close_notify),
		tls_test(what_did_not_arrive_is_known),
		tls_test(what_a_tcp_peer_did_not_take),
		tls_test(what_was_taken_before_a_close_arrives_after_it),
		tls_test(a_record_that_was_changed_ends_the_session),
		tls_test(renegotiation_is_refused),
		tls_test(new_keys_on_demand),
		tls_test(closing_in_any_callback),
		tls_test(closing_when_ready),
		tls_test(closing_when_broken),
		tls_test(closing_in_the_middle_of_a_handshake),
		tls_test(memory_that_is_short_when_it_begins),
		tls_test(a_send_that_fails),
		tls_test(interrupted_and_short_sends),
		tls_test(a_write_that_fails_ends_the_output),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
