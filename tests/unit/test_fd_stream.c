/* stream/fd_stream.c: the rules of stream.h on sockets, pipes and ttys. */
#include "test.h"

#include "fail.h"
#include "recorder.h"
#include "stream/fd_stream.h"
#include "stream/tcp_acked.h"
#include "util/fd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct fd_stream fs;
static struct recorder rec;

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

static void begin(enum fd_stream_kind kind, int in_fd, int out_fd)
{
	assert_int_equal(fd_stream_init(&fs, loop, kind, in_fd, out_fd, recorder_closed), 0);
	recorder_attach(&rec, loop, &fs.base);
}

/* Returns the peer's end, which blocks. */
static int begin_unix(void)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	begin(FD_STREAM_SOCKET, fds[0], fds[0]);
	return fds[1];
}

static bool we_connect; /* which side of the connection is the stream */

static int begin_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&address, size), 0);
	int ours = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ours >= 0);
	close(listener);
	if (we_connect) {
		int swap = ours;
		ours = peer;
		peer = swap;
	}
	begin(FD_STREAM_TCP, ours, ours);
	return peer;
}

static void make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

/* Enough turns for everything that can happen by itself. */
static void settle(void)
{
	for (int i = 0; i < 10; i++)
		loop_turn(loop);
}

static void on_time(struct loop_timer *timer)
{
	loop_stop(loop);
}

static void run_for(uint64_t ms)
{
	struct loop_timer timer;
	loop_timer_init(&timer, loop, on_time);
	loop_timer_start(&timer, ms);
	while (loop_timer_is_active(&timer))
		loop_run(loop);
	loop_timer_close(&timer, NULL);
	loop_turn(loop);
}

static void fill(char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 31 + i / 251);
}

