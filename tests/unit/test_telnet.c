/* stream/telnet.c: the telnet layer on a socket, against raw bytes and against itself. */
#include "test.h"

#include "fail.h"
#include "recorder.h"
#include "stream/fd_stream.h"
#include "stream/layer.h"
#include "telnet_words.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS = 16, SERVER = true, CLIENT = false };

/* One side: a layer on a socket, and its consumer. */
struct end {
	struct fd_stream lower;
	struct recorder rec;
	int ready;
	int lower_closed;
	struct stream_signal signals[SIGNALS];
	size_t signal_at[SIGNALS]; /* after so many bytes */
	int signal_count;
};

static struct loop *loop;
static struct end one, two;
static unsigned seed;

static int setup(void **state)
{
	fail_reset();
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop = loop_free(loop);
	return 0;
}

/* ---- an end ---------------------------------------------------------------------------------- */

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	struct end *end = container_of(consumer, struct end, rec);
	assert_in_range(end->signal_count, 0, SIGNALS - 1);
	end->signal_at[end->signal_count] = end->rec.length;
	end->signals[end->signal_count++] = *signal;
	recorder_note(consumer, RECORDER_SIGNALLED);
}

static const struct stream_sink sink = {
	.space = recorder_space,
	.received = recorder_received,
	.signalled = on_signalled,
	.writable = recorder_writable,
	.written = recorder_written,
	.end_of_input = recorder_end_of_input,
	.gone = recorder_gone,
};

static void on_ready(void *owner)
{
	struct end *end = owner;
	assert_false(end->rec.in_operation);
	assert_int_equal(end->ready++, 0);
	stream_attach(end->rec.stream, &sink, &end->rec);
	loop_stop(loop);
}

static void on_failed(void *owner, int failure, const char *reason)
{
	fail_msg("telnet does not fail: %s", reason);
}

static void on_closed(void *owner)
{
	struct end *end = owner;
	assert_false(end->rec.in_operation);
	assert_int_equal(end->lower_closed, 1);
	assert_int_equal(end->rec.count[RECORDER_CLOSED]++, 0);
	loop_stop(loop);
}

static const struct layer_listener listener = {
	.ready = on_ready, .failed = on_failed, .closed = on_closed};

static void on_lower_closed(struct stream *lower)
{
	container_of(lower, struct end, lower.base)->lower_closed++;
}

static void begin_end(struct end *end, bool is_server, int fd)
{
	const struct layer_params params = {
		.loop = loop, .is_server = is_server, .listener = &listener, .owner = end};
	*end = (struct end){0};
	assert_int_equal(
		fd_stream_init(&end->lower, loop, FD_STREAM_SOCKET, fd, fd, on_lower_closed), 0);
	end->rec = (struct recorder){
		.loop = loop, .room = RECORDER_CAPACITY, .close_at = -1, .in_operation = true};
	end->rec.input = test_malloc(RECORDER_CAPACITY + 1);
	assert_int_equal(layer_telnet.wrap(&end->lower.base, &params, &end->rec.stream), 0);
	end->rec.in_operation = false;
	assert_int_equal(end->ready, 0);
}

static int signal_end(struct end *end, struct stream_signal signal)
{
	end->rec.in_operation = true;
	int rc = stream_signal(end->rec.stream, &signal);
	end->rec.in_operation = false;
	return rc;
}

static const struct stream_signal a_break = {.type = STREAM_SIGNAL_BREAK};

/* ---- against raw bytes ----------------------------------------------------------------------- */

/* Enough turns for everything that can happen by itself. */
static void settle(void)
{
	for (int i = 0; i < 10; i++)
		loop_turn(loop);
}

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void expect(int peer, const char *bytes, size_t n)
{
	char got[4096];
	assert_true(n <= sizeof(got));
	assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), n);
	assert_memory_equal(got, bytes, n);
}

static void expect_silence(int peer)
{
	char byte;
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
}

/* Returns the peer's end, after the opening; the consumer is there and does not read. */
static int begin_raw(bool is_server)
{
	int fds[2];
	make_pair(fds);
	begin_end(&one, is_server, fds[0]);
	recorder_wait(&one.rec, one.ready == 1);
	if (is_server)
		expect(fds[1], LITERAL(SERVER_OPENING));
	else
		expect(fds[1], LITERAL(CLIENT_OPENING));
	return fds[1];
}

