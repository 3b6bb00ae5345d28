/* cli/terminal.c: raw mode and back, the keys, and standard input that is something else. */
#include "test.h"

#include "cli/terminal.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct bench {
	struct loop *loop;
	struct terminal *terminal;
	struct stream *stream;
	int master, slave;
	/* As the consumer: what was received, '!' for a BREAK. */
	char input[4096];
	size_t length;
	size_t room; /* how many bytes are taken at a time; 0: none */
	int end_of_input, gone, leave, closed, written;
};

static int bench_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct bench *bench = consumer;
	size_t room = bench->room;
	iov[0] = (struct iovec){bench->input + bench->length, room / 2};
	iov[1] = (struct iovec){bench->input + bench->length + room / 2, room - room / 2};
	return room == 0 ? 0 : 2;
}

static void bench_received(void *consumer, size_t n)
{
	struct bench *bench = consumer;
	assert_in_range(n, 1, bench->room);
	bench->length += n;
	loop_stop(bench->loop);
}

static void bench_signalled(void *consumer, const struct stream_signal *signal)
{
	struct bench *bench = consumer;
	assert_int_equal(signal->type, STREAM_SIGNAL_BREAK);
	bench->input[bench->length++] = '!';
	loop_stop(bench->loop);
}

static void bench_writable(void *consumer)
{
}

static void bench_written(void *consumer, size_t done, int failure)
{
	struct bench *bench = consumer;
	bench->written += (int)done;
	loop_stop(bench->loop);
}

static void bench_end_of_input(void *consumer)
{
	struct bench *bench = consumer;
	bench->end_of_input++;
	loop_stop(bench->loop);
}

static void bench_gone(void *consumer, int reason, uint64_t unsent)
{
	struct bench *bench = consumer;
	bench->gone++;
	loop_stop(bench->loop);
}

static const struct stream_sink bench_sink = {
	.space = bench_space,
	.received = bench_received,
	.signalled = bench_signalled,
	.writable = bench_writable,
	.written = bench_written,
	.end_of_input = bench_end_of_input,
	.gone = bench_gone,
};

static void on_leave(void *user)
{
	struct bench *bench = user;
	bench->leave++;
	loop_stop(bench->loop);
}

static void on_closed(void *user)
{
	struct bench *bench = user;
	bench->closed++;
}

static const struct terminal_listener bench_listener = {.leave = on_leave, .closed = on_closed};

static void open_on(struct bench *bench, int in_fd, int out_fd)
{
	struct error err = {0};
	bench->room = 512;
	assert_int_equal(loop_new(&bench->loop), 0);
	assert_int_equal(terminal_new(bench->loop, in_fd, out_fd, &bench_listener, bench,
				 &bench->terminal, &err),
		0);
	bench->stream = terminal_stream(bench->terminal);
	stream_attach(bench->stream, &bench_sink, bench);
	stream_read_start(bench->stream);
}

static void open_pty(struct bench *bench)
{
	*bench = (struct bench){0};
	assert_int_equal(openpty(&bench->master, &bench->slave, NULL, NULL, NULL), 0);
	open_on(bench, bench->slave, bench->slave);
}

static void close_all(struct bench *bench)
{
	stream_close(bench->stream);
	loop_drain(bench->loop);
	assert_int_equal(bench->closed, 1);
	loop_free(bench->loop);
	if (bench->master > 0) {
		close(bench->master);
		close(bench->slave);
	}
}

static void type(struct bench *bench, const char *keys, size_t n)
{
	assert_int_equal(fd_write_all(bench->master, keys, n), 0);
}

static void wait_for(struct bench *bench, const char *expected)
{
	while (bench->length < strlen(expected))
		loop_run(bench->loop);
	assert_int_equal(bench->length, strlen(expected));
	assert_memory_equal(bench->input, expected, bench->length);
}

static bool is_raw(int fd)
{
	struct termios termios;
	assert_int_equal(tcgetattr(fd, &termios), 0);
	return (termios.c_lflag & (ICANON | ECHO | ISIG)) == 0 && (termios.c_oflag & OPOST) == 0;
}

static void the_mode_is_raw_and_then_as_before(void **state)
{
	struct bench bench;
	struct termios before, after;
	open_pty(&bench);
	assert_true(terminal_is_raw(bench.terminal));
	assert_true(is_raw(bench.slave));
	/* The shell's own descriptor does not become non-blocking. */
	assert_int_equal(fcntl(bench.slave, F_GETFL) & O_NONBLOCK, 0);
	terminal_restore();
	assert_false(is_raw(bench.slave));
	tcgetattr(bench.slave, &before);
	stream_close(bench.stream);
	loop_drain(bench.loop);
	tcgetattr(bench.slave, &after);
	assert_int_equal(before.c_lflag, after.c_lflag);
	assert_int_equal(before.c_oflag, after.c_oflag);
	loop_free(bench.loop);
	close(bench.master);
	close(bench.slave);

	open_pty(&bench);
	int slave = dup(bench.slave), master = dup(bench.master);
	close_all(&bench);
	assert_false(is_raw(slave));
	close(slave);
	close(master);
}