static void expect_input(const char *bytes, size_t n)
{
	assert_int_equal(rec.length, n);
	assert_memory_equal(rec.input, bytes, n);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void nothing_is_read_before_the_start(void **state)
{
	int peer = begin_unix();
	fd_write_all(peer, "hello", 5);
	settle();
	assert_int_equal(rec.count[RECORDER_SPACE], 0);
	recorder_read_start(&rec);
	recorder_wait(&rec, rec.length == 5);
	expect_input("hello", 5);
	assert_int_equal(rec.count[RECORDER_SPACE], 1);
	assert_int_equal(fail_count(FAIL_READV), 1);
	recorder_detach(&rec);
	close(peer);
}

static void no_space_pauses_until_started_again(void **state)
{
	int peer = begin_unix();
	rec.paused = true;
	recorder_read_start(&rec);
	fd_write_all(peer, "hello", 5);
	recorder_wait(&rec, rec.count[RECORDER_SPACE] == 1);
	settle();
	assert_int_equal(rec.count[RECORDER_SPACE], 1);
	rec.paused = false;
	rec.room = 2;
	recorder_read_start(&rec);
	recorder_wait(&rec, rec.length == 5);
	assert_int_equal(rec.count[RECORDER_RECEIVED], 3);
	expect_input("hello", 5);
	stream_read_stop(&fs.base);
	fd_write_all(peer, "hello", 5);
	settle();
	assert_int_equal(rec.length, 5);
	recorder_detach(&rec);
	close(peer);
}

enum { BURST = 100000 };

/* A peer that writes and closes at once; before that, `writes` decides whether it is written to. */
static void expect_burst(int peer, bool write_meanwhile)
{
	static char burst[BURST];
	int size = 2 * BURST;
	fill(burst, sizeof(burst));
	setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	assert_int_equal(send(peer, burst, sizeof(burst), 0), sizeof(burst));
	close(peer);
	rec.room = 1000;
	recorder_read_start(&rec);
	int failed = 0;
	while (rec.count[RECORDER_GONE] == 0) {
		loop_run(loop);
		/* For TCP the end of input is not the end of both directions: ask for it. */
		write_meanwhile = write_meanwhile || rec.count[RECORDER_END_OF_INPUT] > 0;
		if (write_meanwhile && failed == 0 && rec.count[RECORDER_GONE] == 0) {
			ssize_t n = recorder_write(&rec, "xx", 2);
			failed = n < 0 ? (int)n : 0;
		}
	}
	expect_input(burst, BURST);
	if (failed != 0)
		assert_int_equal(recorder_write(&rec, "x", 1), failed);
}

static void a_unix_peer_that_closed_at_once_loses_nothing(void **state)
{
	expect_burst(begin_unix(), false);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	assert_in_set(rec.reason, ((LargestIntegralType[]){0, (LargestIntegralType)-EPIPE}), 2);
	recorder_detach(&rec);
}

static void a_failed_write_does_not_end_input(void **state)
{
	expect_burst(begin_unix(), true);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	assert_int_equal(rec.reason, -EPIPE);
	recorder_detach(&rec);
}

static void a_tcp_peer_that_closed_at_once_loses_nothing(void **state)
{
	expect_burst(begin_tcp(), false);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	recorder_detach(&rec);
}

static void a_tcp_peer_that_reset_loses_nothing(void **state)
{
	static char burst[BURST];
	int peer = begin_tcp();
	fill(burst, sizeof(burst));
	assert_int_equal(recorder_write(&rec, "unread", 6), 6); /* makes the peer's close a reset */
	int unread = 0;
	while (unread < 6)
		ioctl(peer, FIONREAD, &unread);
	assert_int_equal(send(peer, burst, sizeof(burst), 0), sizeof(burst));
	int here = 0;
	while (here < BURST)
		ioctl(fs.in_fd, FIONREAD, &here);
	close(peer);
	rec.room = 1000;
	recorder_read_start(&rec);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	expect_input(burst, BURST);
	assert_int_equal(rec.reason, -ECONNRESET);
	recorder_detach(&rec);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void half_close_leaves_output(void **state)
{
	char answer[6];
	int (*const kinds[])(void) = {begin_unix, begin_tcp};
	for (int i = 0; i < 2; i++) {
		int peer = kinds[i]();
		recorder_read_start(&rec);
		fd_write_all(peer, "hello", 5);
		shutdown(peer, SHUT_WR);
		recorder_wait(&rec, rec.count[RECORDER_END_OF_INPUT] == 1);
		expect_input("hello", 5);
		settle();
		uint64_t wakeups = loop_wakeups(loop);
		assert_int_equal(recorder_write(&rec, "answer", 6), 6);
		assert_int_equal(read(peer, answer, 6), 6);
		assert_memory_equal(answer, "answer", 6);
		settle();
		assert_in_range(loop_wakeups(loop) - wakeups, 0, 10); /* settle's own */
		assert_int_equal(rec.count[RECORDER_GONE], 0);
		close(peer);
		if (i == 1) { /* TCP has told all it had to tell: only a write finds out more */
			recorder_write(&rec, "x", 1);
		}
		recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
		assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
		recorder_detach(&rec);
	}
}

static void a_paused_reader_notices_a_peer_that_left_nothing(void **state)
{
	int peer = begin_unix(); /* never started at all */
	close(peer);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, 0);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	recorder_detach(&rec);
}

static void a_paused_reader_keeps_what_a_peer_left(void **state)
{
	int fds[2];
	make_pipe(fds);
	for (int i = 0; i < 3; i++) {
		int peer = i == 0 ? begin_unix() : i == 1 ? begin_tcp() : -1;
		if (i == 2) {
			peer = fds[1];
			begin(FD_STREAM_FILE, fds[0], -1);
		}
		fd_write_all(peer, "hello", 5);
		close(peer);
		settle();
		settle();
		assert_int_equal(rec.count[RECORDER_GONE], 0);
		assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 0);
		uint64_t before = loop_wakeups(loop);
		run_for(50);
		assert_in_range(loop_wakeups(loop) - before, 1, 3); /* the timer's */
		recorder_read_start(&rec);
		recorder_wait(&rec, rec.count[RECORDER_END_OF_INPUT] == 1);
		expect_input("hello", 5);
		if (i != 1)
			recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
		recorder_detach(&rec);
	}
}

static void a_tty_that_hangs_up_is_gone(void **state)
{
	int master, slave;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		struct termios raw;
		tcgetattr(slave, &raw);
		cfmakeraw(&raw);
		tcsetattr(slave, TCSANOW, &raw);
		begin(FD_STREAM_FILE, slave, slave);
		if (i == 0)
			recorder_read_start(&rec);
		fd_write_all(master, "hi", 2);
		if (i == 0)
			recorder_wait(&rec, rec.length == 2);
		close(master);
		recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
		recorder_detach(&rec);
	}
}

/* A terminal's user typed the end of file: the terminal is there, but no longer ours. */
static void a_tty_at_its_end_is_gone(void **state)
{
	int master, slave;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	begin(FD_STREAM_FILE, slave, slave);
	recorder_read_start(&rec);
	fd_write_all(master, "hi\n\004", 4);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	expect_input("hi\n", 3);
	assert_int_equal(rec.reason, 0);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	recorder_detach(&rec);
	close(master);
}