static void finish_raw(int peer)
{
	recorder_detach(&one.rec);
	close(peer);
}

static void expect_input(struct end *end, const char *bytes, size_t n)
{
	assert_int_equal(end->rec.length, n);
	assert_memory_equal(end->rec.input, bytes, n);
}

static void offers_are_made_at_once(void **state)
{
	int fds[2];
	make_pair(fds);
	begin_end(&one, SERVER, fds[0]);
	expect(fds[1], LITERAL(SERVER_OPENING)); /* no turn of the loop yet */
	recorder_wait(&one.rec, one.ready == 1);
	settle();
	expect_silence(fds[1]);
	assert_int_equal(one.rec.count[RECORDER_SPACE], 0);
	finish_raw(fds[1]);
}

static void closed_before_it_is_ready(void **state)
{
	int fds[2];
	make_pair(fds);
	begin_end(&one, CLIENT, fds[0]);
	recorder_detach(&one.rec);
	assert_int_equal(one.ready, 0);
	close(fds[1]);
}

static void a_peer_that_has_left_before(void **state)
{
	int fds[2];
	make_pair(fds);
	close(fds[1]);
	begin_end(&one, SERVER, fds[0]);
	recorder_wait(&one.rec, one.ready == 1);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	assert_int_equal(one.rec.unsent, 0); /* offers are nobody's bytes */
	assert_int_equal(recorder_write(&one.rec, "x", 1), -EPIPE);
	assert_int_equal(signal_end(&one, a_break), -EPIPE);
	recorder_detach(&one.rec);
}

static void short_of_memory_the_lower_stream_is_as_it_was(void **state)
{
	int fds[2];
	struct stream *stream = NULL;
	const struct layer_params params = {
		.loop = loop, .is_server = true, .listener = &listener, .owner = &one};
	make_pair(fds);
	assert_int_equal(
		fd_stream_init(&one.lower, loop, FD_STREAM_SOCKET, fds[0], fds[0], recorder_closed),
		0);
	fail_nth(FAIL_CALLOC, 1, ENOMEM);
	assert_int_equal(layer_telnet.wrap(&one.lower.base, &params, &stream), -ENOMEM);
	assert_null(stream);
	expect_silence(fds[1]);
	recorder_attach(&two.rec, loop, &one.lower.base);
	recorder_detach(&two.rec);
	close(fds[1]);
}

static void a_consumer_that_does_not_read_holds_up_no_negotiation(void **state)
{
	int peer = begin_raw(SERVER);
	fd_write_all(peer, LITERAL(DO LINEMODE NOP WILL PORT "hello" DO LINEMODE));
	settle();
	expect(peer, LITERAL(WONT LINEMODE DO PORT SB PORT "\153\260" SE));
	assert_int_equal(one.rec.count[RECORDER_SPACE], 0);
	one.rec.room = 2;
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.rec.length == 5);
	settle();
	expect_input(&one, "hello", 5);
	expect(peer, LITERAL(WONT LINEMODE));
	/* Stopped again; what comes is kept, and no more than a chunk of it is taken. */
	stream_read_stop(one.rec.stream);
	static char much[8 * LAYER_CHUNK];
	fcntl(peer, F_SETFL, O_NONBLOCK);
	while (write(peer, much, sizeof(much)) > 0)
		settle();
	assert_true(recv(one.lower.in_fd, much, sizeof(much), MSG_PEEK | MSG_DONTWAIT) > 0);
	assert_int_equal(one.rec.length, 5);
	finish_raw(peer);
}

static void signals_come_in_their_place(void **state)
{
	int peer = begin_raw(SERVER);
	fd_write_all(peer, LITERAL(WILL NAWS "ab" BRK "c" SB NAWS "\0P\0\30" SE BRK));
	settle();
	assert_int_equal(one.signal_count, 0);
	one.rec.room = 1;
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.signal_count == 3);
	expect_input(&one, "abc", 3);
	assert_int_equal(one.signals[0].type, STREAM_SIGNAL_BREAK);
	assert_int_equal(one.signal_at[0], 2);
	assert_int_equal(one.signals[1].type, STREAM_SIGNAL_WINDOW);
	assert_int_equal(one.signals[1].u.window.columns, 80);
	assert_int_equal(one.signals[1].u.window.rows, 24);
	assert_int_equal(one.signals[2].type, STREAM_SIGNAL_BREAK);
	assert_int_equal(one.signal_at[2], 3);
	finish_raw(peer);
}

