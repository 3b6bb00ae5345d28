/*
 * control/log_feed.c against a reader of the test's own: pieces, marks and gaps as frames, nothing
 * asked for that the caller does not take, and every way to end.
 */
#include "fail.h"
#include "frame_client.h"
#include "test.h"

#include "control/log_feed.h"

#include <poll.h>

static const char reply[] = "{\"parameters\":{}}";

/* ---- a reader that says what the test wants -------------------------------------------------- */

struct log_reader {
	struct loop *loop;
	const struct log_reader_sink *sink;
	void *user;
	struct loop_task task;
	struct loop_task closed_task;
	void (*closed)(void *user);
	unsigned asked; /* how often */
	uint64_t position;
	uint8_t piece[LOG_READER_PIECE_MAX];
};

/* The one reader of the test that runs, and how it behaves. */
static struct {
	struct log_reader *reader;
	unsigned opened, closed;
	bool is_at_once;   /* answers within log_reader_next() */
	bool never_closes; /* a disk that hangs */
	int open_failure;
	uint64_t limit; /* bytes, then the end */
	unsigned lent;  /* the piece that is lent is changed after it is given back */
	void (*special)(struct log_reader *reader); /* instead of bytes, once */
} script;

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)((offset * 2654435761U) >> 11);
}

static void give(struct log_reader *reader)
{
	if (script.special != NULL) {
		void (*special)(struct log_reader *) = script.special;
		script.special = NULL;
		special(reader);
		return;
	}
	if (reader->position == script.limit) {
		reader->sink->end(reader->user, 0, "");
		return;
	}
	size_t n = sizeof(reader->piece);
	if (n > script.limit - reader->position)
		n = (size_t)(script.limit - reader->position);
	for (size_t i = 0; i < n; i++)
		reader->piece[i] = byte_at(reader->position + i);
	uint64_t at = reader->position;
	reader->position += n;
	reader->sink->bytes(reader->user, at, reader->piece, n);
}

static void on_task(struct loop_task *task)
{
	give(container_of(task, struct log_reader, task));
}

int log_reader_new(struct loop *loop, const char *path, const struct log_reader_start *start,
	const struct log_reader_sink *sink, void *user, struct log_reader **ret, struct error *err)
{
	if (script.open_failure != 0)
		return error_set(err, script.open_failure, "%s: is a symbolic link", path);
	struct log_reader *reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	reader->loop = loop;
	reader->sink = sink;
	reader->user = user;
	loop_task_init(&reader->task, loop, on_task);
	script.reader = reader;
	script.opened++;
	*ret = reader;
	return 0;
}

void log_reader_next(struct log_reader *reader)
{
	reader->asked++;
	memset(reader->piece, 0xee, sizeof(reader->piece)); /* what was lent is not lent any more */
	if (script.is_at_once)
		give(reader);
	else
		loop_task_post(&reader->task);
}

static void free_reader(struct loop_task *task)
{
	struct log_reader *reader = container_of(task, struct log_reader, closed_task);
	void (*closed)(void *user) = reader->closed;
	void *user = reader->user;
	free(reader);
	script.closed++;
	closed(user);
}

static void end_hanging(struct log_reader *reader)
{
	loop_task_init(&reader->closed_task, reader->loop, free_reader);
	loop_task_post(&reader->closed_task);
}

void log_reader_close(struct log_reader *reader, void (*closed)(void *user))
{
	loop_task_cancel(&reader->task);
	memset(reader->piece, 0xee, sizeof(reader->piece));
	reader->closed = closed;
	if (!script.never_closes)
		end_hanging(reader);
}

/* ---- the bench ------------------------------------------------------------------------------- */

static struct loop *loop;
static struct log_feeds *feeds;
static struct frame_client client;
static unsigned closed;

static int setup(void **state)
{
	fail_reset();
	memset(&script, 0, sizeof(script));
	script.limit = UINT64_MAX;
	closed = 0;
	return loop_new(&loop) == 0 && log_feeds_new(loop, &feeds) == 0 ? 0 : -1;
}