static void input_only_is_gone_at_its_end(void **state)
{
	int fds[2];
	make_pipe(fds);
	begin(FD_STREAM_FILE, fds[0], -1);
	recorder_read_start(&rec);
	fd_write_all(fds[1], "hi", 2);
	close(fds[1]);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	expect_input("hi", 2);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
	assert_int_equal(rec.reason, 0);
	assert_true(recorder_write(&rec, "x", 1) < 0);
	recorder_detach(&rec);
}

static void output_only_is_gone_with_its_reader(void **state)
{
	int fds[2];
	char byte;
	make_pipe(fds);
	begin(FD_STREAM_FILE, -1, fds[1]);
	recorder_read_start(&rec);
	assert_int_equal(recorder_write(&rec, "hello", 5), 5);
	settle();
	assert_int_equal(rec.count[RECORDER_GONE], 0);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -EPIPE);
	assert_int_equal(rec.unsent, 4);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 0);
	recorder_detach(&rec);
}

/* stdin and stdout: two pipes, which end one by one, in either order. */
static void two_descriptors_end_one_by_one(void **state)
{
	for (int input_first = 0; input_first < 2; input_first++) {
		int in[2], out[2];
		make_pipe(in);
		make_pipe(out);
		begin(FD_STREAM_FILE, in[0], out[1]);
		recorder_read_start(&rec);
		fd_write_all(in[1], "hi", 2);
		recorder_wait(&rec, rec.length == 2);
		if (input_first) {
			close(in[1]);
			recorder_wait(&rec, rec.count[RECORDER_END_OF_INPUT] == 1);
			settle();
			assert_int_equal(rec.count[RECORDER_GONE], 0);
			assert_int_equal(recorder_write(&rec, "ok", 2), 2);
			close(out[0]);
		} else {
			close(out[0]);
			settle();
			assert_int_equal(recorder_write(&rec, "ok", 2), -EPIPE);
			settle();
			assert_int_equal(rec.count[RECORDER_GONE], 0);
			close(in[1]);
		}
		recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
		assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 1);
		assert_int_equal(rec.reason, -EPIPE);
		recorder_detach(&rec);
	}
}

/* ---- output ---------------------------------------------------------------------------------- */

enum { LONG = 3 * 1024 * 1024 };

static void a_short_write_is_followed_by_writable(void **state)
{
	static char bytes[LONG], back[LONG];
	int (*const kinds[])(void) = {begin_unix, begin_tcp};
	fill(bytes, sizeof(bytes));
	for (int i = 0; i < 2; i++) {
		int peer = kinds[i]();
		size_t sent = 0, got = 0;
		while (got < LONG) {
			ssize_t n =
				sent < LONG ? recorder_write(&rec, bytes + sent, LONG - sent) : 0;
			assert_true(n >= 0);
			sent += (size_t)n;
			int calls = fail_count(FAIL_SENDMSG);
			if (sent < LONG)
				assert_int_equal(recorder_write(&rec, bytes, LONG), 0);
			assert_int_equal(fail_count(FAIL_SENDMSG), calls);
			int writable = rec.count[RECORDER_WRITABLE];
			while (got < sent) {
				ssize_t m = read(peer, back + got, sent - got);
				assert_true(m > 0);
				got += (size_t)m;
			}
			if (sent < LONG)
				recorder_wait(&rec, rec.count[RECORDER_WRITABLE] == writable + 1);
		}
		assert_memory_equal(back, bytes, LONG);
		settle();
		int writable = rec.count[RECORDER_WRITABLE];
		settle();
		assert_int_equal(rec.count[RECORDER_WRITABLE], writable);
		recorder_detach(&rec);
		close(peer);
	}
}