static void keys_are_the_guests_but_for_two(void **state)
{
	static const struct {
		const char *typed, *received;
	} rows[] = {
		{"ls\r\x03\x1c\x1a", "ls\r\x03\x1c\x1a"},
		{"\x1e"
		 "b",
			"!"},
		{"a\x1e"
		 "Bh",
			"a!h"},
		{"\x1e"
		 "b\x1e"
		 "bx",
			"!!x"},
		{"a\x1e\x1e"
		 "b",
			"a\x1e"
			"b"},
		{"\x1e\x1d"
		 "b",
			"\x1d"
			"b"},
		{"\x1e"
		 "xb",
			"xb"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t room = 1; room <= 512; room += 511) {
			struct bench bench;
			open_pty(&bench);
			bench.room = room;
			type(&bench, rows[i].typed, strlen(rows[i].typed));
			wait_for(&bench, rows[i].received);
			assert_int_equal(bench.leave, 0);
			close_all(&bench);
		}
	}
}

static void keys_may_come_one_by_one(void **state)
{
	struct bench bench;
	open_pty(&bench);
	type(&bench, "a\x1e", 2);
	wait_for(&bench, "a");
	type(&bench, "b", 1);
	wait_for(&bench, "a!");
	type(&bench, "c", 1);
	wait_for(&bench, "a!c");
	close_all(&bench);
}

static void leaving_ends_the_input(void **state)
{
	struct bench bench;
	open_pty(&bench);
	type(&bench,
		"ab\x1d"
		"cd",
		5);
	while (bench.leave == 0)
		loop_run(bench.loop);
	stream_read_start(bench.stream);
	loop_turn(bench.loop);
	assert_int_equal(bench.length, 2);
	assert_int_equal(bench.leave, 1);
	assert_int_equal(bench.end_of_input, 0);
	close_all(&bench);
}

static void a_consumer_without_room_is_waited_for(void **state)
{
	struct bench bench;
	open_pty(&bench);
	bench.room = 0;
	type(&bench, "\x1e\x1d", 2);
	type(&bench, "x", 1);
	for (int i = 0; i < 10; i++)
		loop_turn(bench.loop);
	assert_int_equal(bench.length, 0);
	bench.room = 1;
	stream_read_start(bench.stream);
	wait_for(&bench, "\x1d"
			 "x");
	assert_int_equal(bench.leave, 0);
	close_all(&bench);
}

static void a_pipe_is_taken_as_it_is(void **state)
{
	struct bench bench = {0};
	int in[2], out[2];
	char got[8];
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	open_on(&bench, in[0], out[1]);
	assert_false(terminal_is_raw(bench.terminal));
	fd_write_all(in[1],
		"a\x1d\x1e"
		"b",
		4);
	wait_for(&bench, "a\x1d\x1e"
			 "b");
	close(in[1]);
	while (bench.end_of_input == 0)
		loop_run(bench.loop);
	/* The end of input ends only the input. */
	assert_int_equal(stream_write(bench.stream, &(struct iovec){(char *)"out", 3}, 1), 3);
	assert_int_equal(read(out[0], got, sizeof(got)), 3);
	assert_int_equal(bench.gone, 0);
	close(out[0]);
	while (bench.gone == 0)
		loop_run(bench.loop);
	close_all(&bench);
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
	close(in[0]);
	close(out[1]);
}

static void a_socket_gets_its_flags_back(void **state)
{
	struct bench bench = {0};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	open_on(&bench, pair[0], pair[0]);
	fd_write_all(pair[1], "hello", 5);
	wait_for(&bench, "hello");
	close_all(&bench);
	assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
	close(pair[0]);
	close(pair[1]);
}

static void files_and_dev_null_will_do(void **state)
{
	struct bench bench = {0};
	char path[] = "/tmp/test_terminal.XXXXXX", text[3000], got[16] = "";
	int fd = mkstemp(path);
	memset(text, 'x', sizeof(text));
	fd_write_all(fd, text, sizeof(text));
	lseek(fd, 0, SEEK_SET);
	int out = open(path, O_WRONLY | O_APPEND);
	open_on(&bench, fd, out);
	while (bench.end_of_input == 0)
		loop_run(bench.loop);
	assert_int_equal(bench.length, sizeof(text));
	assert_int_equal(
		stream_write(bench.stream, &(struct iovec){(char *)"out", 3}, 1), STREAM_BORROWED);
	while (bench.written == 0)
		loop_run(bench.loop);
	assert_int_equal(pread(fd, got, sizeof(got), sizeof(text)), 3);
	assert_string_equal(got, "out");
	close_all(&bench);
	close(fd);
	close(out);
	unlink(path);

	bench = (struct bench){0};
	fd = open("/dev/null", O_RDWR);
	open_on(&bench, fd, fd);
	while (bench.end_of_input == 0)
		loop_run(bench.loop);
	close_all(&bench);
	close(fd);
}

static void a_crash_restores_the_terminal(void **state)
{
	static const int signals[] = {SIGABRT, SIGSEGV};
	for (size_t i = 0; i < 2; i++) {
		int master, slave, status;
		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct bench bench = {0};
			for (size_t j = 0; j < 2; j++) /* not the sanitizer's business here */
				signal(signals[j], SIG_DFL);
			open_on(&bench, slave, slave);
			_exit(is_raw(slave) && raise(signals[i]) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_false(is_raw(slave));
		close(master);
		close(slave);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the handlers of a parent must not be what the child finds. */
		cmocka_unit_test(a_crash_restores_the_terminal),
		cmocka_unit_test(the_mode_is_raw_and_then_as_before),
		cmocka_unit_test(keys_are_the_guests_but_for_two),
		cmocka_unit_test(keys_may_come_one_by_one),
		cmocka_unit_test(leaving_ends_the_input),
		cmocka_unit_test(a_consumer_without_room_is_waited_for),
		cmocka_unit_test(a_pipe_is_taken_as_it_is),
		cmocka_unit_test(a_socket_gets_its_flags_back),
		cmocka_unit_test(files_and_dev_null_will_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
