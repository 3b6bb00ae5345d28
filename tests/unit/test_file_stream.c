/* stream/file_stream.c: borrowed writes on a thread, failures, and closing meanwhile. */
#include "test.h"

#include "fail.h"
#include "recorder.h"
#include "stream/file_stream.h"
#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct loop *loop;
static struct file_stream fs;
static struct recorder rec;
static FILE *file;

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

static void begin(int fd)
{
	assert_int_equal(file_stream_init(&fs, loop, fd, recorder_closed), 0);
	recorder_attach(&rec, loop, &fs.base);
}

static void begin_file(void)
{
	file = tmpfile();
	assert_non_null(file);
	begin(fcntl(fileno(file), F_DUPFD_CLOEXEC, 0));
}

static void end(void)
{
	int fd = fs.fd;
	recorder_detach(&rec);
	if (fd >= 0)
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	if (file != NULL)
		fclose(file);
	file = NULL;
}

static void expect_file(const char *bytes, size_t n)
{
	char *back = test_malloc(n + 1);
	assert_int_equal(pread(fileno(file), back, n + 1, 0), n);
	assert_memory_equal(back, bytes, n);
	test_free(back);
}

static void expect_written(size_t done, int failure)
{
	int before = rec.count[RECORDER_WRITTEN];
	recorder_wait(&rec, rec.count[RECORDER_WRITTEN] == before + 1);
	assert_int_equal(rec.done, done);
	assert_int_equal(rec.failure, failure);
}

static void a_write_borrows_until_written(void **state)
{
	begin_file();
	recorder_read_start(&rec);
	assert_int_equal(recorder_write(&rec, "hello ", 6), STREAM_BORROWED);
	expect_written(6, 0);
	assert_int_equal(recorder_write(&rec, "world", 5), STREAM_BORROWED);
	expect_written(5, 0);
	expect_file("hello world", 11);
	assert_int_equal(rec.count[RECORDER_WRITABLE], 0);
	end();
	assert_int_equal(rec.count[RECORDER_GONE], 0);
}

static void a_second_write_has_to_wait(void **state)
{
	begin_file();
	assert_int_equal(recorder_write(&rec, "hello ", 6), STREAM_BORROWED);
	assert_int_equal(recorder_write(&rec, "world", 5), 0);
	expect_written(6, 0);
	recorder_wait(&rec, rec.count[RECORDER_WRITABLE] == 1);
	assert_int_equal(recorder_write(&rec, "world", 5), STREAM_BORROWED);
	expect_written(5, 0);
	assert_int_equal(rec.count[RECORDER_WRITABLE], 1);
	expect_file("hello world", 11);
	end();
}

static void no_more_than_the_limit_is_borrowed(void **state)
{
	enum { SIZE = 2 * FILE_STREAM_MAX_WRITE + 2 };
	char *bytes = test_calloc(SIZE, 1);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 253);
	begin_file();
	assert_int_equal(recorder_write(&rec, bytes, SIZE), STREAM_BORROWED);
	expect_written(FILE_STREAM_MAX_WRITE, 0);
	expect_file(bytes, FILE_STREAM_MAX_WRITE);
	/* A part that ends exactly at the limit, and an empty one. */
	struct iovec iov[2] = {{bytes, 0}, {bytes, FILE_STREAM_MAX_WRITE}};
	assert_int_equal(stream_write(&fs.base, iov, 2), STREAM_BORROWED);
	expect_written(FILE_STREAM_MAX_WRITE, 0);
	end();
	test_free(bytes);
}

static void interrupted_and_short_writes_go_on(void **state)
{
	int fds[2];
	static char bytes[200000], back[200000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 253);
	/* A non-blocking pipe: writes are short, then EAGAIN, until somebody reads. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fd_set_nonblocking(fds[1]);
	begin(fds[1]);
	fail_nth(FAIL_WRITEV, 2, EINTR);
	assert_int_equal(recorder_write(&rec, bytes, sizeof(bytes)), STREAM_BORROWED);
	size_t got = 0;
	while (got < sizeof(bytes)) {
		ssize_t n = read(fds[0], back + got, sizeof(back) - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	expect_written(sizeof(bytes), 0);
	assert_memory_equal(back, bytes, sizeof(bytes));
	assert_true(fail_count(FAIL_WRITEV) > 2);
	end();
	close(fds[0]);
}

static void a_failure_tells_how_far_it_came(void **state)
{
	begin_file();
	fail_nth(FAIL_WRITEV, 1, ENOSPC);
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(0, -ENOSPC);
	/* The disk has room again. */
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(5, 0);
	expect_file("hello", 5);
	assert_int_equal(rec.count[RECORDER_GONE], 0);
	end();

	/* Short by a real limit, then the failure: what was written counts. */
	int fds[2];
	static char bytes[FILE_STREAM_MAX_WRITE];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fd_set_nonblocking(fds[1]);
	begin(fds[1]);
	fail_nth(FAIL_WRITEV, 2, EIO);
	assert_int_equal(recorder_write(&rec, bytes, sizeof(bytes)), STREAM_BORROWED);
	expect_written(65536, -EIO);
	end();
	close(fds[0]);
}