/* SIGPIPE keeps its default action here: a raised one would end this program. */
static void writing_to_nobody_raises_no_signal(void **state)
{
	int fds[2];
	int peer = begin_unix();
	close(peer);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	recorder_detach(&rec);
	make_pipe(fds);
	begin(FD_STREAM_FILE, -1, fds[1]);
	close(fds[0]);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	recorder_detach(&rec);
	/* Closed before `gone` could come: it does not. */
	make_pipe(fds);
	begin(FD_STREAM_FILE, -1, fds[1]);
	close(fds[0]);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	recorder_detach(&rec);
	assert_int_equal(rec.count[RECORDER_GONE], 0);
	/* A socket that came as a file. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	begin(FD_STREAM_FILE, fds[0], fds[0]);
	close(fds[1]);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	recorder_detach(&rec);
}

/* A peer that stops reading and closes: TCP resets, and what its kernel took is known exactly. */
static void expect_unsent(void)
{
	static char bytes[LONG];
	int peer = begin_tcp();
	size_t sent = 0;
	ssize_t n;
	while ((n = recorder_write(&rec, bytes, sizeof(bytes))) > 0)
		sent += (size_t)n;
	/* The peer's window is shut when all that is on its way has arrived and is acknowledged. */
	uint64_t acked = 0;
	int arrived = 0, queued = 0;
	do {
		while ((n = recorder_write(&rec, bytes, sizeof(bytes))) > 0)
			sent += (size_t)n;
		loop_turn(loop);
		assert_int_equal(tcp_acked(fs.out_fd, &acked), 0);
		ioctl(peer, FIONREAD, &arrived);
		ioctl(fs.out_fd, SIOCOUTQ, &queued);
	} while (acked - fs.acked_base != (uint64_t)arrived ||
		 (size_t)arrived + (size_t)queued != sent || n > 0);
	assert_true(arrived > 0 && (size_t)arrived < sent);
	recorder_read_start(&rec);
	close(peer);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -ECONNRESET);
	assert_int_equal(rec.unsent, sent - (size_t)arrived);
	recorder_detach(&rec);
}

static void tcp_knows_what_did_not_arrive(void **state)
{
	expect_unsent();
	we_connect = true;
	expect_unsent();
	we_connect = false;
}

static void tcp_that_took_all_has_nothing_unsent(void **state)
{
	char byte;
	int peer = begin_tcp();
	recorder_read_start(&rec);
	assert_int_equal(recorder_write(&rec, "xx", 2), 2);
	assert_int_equal(read(peer, &byte, 1), 1);
	close(peer); /* with one byte unread: a reset */
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.unsent, 0);
	recorder_detach(&rec);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void closing_in_any_callback(void **state)
{
	static char bytes[LONG];
	static const enum recorder_event events[] = {RECORDER_SPACE, RECORDER_RECEIVED,
		RECORDER_WRITABLE, RECORDER_END_OF_INPUT, RECORDER_GONE};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		int peer = begin_unix();
		fail_reset();
		rec.close_at = (int)events[i];
		recorder_read_start(&rec);
		if (events[i] == RECORDER_WRITABLE) {
			assert_in_range(recorder_write(&rec, bytes, LONG), 1, LONG - 1);
			while (recv(peer, bytes, LONG, MSG_DONTWAIT) > 0)
				;
		}
		fd_write_all(peer, "x", 1);
		shutdown(peer, SHUT_WR);
		if (events[i] == RECORDER_GONE)
			close(peer);
		recorder_wait(&rec, rec.count[RECORDER_CLOSED] == 1);
		assert_int_equal(rec.count[events[i]], 1);
		assert_int_equal(fs.in_fd, -1);
		if (events[i] == RECORDER_SPACE)
			assert_int_equal(fail_count(FAIL_READV), 0);
		recorder_detach(&rec);
		if (events[i] != RECORDER_GONE)
			close(peer);
	}
}

static void a_closed_stream_says_nothing(void **state)
{
	int peer = begin_unix();
	recorder_read_start(&rec);
	fd_write_all(peer, "x", 1);
	close(peer);
	assert_true(recorder_write(&rec, "x", 1) < 0);
	stream_close(&fs.base);
	assert_int_equal(recorder_write(&rec, "x", 1), -EPIPE);
	recorder_read_start(&rec);
	recorder_detach(&rec);
	for (int i = 0; i < RECORDER_CLOSED; i++)
		assert_int_equal(rec.count[i], 0);
}

static void a_break_cannot_be_carried(void **state)
{
	static const struct stream_signal a_break = {STREAM_SIGNAL_BREAK};
	int peer = begin_unix();
	assert_int_equal(stream_signal(&fs.base, &a_break), -EOPNOTSUPP);
	recorder_detach(&rec);
	close(peer);
}

static void what_cannot_be_polled_is_refused(void **state)
{
	int fds[2];
	make_pipe(fds);
	FILE *file = tmpfile();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(
		fd_stream_init(&fs, loop, FD_STREAM_FILE, fds[0], fileno(file), recorder_closed),
		-EPERM);
	assert_int_equal(
		fd_stream_init(&fs, loop, FD_STREAM_FILE, null, fds[1], recorder_closed), -EPERM);
	assert_int_equal(
		fd_stream_init(&fs, loop, FD_STREAM_FILE, null, null, recorder_closed), -EPERM);
	/* The descriptors are still the caller's, and free for another try. */
	begin(FD_STREAM_FILE, fds[0], fds[1]);
	recorder_detach(&rec);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	close(null);
	fclose(file);
}