static void signals_go_out_in_their_place(void **state)
{
	int peer = begin_raw(SERVER);
	assert_int_equal(recorder_write(&one.rec, "a\377", 2), 2);
	assert_int_equal(signal_end(&one, a_break), 0);
	assert_int_equal(recorder_write(&one.rec, "c", 1), 1);
	expect(peer, LITERAL("a" IAC IAC BRK "c"));
	/* Asked for, it is a line state. */
	fd_write_all(peer, LITERAL(WILL PORT SB PORT "\12\20" SE));
	recorder_read_start(&one.rec);
	settle();
	expect(peer, LITERAL(DO PORT SB PORT "\153\260" SE SB PORT "\156\20" SE));
	assert_int_equal(signal_end(&one, a_break), 0);
	expect(peer, LITERAL(SB PORT "\152\20" SE));
	const struct stream_signal window = {STREAM_SIGNAL_WINDOW, .u.window = {80, 24}};
	assert_int_equal(signal_end(&one, window), -EOPNOTSUPP);
	const struct stream_signal purge = {STREAM_SIGNAL_PURGE, .u.purge = 1};
	assert_int_equal(signal_end(&one, purge), -EOPNOTSUPP);
	finish_raw(peer);
}

static void a_client_without_a_port_carries_no_settings(void **state)
{
	const struct stream_signal line = {STREAM_SIGNAL_LINE, .u.line = {.speed = 9600}};
	const struct stream_signal purge = {STREAM_SIGNAL_PURGE, .u.purge = 1};
	const struct stream_signal window = {STREAM_SIGNAL_WINDOW, .u.window = {80, 24}};
	int peer = begin_raw(CLIENT);
	assert_int_equal(signal_end(&one, line), 0); /* it may still agree */
	assert_int_equal(signal_end(&one, purge), -EOPNOTSUPP);
	expect_silence(peer);
	fd_write_all(peer, LITERAL(DO PORT));
	settle();
	expect(peer, LITERAL(SB PORT "\12\20" SE SB PORT "\1\0\0\45\200" SE));
	assert_int_equal(signal_end(&one, purge), 0);
	expect(peer, LITERAL(SB PORT "\14\1" SE));
	fd_write_all(peer, LITERAL(DONT PORT));
	settle();
	expect(peer, LITERAL(WONT PORT));
	assert_int_equal(signal_end(&one, line), -EOPNOTSUPP);
	assert_int_equal(signal_end(&one, a_break), 0);
	expect(peer, LITERAL(BRK));
	assert_int_equal(signal_end(&one, window), 0);
	expect(peer, LITERAL(WILL NAWS));
	finish_raw(peer);
}

static void data_is_suspended_and_resumed(void **state)
{
	int peer = begin_raw(SERVER);
	recorder_read_start(&one.rec);
	fd_write_all(peer, LITERAL(WILL PORT SB PORT "\10" SE));
	settle();
	expect(peer, LITERAL(DO PORT SB PORT "\153\260" SE));
	assert_int_equal(recorder_write(&one.rec, "x", 1), 0);
	settle();
	assert_int_equal(one.rec.count[RECORDER_WRITABLE], 0);
	fd_write_all(peer, LITERAL(SB PORT "\1\0\0\0\0" SE)); /* answers are not data */
	settle();
	expect(peer, LITERAL(SB PORT "\145\0\1\302\0" SE));
	fd_write_all(peer, LITERAL(SB PORT "\11" SE));
	recorder_wait(&one.rec, one.rec.count[RECORDER_WRITABLE] == 1);
	assert_int_equal(recorder_write(&one.rec, "x", 1), 1);
	expect(peer, LITERAL("x"));
	/* An option that ends suspends nothing any more. */
	fd_write_all(peer, LITERAL(SB PORT "\10" SE));
	settle();
	assert_int_equal(recorder_write(&one.rec, "x", 1), 0);
	fd_write_all(peer, LITERAL(WONT PORT));
	recorder_wait(&one.rec, one.rec.count[RECORDER_WRITABLE] == 2);
	finish_raw(peer);
}