static bool is_unplugged(int code)
{
	return code == -ENODEV;
}

static void a_fatal_failure_is_the_end(void **state)
{
	begin_file();
	fs.is_fatal = is_unplugged;
	fail_nth(FAIL_WRITEV, 1, EIO);
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(0, -EIO);
	assert_int_equal(rec.count[RECORDER_GONE], 0);
	fail_nth(FAIL_WRITEV, 1, ENODEV);
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(0, -ENODEV);
	recorder_wait(&rec, rec.count[RECORDER_GONE] == 1);
	assert_int_equal(rec.reason, -ENODEV);
	assert_int_equal(recorder_write(&rec, "hello", 5), -ENODEV);
	end();
}

static void a_reader_that_left_raises_no_signal(void **state)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	begin(fds[1]);
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(0, -EPIPE);
	end();
}

static void without_a_thread_a_write_fails(void **state)
{
	begin_file();
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	expect_written(0, -EAGAIN);
	/* Nor does closing need one. */
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	end();
}

/* A write that hangs: the memory stays borrowed, and the stream open, until it ended. */
static void closing_waits_for_the_write(void **state)
{
	int fds[2];
	static char bytes[FILE_STREAM_MAX_WRITE], back[FILE_STREAM_MAX_WRITE];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	begin(fds[1]);
	assert_int_equal(recorder_write(&rec, bytes, sizeof(bytes)), STREAM_BORROWED);
	stream_close(&fs.base);
	assert_int_equal(recorder_write(&rec, bytes, 1), -EPIPE);
	assert_int_equal(loop_drain_within(loop, 20), -ETIMEDOUT);
	assert_int_equal(rec.count[RECORDER_CLOSED], 0);
	for (size_t got = 0; got < sizeof(back);) {
		ssize_t n = read(fds[0], back, sizeof(back));
		assert_true(n > 0);
		got += (size_t)n;
	}
	recorder_wait(&rec, rec.count[RECORDER_CLOSED] == 1);
	assert_int_equal(rec.count[RECORDER_WRITTEN], 0);
	assert_int_equal(read(fds[0], back, 1), 0); /* it is closed */
	recorder_detach(&rec);
	close(fds[0]);
}

static void closing_in_written(void **state)
{
	begin_file();
	rec.close_at = RECORDER_WRITTEN;
	assert_int_equal(recorder_write(&rec, "hello", 5), STREAM_BORROWED);
	assert_int_equal(recorder_write(&rec, "hello", 5), 0);
	expect_written(5, 0);
	recorder_wait(&rec, rec.count[RECORDER_CLOSED] == 1);
	assert_int_equal(rec.count[RECORDER_WRITABLE], 0);
	end();
}

static void a_break_cannot_be_carried(void **state)
{
	static const struct stream_signal a_break = {STREAM_SIGNAL_BREAK};
	begin_file();
	assert_int_equal(stream_signal(&fs.base, &a_break), -EOPNOTSUPP);
	stream_read_stop(&fs.base);
	end();
}

#define stream_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stream_test(a_write_borrows_until_written),
		stream_test(a_second_write_has_to_wait),
		stream_test(no_more_than_the_limit_is_borrowed),
		stream_test(interrupted_and_short_writes_go_on),
		stream_test(a_failure_tells_how_far_it_came),
		stream_test(a_fatal_failure_is_the_end),
		stream_test(a_reader_that_left_raises_no_signal),
		stream_test(without_a_thread_a_write_fails),
		stream_test(closing_waits_for_the_write),
		stream_test(closing_in_written),
		stream_test(a_break_cannot_be_carried),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