/* ---- calls that fail ------------------------------------------------------------------------- */

static void interrupted_calls_are_repeated(void **state)
{
	int peer = begin_unix();
	recorder_read_start(&rec);
	fd_write_all(peer, "hello", 5);
	fail_nth(FAIL_READV, 1, EINTR);
	recorder_wait(&rec, rec.length == 5);
	assert_int_equal(rec.count[RECORDER_SPACE], 1);
	fd_write_all(peer, "hello", 5);
	fail_nth(FAIL_READV, 1, EAGAIN);
	recorder_wait(&rec, rec.length == 10);
	assert_int_equal(rec.count[RECORDER_SPACE], 3);
	fail_nth(FAIL_SENDMSG, 1, EINTR);
	assert_int_equal(recorder_write(&rec, "x", 1), 1);
	fail_nth(FAIL_SENDMSG, 1, EAGAIN);
	assert_int_equal(recorder_write(&rec, "x", 1), 0);
	recorder_wait(&rec, rec.count[RECORDER_WRITABLE] == 1);
	assert_int_equal(recorder_write(&rec, "x", 1), 1);
	recorder_detach(&rec);
	close(peer);
}

static void failed_calls_end_their_direction(void **state)
{
	int peer = begin_unix();
	recorder_read_start(&rec);
	fail_nth(FAIL_SENDMSG, 1, ECONNRESET);
	assert_int_equal(recorder_write(&rec, "x", 1), -ECONNRESET);
	fd_write_all(peer, "hello", 5);
	recorder_wait(&rec, rec.length == 5);
	fail_nth(FAIL_READV, 1, ETIMEDOUT);
	fd_write_all(peer, "x", 1);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -ECONNRESET);
	recorder_detach(&rec);
	close(peer);

	peer = begin_unix();
	recorder_read_start(&rec);
	fail_nth(FAIL_READV, 1, ETIMEDOUT);
	fd_write_all(peer, "x", 1);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -ETIMEDOUT);
	assert_int_equal(rec.count[RECORDER_END_OF_INPUT], 0);
	recorder_detach(&rec);
	close(peer);

	/* Input that fails beside an output of its own ends alone. */
	int in[2], out[2];
	make_pipe(in);
	make_pipe(out);
	begin(FD_STREAM_FILE, in[0], out[1]);
	recorder_read_start(&rec);
	fail_nth(FAIL_READV, 1, EIO);
	fd_write_all(in[1], "x", 1);
	recorder_wait(&rec, rec.count[RECORDER_END_OF_INPUT] == 1);
	assert_int_equal(recorder_write(&rec, "x", 1), 1);
	close(out[0]);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -EIO);
	recorder_detach(&rec);
	close(in[1]);
}

#define stream_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stream_test(nothing_is_read_before_the_start),
		stream_test(no_space_pauses_until_started_again),
		stream_test(a_unix_peer_that_closed_at_once_loses_nothing),
		stream_test(a_failed_write_does_not_end_input),
		stream_test(a_tcp_peer_that_closed_at_once_loses_nothing),
		stream_test(a_tcp_peer_that_reset_loses_nothing),
		stream_test(half_close_leaves_output),
		stream_test(a_paused_reader_notices_a_peer_that_left_nothing),
		stream_test(a_paused_reader_keeps_what_a_peer_left),
		stream_test(a_tty_that_hangs_up_is_gone),
		stream_test(a_tty_at_its_end_is_gone),
		stream_test(input_only_is_gone_at_its_end),
		stream_test(output_only_is_gone_with_its_reader),
		stream_test(two_descriptors_end_one_by_one),
		stream_test(a_short_write_is_followed_by_writable),
		stream_test(writing_to_nobody_raises_no_signal),
		stream_test(tcp_knows_what_did_not_arrive),
		stream_test(tcp_that_took_all_has_nothing_unsent),
		stream_test(closing_in_any_callback),
		stream_test(a_closed_stream_says_nothing),
		stream_test(a_break_cannot_be_carried),
		stream_test(what_cannot_be_polled_is_refused),
		stream_test(interrupted_calls_are_repeated),
		stream_test(failed_calls_end_their_direction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