static void turn(void)
{
	struct pollfd wait = {loop_fd(loop), POLLIN, 0};
	if (poll(&wait, 1, 5000) <= 0)
		fail_msg("nothing happens");
	loop_turn(loop);
}

#define until(condition)             \
	do {                         \
		while (!(condition)) \
			turn();      \
	} while (0)

static void settle(void)
{
	struct pollfd wait = {loop_fd(loop), POLLIN, 0};
	while (poll(&wait, 1, 0) > 0)
		loop_turn(loop);
}

static void on_closed(void *user)
{
	assert_ptr_equal(user, &closed);
	closed++;
}

static int teardown(void **state)
{
	log_feeds_close(feeds, on_closed, &closed);
	assert_int_equal(closed, 0);
	until(closed == 1);
	assert_int_equal(script.closed, script.opened);
	client_close(&client);
	loop_drain(loop);
	loop_free(loop);
	return 0;
}

static int add(int small, struct error *err)
{
	const struct log_reader_start start = {0};
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	if (small > 0)
		setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	client_init(&client, fds[1], sizeof(reply) - 1);
	client.byte_at = byte_at;
	return log_feeds_add(feeds, "/log/serial0.log", &start, getuid(), fds[0], strdup(reply),
		sizeof(reply) - 1, err);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void read_all(size_t step)
{
	while (!client.ended) {
		settle();
		if (!client_read(&client, step) && !client.ended)
			turn();
	}
}

static void a_log_comes_whole(void **state)
{
	static const size_t steps[] = {1, 7, 4096, 65536};
	for (size_t i = 0; i < 8; i++) {
		script.limit = steps[i % 4] < 100 ? 20000 : 1000000;
		script.is_at_once = i >= 4;
		assert_int_equal(add(i % 2 == 0 ? 1 : 0, NULL), 0);
		read_all(steps[i % 4]);
		assert_string_equal(client.reply, reply);
		assert_int_equal(client.first, 0);
		assert_int_equal(client.bytes, script.limit);
		assert_int_equal(client.end, script.limit);
		assert_int_equal(client.gaps, 0);
		assert_string_equal(client.log,
			"N {\"notice\":\"end\",\"code\":0,\"reason\":\"the log ends here\"}\n");
		client_close(&client);
		settle();
	}
}

/* The reader is asked for one piece more than the connection holds, and no byte is read ahead. */
static void nothing_is_read_ahead(void **state)
{
	fail_limit_sends(1000);
	assert_int_equal(add(0, NULL), 0);
	settle();
	unsigned asked = script.reader->asked;
	uint64_t position = script.reader->position;
	assert_true(position > 0 && position < 1024 * 1024);
	assert_int_equal(asked, position / LOG_READER_PIECE_MAX);
	uint64_t wakeups = loop_wakeups(loop);
	assert_int_equal(poll(&(struct pollfd){loop_fd(loop), POLLIN, 0}, 1, 100), 0);
	assert_int_equal(loop_wakeups(loop), wakeups);
	/* What the connection does not hold is one piece at most, or the rest of one. */
	while (client_read(&client, 65536))
		;
	assert_in_range(position - client.bytes, 1, LOG_READER_PIECE_MAX);
	settle();
	assert_true(script.reader->asked > asked);
}

static void special_mark(struct log_reader *reader)
{
	reader->sink->mark(reader->user, 7, 1795540727123, "connect \"\xff\" 127.0.0.1");
}

static void special_gap(struct log_reader *reader)
{
	reader->sink->gap(reader->user, 8, 17);
}

static void special_unknown_gap(struct log_reader *reader)
{
	reader->sink->gap(reader->user, 9, 0);
}

static void special_failure(struct log_reader *reader)
{
	reader->sink->end(reader->user, -EIO, "/log/serial0.log: cannot be read: I/O error");
}

static void special_long_mark(struct log_reader *reader)
{
	char what[100000];
	memset(what, '\x01', sizeof(what) - 1);
	what[sizeof(what) - 1] = '\0';
	reader->sink->mark(reader->user, 10, 0, what);
}

static void marks_and_gaps_are_told(void **state)
{
	static const struct {
		void (*special)(struct log_reader *reader);
		const char *log;
	} table[] = {
		{special_mark, "M 7 {\"time\":\"2026-11-24T17:18:47.123Z\",\"what\":\"connect "
			       "\\\"?\\\" 127.0.0.1\"}\n"},
		{special_gap, "M 8 {\"gap\":17}\n"},
		{special_unknown_gap, "M 9 {\"gap\":null}\n"},
		{special_long_mark,
			"M 10 {\"time\":\"1970-01-01T00:00:00.000Z\",\"what\":\"\\u0001"},
		{special_failure,
			"N {\"notice\":\"end\",\"code\":-5,\"reason\":\"/log/serial0.log: "
			"cannot be read: I/O error\"}\n"},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		script.special = table[i].special;
		script.limit = 100;
		assert_int_equal(add(0, NULL), 0);
		read_all(65536);
		if (strncmp(client.log, table[i].log, strlen(table[i].log)) != 0)
			fail_msg("row %zu: %s", i, client.log);
		assert_int_equal(client.bytes, table[i].special == special_failure ? 0 : 100);
		client_close(&client);
		settle();
	}
}

static void a_log_that_cannot_be_read_is_answered(void **state)
{
	struct error err = {0};
	script.open_failure = -ELOOP;
	assert_int_equal(add(0, &err), -ELOOP);
	assert_string_equal(err.message, "/log/serial0.log: is a symbolic link");
	read_all(65536);
	assert_string_equal(client.reply, reply);
	assert_string_equal(client.log, "N {\"notice\":\"end\",\"code\":-40,\"reason\":"
					"\"/log/serial0.log: is a symbolic link\"}\n");
}

static void a_caller_that_leaves_ends_it(void **state)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(add(0, NULL), 0);
		settle();
		assert_int_equal(send(client.fd, "whatever", 8, 0), 8);
		settle();
		assert_int_equal(script.closed, i);
		if (i == 0)
			shutdown(client.fd, SHUT_WR);
		else
			client_close(&client);
		until(script.closed == script.opened);
		client_close(&client);
		settle();
	}
}

