/* util/: errors, strings, iovecs and the write that raises no SIGPIPE. */
#include "test.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/strbuf.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void error_is_cut_at_a_character(void **state)
{
	struct error err = {0};
	char text[ERROR_MESSAGE_SIZE + 10];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text + ERROR_MESSAGE_SIZE - 5, "\xc3\xa4", 2); /* straddles the cut */
	assert_int_equal(error_set(&err, -EINVAL, "%s", text), -EINVAL);
	assert_int_equal(strlen(err.message), ERROR_MESSAGE_SIZE - 2);
	assert_string_equal(err.message + strlen(err.message) - 4, "x...");
}

static void error_prefix_stands_before(void **state)
{
	struct error err = {0};
	error_set(&err, -ENOENT, "%s is missing", "/x");
	assert_int_equal(error_prefix(&err, "serial%d: ", 0), -ENOENT);
	assert_string_equal(err.message, "serial0: /x is missing");
	assert_int_equal(error_prefix(NULL, "x"), 0);
}

static void strbuf_grows_and_is_stolen(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb, "%d,", i % 10);
	assert_int_equal(sb.length, 2000);
	char *text = strbuf_steal(&sb);
	assert_non_null(text);
	assert_int_equal(strncmp(text, "0,1,2,3,", 8), 0);
	free(text);
	text = strbuf_steal(&sb);
	assert_string_equal(text, "");
	free(text);
}

static void iov_skip_crosses_entries(void **state)
{
	char a[4] = "abc";
	struct iovec iov[3] = {{a, 1}, {a + 1, 1}, {a + 2, 2}};
	assert_int_equal(iov_skip(iov, 3, 3), 1);
	assert_ptr_equal(iov[0].iov_base, a + 3);
	assert_int_equal(iov_total(iov, 1), 1);
	assert_int_equal(iov_skip(iov, 1, 1), 0);
}

static void iov_limit_leaves_no_empty_entry(void **state)
{
	char a[4] = "abc";
	struct iovec iov[3] = {{a, 1}, {a + 1, 0}, {a + 1, 2}};
	assert_int_equal(iov_limit(iov, 3, 2), 2);
	assert_ptr_equal(iov[1].iov_base, a + 1);
	assert_int_equal(iov[1].iov_len, 1);
	assert_int_equal(iov_limit(iov, 2, 0), 0);
}

static void iov_of_ring_wraps(void **state)
{
	char ring[8];
	struct iovec iov[2];
	assert_int_equal(iov_of_ring(ring, 8, 14, 0, iov), 0);
	assert_int_equal(iov_of_ring(ring, 8, 14, 2, iov), 1);
	assert_ptr_equal(iov[0].iov_base, ring + 6);
	assert_int_equal(iov_of_ring(ring, 8, 14, 8, iov), 2);
	assert_int_equal(iov[0].iov_len, 2);
	assert_ptr_equal(iov[1].iov_base, ring);
	assert_int_equal(iov[1].iov_len, 6);
}

static void write_to_nobody_raises_no_signal(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	struct iovec iov = {"x", 1};
	sigset_t pending;
	/* SIGPIPE keeps its default action: a raised one would end this process. */
	assert_int_equal(fd_writev_nosigpipe(fds[1], &iov, 1), -EPIPE);
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_is_cut_at_a_character),
		cmocka_unit_test(error_prefix_stands_before),
		cmocka_unit_test(strbuf_grows_and_is_stolen),
		cmocka_unit_test(iov_skip_crosses_entries),
		cmocka_unit_test(iov_limit_leaves_no_empty_entry),
		cmocka_unit_test(iov_of_ring_wraps),
		cmocka_unit_test(write_to_nobody_raises_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