/* ---- room ------------------------------------------------------------------------------------ */

static size_t drain(int peer)
{
	static char bytes[65536];
	size_t size = 0;
	ssize_t n;
	while ((n = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		size += (size_t)n;
	return size;
}

/* Fills the socket and the stage; returns how many bytes were taken. */
static size_t fill_up(void)
{
	static char bytes[100000];
	size_t taken = 0;
	ssize_t n;
	while ((n = recorder_write(&one.rec, bytes, sizeof(bytes))) > 0)
		taken += (size_t)n;
	assert_int_equal(n, 0);
	return taken;
}

static void a_full_stage_is_followed_by_writable(void **state)
{
	int peer = begin_raw(SERVER);
	size_t taken = fill_up(), arrived = 0;
	assert_int_equal(signal_end(&one, a_break), -EAGAIN);
	settle();
	assert_int_equal(one.rec.count[RECORDER_WRITABLE], 0);
	while (one.rec.count[RECORDER_WRITABLE] == 0) {
		arrived += drain(peer);
		settle();
	}
	arrived += drain(peer);
	assert_int_equal(arrived, taken);
	settle();
	assert_int_equal(one.rec.count[RECORDER_WRITABLE], 1);
	assert_int_equal(signal_end(&one, a_break), 0);
	expect(peer, LITERAL(BRK));
	finish_raw(peer);
}

/* Also where all bytes were taken, and only a signal finds no room. */
static void a_refused_signal_is_followed_by_writable(void **state)
{
	static const char bytes[64];
	int peer = begin_raw(SERVER);
	fill_up();
	while (one.rec.count[RECORDER_WRITABLE] == 0) {
		drain(peer);
		settle();
	}
	do
		assert_int_equal(recorder_write(&one.rec, bytes, sizeof(bytes)), sizeof(bytes));
	while (signal_end(&one, a_break) == 0);
	assert_int_equal(signal_end(&one, a_break), -EAGAIN);
	settle();
	assert_int_equal(one.rec.count[RECORDER_WRITABLE], 1);
	while (one.rec.count[RECORDER_WRITABLE] == 1) {
		assert_true(drain(peer) > 0);
		settle();
	}
	assert_int_equal(signal_end(&one, a_break), 0);
	finish_raw(peer);
}

/* More is offered than is staged, and the peer has room: no `writable` is needed. */
static void a_long_write_goes_through(void **state)
{
	static char bytes[5 * LAYER_CHUNK];
	int peer = begin_raw(SERVER);
	ssize_t n = recorder_write(&one.rec, bytes, sizeof(bytes));
	assert_int_equal(n, sizeof(bytes));
	assert_int_equal(drain(peer), sizeof(bytes));
	settle();
	assert_int_equal(one.rec.count[RECORDER_WRITABLE], 0);
	finish_raw(peer);
}

static void answers_pass_a_full_stage(void **state)
{
	int peer = begin_raw(SERVER);
	size_t taken = fill_up();
	recorder_read_start(&one.rec);
	fd_write_all(peer, LITERAL("a" DO LINEMODE "b"));
	recorder_wait(&one.rec, one.rec.length == 2);
	size_t arrived = 0;
	while (one.rec.count[RECORDER_WRITABLE] == 0) {
		arrived += drain(peer);
		settle();
	}
	assert_int_equal(arrived + drain(peer), taken + strlen(WONT LINEMODE));
	finish_raw(peer);
}

/* A peer that asks and does not read is not read from; when it does, nothing is lost. */
static void a_flood_of_requests_is_not_queued(void **state)
{
	static char flood[60000];
	const size_t total = 1200000;
	size_t sent = 0, arrived = 0;
	int peer = begin_raw(SERVER);
	for (size_t i = 0; i < sizeof(flood); i += 3)
		memcpy(flood + i, DO LINEMODE, 3);
	fcntl(peer, F_SETFL, O_NONBLOCK);
	recorder_read_start(&one.rec);
	ssize_t n;
	do {
		n = write(peer, flood + sent % 3, sizeof(flood) - 3);
		sent += n > 0 ? (size_t)n : 0;
		settle();
	} while (n > 0 && sent < total);
	assert_true(sent < total); /* it was stopped */
	while (sent < total) {
		arrived += drain(peer);
		settle();
		size_t piece = total - sent < sizeof(flood) - 3 ? total - sent : sizeof(flood) - 3;
		n = write(peer, flood + sent % 3, piece);
		sent += n > 0 ? (size_t)n : 0;
	}
	while (arrived < total) {
		settle();
		size_t more = drain(peer);
		assert_true(more > 0);
		arrived += more;
	}
	assert_int_equal(arrived, total);
	assert_int_equal(one.rec.length, 0);
	finish_raw(peer);
}

/* ---- on a stream that borrows ---------------------------------------------------------------- */

static struct stream borrower;
static struct iovec lent;

static void borrower_nothing(struct stream *stream)
{
}

static ssize_t borrower_write(struct stream *stream, const struct iovec *iov, int count)
{
	assert_int_equal(count, 1);
	assert_null(lent.iov_base);
	lent = *iov;
	return STREAM_BORROWED;
}

static int borrower_signal(struct stream *stream, const struct stream_signal *signal)
{
	return -EOPNOTSUPP;
}

static void borrower_close(struct stream *stream)
{
	stream->on_closed(stream);
}

static const struct stream_ops borrower_ops = {
	.name = "borrower",
	.read_start = borrower_nothing,
	.read_stop = borrower_nothing,
	.write = borrower_write,
	.signal = borrower_signal,
	.close = borrower_close,
};

static void on_borrower_closed(struct stream *stream)
{
	one.lower_closed++;
}

static void give_back(size_t done, int failure)
{
	lent = (struct iovec){0};
	borrower.sink->written(borrower.consumer, done, failure);
}

static void expect_lent(const char *bytes, size_t n)
{
	assert_int_equal(lent.iov_len, n);
	assert_memory_equal(lent.iov_base, bytes, n);
}

static void what_is_borrowed_is_left_alone(void **state)
{
	const struct layer_params params = {
		.loop = loop, .is_server = true, .listener = &listener, .owner = &one};
	one = (struct end){.rec = {.loop = loop, .close_at = -1}};
	lent = (struct iovec){0};
	stream_init(&borrower, &borrower_ops, on_borrower_closed);
	assert_int_equal(layer_telnet.wrap(&borrower, &params, &one.rec.stream), 0);
	recorder_wait(&one.rec, one.ready == 1);
	expect_lent(LITERAL(SERVER_OPENING));
	assert_int_equal(recorder_write(&one.rec, "hello\377", 6), 6);
	assert_int_equal(signal_end(&one, a_break), 0);
	expect_lent(LITERAL(SERVER_OPENING));
	give_back(5, 0);
	static const char whole[] = SERVER_OPENING "hello" IAC IAC BRK;
	expect_lent(&whole[5], sizeof(whole) - 1 - 5);
	give_back(lent.iov_len, 0);
	assert_null(lent.iov_base);
	assert_int_equal(recorder_write(&one.rec, "12345", 5), 5);
	assert_int_equal(recorder_write(&one.rec, "678", 3), 3);
	give_back(2, -EIO);
	assert_int_equal(recorder_write(&one.rec, "x", 1), -EIO);
	borrower.sink->gone(borrower.consumer, -EIO, 0);
	assert_int_equal(one.rec.count[RECORDER_GONE], 1);
	assert_int_equal(one.rec.unsent, 6);
	stream_close(one.rec.stream);
	assert_int_equal(one.rec.count[RECORDER_CLOSED], 1);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void half_close_leaves_output(void **state)
{
	int peer = begin_raw(SERVER);
	fd_write_all(peer, LITERAL("bye" BRK));
	shutdown(peer, SHUT_WR);
	settle();
	assert_int_equal(one.rec.count[RECORDER_END_OF_INPUT], 0);
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.rec.count[RECORDER_END_OF_INPUT] == 1);
	expect_input(&one, "bye", 3);
	assert_int_equal(one.signal_count, 1);
	assert_int_equal(recorder_write(&one.rec, "answer", 6), 6);
	expect(peer, "answer", 6);
	settle();
	assert_int_equal(one.rec.count[RECORDER_GONE], 0);
	close(peer);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	recorder_detach(&one.rec);
}

static void a_paused_reader_keeps_what_a_peer_left(void **state)
{
	int peer = begin_raw(SERVER);
	one.rec.paused = true;
	recorder_read_start(&one.rec);
	fd_write_all(peer, LITERAL("hello" IAC IAC));
	settle();
	close(peer);
	settle();
	assert_int_equal(one.rec.count[RECORDER_GONE], 0);
	assert_int_equal(one.rec.count[RECORDER_END_OF_INPUT], 0);
	uint64_t wakeups = loop_wakeups(loop);
	settle();
	assert_in_range(loop_wakeups(loop) - wakeups, 0, 10); /* settle's own */
	one.rec.paused = false;
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	expect_input(&one, "hello\377", 6);
	assert_int_equal(one.rec.count[RECORDER_END_OF_INPUT], 1);
	recorder_detach(&one.rec);
}

/* Who holds up a guest that takes no input must not do so for ever because it has typed. */
static void who_waits_to_write_hears_that_the_peer_is_gone(void **state)
{
	static char much[1024 * 1024];
	int peer = begin_raw(SERVER);
	one.rec.paused = true;
	recorder_read_start(&one.rec);
	fd_write_all(peer, LITERAL("hello"));
	settle();
	while (recorder_write(&one.rec, much, sizeof(much)) != 0)
		settle();
	int before = one.rec.count[RECORDER_WRITABLE];
	close(peer);
	recorder_wait(&one.rec, one.rec.count[RECORDER_WRITABLE] > before);
	assert_int_equal(one.rec.count[RECORDER_GONE], 0);
	assert_true(recorder_write(&one.rec, much, sizeof(much)) < 0);
	one.rec.paused = false;
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	expect_input(&one, "hello", 5);
	recorder_detach(&one.rec);
}

/* Requests that nobody hears the answers to do not keep the bytes behind them. */
static void a_peer_that_left_after_a_flood(void **state)
{
	static char flood[3 * LAYER_CHUNK];
	int peer = begin_raw(SERVER);
	one.rec.paused = true;
	recorder_read_start(&one.rec);
	fd_write_all(peer, "x", 1);
	settle();
	for (size_t i = 0; i + 3 <= sizeof(flood); i += 3)
		memcpy(flood + i, DO LINEMODE, 3);
	fd_write_all(peer, flood, sizeof(flood));
	fd_write_all(peer, "y", 1);
	close(peer);
	settle();
	one.rec.paused = false;
	recorder_read_start(&one.rec);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	expect_input(&one, "xy", 2);
	recorder_detach(&one.rec);
}

/* What is staged did not reach the peer. */
static void staged_output_is_unsent(void **state)
{
	int peer = begin_raw(SERVER);
	size_t taken = fill_up();
	recorder_read_start(&one.rec);
	assert_true(taken > LAYER_CHUNK);
	close(peer);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	assert_in_range(one.rec.unsent, LAYER_CHUNK / 2, LAYER_CHUNK);
	recorder_detach(&one.rec);
}

/* The last words of a guest reach a peer that is slow, and one that does not read holds up nobody.
 */
static void a_closed_layer_sends_what_is_staged(void **state)
{
	for (int reads = 0; reads < 3; reads++) {
		int peer = begin_raw(SERVER);
		size_t taken = fill_up(), arrived = 0;
		fd_write_all(peer, LITERAL("x" DO LINEMODE));
		one.rec.in_operation = true;
		stream_close(one.rec.stream);
		one.rec.in_operation = false;
		settle();
		assert_int_equal(one.rec.count[RECORDER_CLOSED], 0);
		if (reads == 2)
			shutdown(peer, SHUT_RDWR); /* gone: no need to wait */
		while (reads == 1 && one.rec.count[RECORDER_CLOSED] == 0) {
			arrived += drain(peer);
			settle();
		}
		uint64_t before = loop_now_ms(loop);
		recorder_wait(&one.rec, one.rec.count[RECORDER_CLOSED] == 1);
		uint64_t waited = loop_now_ms(loop) - before;
		assert_true(reads == 0 ? waited >= 500 : waited < 500);
		arrived += drain(peer);
		if (reads == 1)
			assert_int_equal(arrived, taken);
		for (int i = 0; i < RECORDER_CLOSED; i++)
			assert_int_equal(one.rec.count[i], 0);
		test_free(one.rec.input);
		close(peer);
	}
}

static void closing_in_any_callback(void **state)
{
	static const enum recorder_event events[] = {RECORDER_SPACE, RECORDER_RECEIVED,
		RECORDER_SIGNALLED, RECORDER_WRITABLE, RECORDER_END_OF_INPUT, RECORDER_GONE};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		int peer = begin_raw(SERVER);
		one.rec.close_at = (int)events[i];
		recorder_read_start(&one.rec);
		if (events[i] == RECORDER_WRITABLE) {
			fill_up();
			drain(peer);
		} else {
			fd_write_all(peer, LITERAL(DO LINEMODE "x" BRK "y" DO LINEMODE));
			shutdown(peer, SHUT_WR);
		}
		if (events[i] == RECORDER_GONE)
			close(peer);
		/* Nobody is waited for: what answers there are find room. */
		uint64_t before = loop_now_ms(loop);
		recorder_wait(&one.rec, one.rec.count[RECORDER_CLOSED] == 1);
		assert_true(loop_now_ms(loop) - before < 500);
		settle();
		assert_int_equal(one.rec.count[events[i]], 1);
		test_free(one.rec.input); /* the stream is freed */
		if (events[i] != RECORDER_GONE)
			close(peer);
	}
}

/* ---- against itself -------------------------------------------------------------------------- */

enum { MUCH = 1024 * 1024 };

static void begin_both(void)
{
	int fds[2];
	make_pair(fds);
	begin_end(&one, SERVER, fds[0]);
	begin_end(&two, CLIENT, fds[1]);
	recorder_wait(&one.rec, one.ready == 1 && two.ready == 1);
	recorder_read_start(&one.rec);
	recorder_read_start(&two.rec);
	settle();
}

static void finish_both(void)
{
	recorder_detach(&one.rec);
	recorder_detach(&two.rec);
}

/* Every value, many of them 0xff, CR, LF and NUL. */
static void make_noise(char *bytes, size_t n)
{
	static const char special[] = "\377\r\n\0";
	for (size_t i = 0; i < n; i++)
		bytes[i] = rand() % 3 == 0 ? special[rand() % 4] : (char)rand();
}

/* Writes a piece of random size; returns whether all is written. */
static bool write_some(struct end *end, const char *bytes, size_t *at)
{
	size_t n = 1 + (size_t)(rand() % 4 == 0 ? rand() % 50000 : rand() % 50);
	if (n > MUCH - *at)
		n = MUCH - *at;
	if (n > 0) {
		ssize_t rc = recorder_write(&end->rec, bytes + *at, n);
		assert_true(rc >= 0);
		*at += (size_t)rc;
	}
	return *at == MUCH;
}

static void every_byte_passes_both_ways(void **state)
{
	static char bytes[2][MUCH];
	for (int slow = 0; slow < 3; slow++) {
		size_t at[2] = {0, 0};
		make_noise(bytes[0], MUCH);
		make_noise(bytes[1], MUCH);
		begin_both();
		one.rec.room = slow > 0 ? 700 : RECORDER_CAPACITY;
		two.rec.room = slow > 1 ? 1000 : RECORDER_CAPACITY;
		bool done = false;
		while (!done || one.rec.length < MUCH || two.rec.length < MUCH) {
			done = write_some(&one, bytes[0], &at[0]);
			done = write_some(&two, bytes[1], &at[1]) && done;
			one.rec.paused = slow > 0 && rand() % 3 == 0;
			if (!one.rec.paused)
				recorder_read_start(&one.rec);
			loop_turn(loop);
		}
		expect_input(&one, bytes[1], MUCH);
		expect_input(&two, bytes[0], MUCH);
		assert_int_equal(one.signal_count + two.signal_count, 1); /* the first state */
		finish_both();
	}
}

static void expect_signal(const struct stream_signal *got, const struct stream_signal *asked)
{
	assert_int_equal(got->type, asked->type);
	if (got->type == STREAM_SIGNAL_LINE)
		assert_int_equal(got->u.line.speed, asked->u.line.speed);
	if (got->type == STREAM_SIGNAL_MODEM)
		assert_memory_equal(&got->u.modem, &asked->u.modem, sizeof(got->u.modem));
	if (got->type == STREAM_SIGNAL_PURGE)
		assert_int_equal(got->u.purge, asked->u.purge);
	if (got->type == STREAM_SIGNAL_WINDOW)
		assert_memory_equal(&got->u.window, &asked->u.window, sizeof(got->u.window));
}

static void signals_pass_both_ways(void **state)
{
	begin_both();
	assert_int_equal(two.signal_count, 1);
	assert_int_equal(two.signals[0].type, STREAM_SIGNAL_MODEM);
	assert_int_equal(
		two.signals[0].u.modem.on, STREAM_MODEM_CTS | STREAM_MODEM_DSR | STREAM_MODEM_CD);
	const struct stream_signal asked[] = {
		{STREAM_SIGNAL_LINE, .u.line = {.speed = 9600}},
		{STREAM_SIGNAL_MODEM, .u.modem = {STREAM_MODEM_DTR, 0}},
		{STREAM_SIGNAL_PURGE, .u.purge = STREAM_PURGE_SENT},
		a_break,
		{STREAM_SIGNAL_WINDOW, .u.window = {132, 43}},
	};
	const int count = sizeof(asked) / sizeof(asked[0]);
	for (int i = 0; i < count; i++) {
		assert_int_equal(signal_end(&two, asked[i]), 0);
		recorder_wait(&one.rec, one.signal_count == i + 1);
		expect_signal(&one.signals[i], &asked[i]);
	}
	/* The line and DTR as they are now are answered. */
	recorder_wait(&two.rec, two.signal_count == 3);
	expect_signal(&two.signals[1], &asked[0]);
	expect_signal(&two.signals[2], &asked[1]);
	const struct stream_signal no_carrier = {
		STREAM_SIGNAL_MODEM, .u.modem = {STREAM_MODEM_CD, 0}};
	assert_int_equal(signal_end(&one, no_carrier), 0);
	assert_int_equal(recorder_write(&one.rec, "x", 1), 1);
	assert_int_equal(signal_end(&one, a_break), 0);
	recorder_wait(&two.rec, two.signal_count == 5);
	assert_int_equal(two.signals[3].u.modem.on, STREAM_MODEM_CTS | STREAM_MODEM_DSR);
	assert_int_equal(two.signals[4].type, STREAM_SIGNAL_BREAK);
	assert_int_equal(two.signal_at[4], 1);
	finish_both();
}

static void the_end_passes(void **state)
{
	begin_both();
	assert_int_equal(recorder_write(&two.rec, "last", 4), 4);
	recorder_detach(&two.rec);
	recorder_wait(&one.rec, one.rec.count[RECORDER_GONE] == 1);
	expect_input(&one, "last", 4);
	recorder_detach(&one.rec);
}

#define telnet_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
	srand(seed);
	fprintf(stderr, "seed %u\n", seed);
	const struct CMUnitTest tests[] = {
		telnet_test(offers_are_made_at_once),
		telnet_test(closed_before_it_is_ready),
		telnet_test(a_peer_that_has_left_before),
		telnet_test(short_of_memory_the_lower_stream_is_as_it_was),
		telnet_test(a_consumer_that_does_not_read_holds_up_no_negotiation),
		telnet_test(signals_come_in_their_place),
		telnet_test(signals_go_out_in_their_place),
		telnet_test(a_client_without_a_port_carries_no_settings),
		telnet_test(data_is_suspended_and_resumed),
		telnet_test(a_full_stage_is_followed_by_writable),
		telnet_test(a_refused_signal_is_followed_by_writable),
		telnet_test(a_long_write_goes_through),
		telnet_test(answers_pass_a_full_stage),
		telnet_test(a_flood_of_requests_is_not_queued),
		telnet_test(what_is_borrowed_is_left_alone),
		telnet_test(half_close_leaves_output),
		telnet_test(a_paused_reader_keeps_what_a_peer_left),
		telnet_test(who_waits_to_write_hears_that_the_peer_is_gone),
		telnet_test(a_peer_that_left_after_a_flood),
		telnet_test(staged_output_is_unsent),
		telnet_test(a_closed_layer_sends_what_is_staged),
		telnet_test(closing_in_any_callback),
		telnet_test(every_byte_passes_both_ways),
		telnet_test(signals_pass_both_ways),
		telnet_test(the_end_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