static void a_reader_that_hangs_keeps_no_connection(void **state)
{
	script.never_closes = true;
	assert_int_equal(add(0, NULL), 0);
	settle();
	shutdown(client.fd, SHUT_WR);
	read_all(65536);
	assert_true(client_has(&client, "\"reason\":\"the caller has left\""));
	assert_int_equal(script.closed, 0);
	end_hanging(script.reader);
	until(script.closed == 1);
}

static void the_server_s_end_is_told(void **state)
{
	assert_int_equal(add(0, NULL), 0);
	settle();
	log_feeds_close(feeds, on_closed, &closed);
	read_all(65536);
	until(closed == 1);
	assert_true(client_has(&client, "\"code\":0,\"reason\":\"the server ends\""));
	closed = 0;
	assert_int_equal(log_feeds_new(loop, &feeds), 0);
}

/* Whichever call fails: all is given back, and what did come was right. */
static void any_call_may_fail(void **state)
{
	static const enum fail_call calls[] = {FAIL_CALLOC, FAIL_MALLOC, FAIL_SENDMSG, FAIL_READV};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int n = 1; n < 12; n++) {
			script.limit = 100000;
			fail_reset();
			fail_nth(calls[i], n, EIO);
			int rc = add(4096, NULL);
			if (rc == 0)
				read_all(4096);
			fail_reset();
			assert_true(client.bytes <= script.limit);
			assert_int_equal(client.gaps, 0);
			client_close(&client);
			settle();
			assert_int_equal(script.closed, script.opened);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_comes_whole),
		TEST(nothing_is_read_ahead),
		TEST(marks_and_gaps_are_told),
		TEST(a_log_that_cannot_be_read_is_answered),
		TEST(a_caller_that_leaves_ends_it),
		TEST(a_reader_that_hangs_keeps_no_connection),
		TEST(the_server_s_end_is_told),
		TEST(any_call_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
