/* device/history.c: the ring by absolute offsets, how it grows, wraps and leaves its memory. */
#include "test.h"

#include "device/history.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The byte that stands at an offset in these tests: any cut, doubled or moved byte shows. */
static char byte_at(uint64_t offset)
{
	return (char)((offset * 2654435761U) >> 13);
}

static void feed(struct history *history, size_t n)
{
	while (n > 0) {
		struct iovec iov[2];
		int parts = history_space(history, n, iov);
		assert_in_range(parts, 1, 2);
		size_t came = 0;
		for (int i = 0; i < parts; i++) {
			for (size_t j = 0; j < iov[i].iov_len; j++)
				((char *)iov[i].iov_base)[j] = byte_at(history->head + came++);
		}
		assert_in_range(came, 1, n);
		history_commit(history, came);
		n -= came;
	}
}

static void check(const struct history *history, uint64_t offset)
{
	struct iovec iov[2];
	int parts = history_peek(history, offset, iov);
	for (int i = 0; i < parts; i++) {
		for (size_t j = 0; j < iov[i].iov_len; j++)
			assert_int_equal(((char *)iov[i].iov_base)[j], byte_at(offset++));
	}
	assert_int_equal(offset, history->head);
}

static void an_idle_ring_allocates_nothing(void **state)
{
	struct history history;
	struct stat st;
	assert_int_equal(history_open(&history, 1 << 20, NULL, 0, 0, NULL), 0);
	assert_int_equal(history.capacity, 0);
	assert_int_equal(fstat(history.fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	history_close(&history);
}

static void it_doubles_before_its_first_wrap(void **state)
{
	struct history history;
	assert_int_equal(history_open(&history, 1 << 20, NULL, 0, 0, NULL), 0);
	feed(&history, 1);
	assert_int_equal(history.capacity, HISTORY_FIRST_SIZE);
	feed(&history, HISTORY_FIRST_SIZE);
	assert_int_equal(history.capacity, 2 * HISTORY_FIRST_SIZE);
	check(&history, 0);
	feed(&history, (1 << 20) - HISTORY_FIRST_SIZE - 1);
	assert_int_equal(history.capacity, 1 << 20);
	assert_int_equal(history.oldest, 0);
	check(&history, 0);
	feed(&history, 100);
	assert_int_equal(history.capacity, 1 << 20);
	assert_int_equal(history.oldest, 100);
	check(&history, history.oldest);
	history_close(&history);
}

static void every_offset_reads_back_over_many_wraps(void **state)
{
	struct history history;
	assert_int_equal(history_open(&history, 3000, NULL, 0, 0, NULL), 0);
	assert_int_equal(history.size, HISTORY_MIN_SIZE);
	unsigned seed = 7;
	for (int i = 0; i < 2000; i++) {
		seed = seed * 1103515245 + 12345;
		feed(&history, 1 + (seed >> 16) % 5000);
		check(&history, history.oldest);
		check(&history, history.head - (history.head - history.oldest) / 3);
		check(&history, history.head);
	}
	history_close(&history);
}

static void space_respects_its_limit(void **state)
{
	struct history history;
	struct iovec iov[2];
	assert_int_equal(history_open(&history, 4096, NULL, 0, 0, NULL), 0);
	assert_int_equal(history_space(&history, 0, iov), 0);
	feed(&history, 4096 + 4000);
	assert_int_equal(history_space(&history, 200, iov), 2);
	assert_int_equal(iov[0].iov_len + iov[1].iov_len, 200);
	assert_int_equal(iov[0].iov_len, 96);
	assert_int_equal(history_space(&history, 96, iov), 1);
	history_close(&history);
}

/* A file system that is full: the limit on file size stands in for it, without privilege. */
static void refused_memory_keeps_the_present_size(void **state)
{
	char path[] = "/tmp/chardev-history-XXXXXX";
	close(mkstemp(path));
	struct history history;
	assert_int_equal(history_open(&history, 1 << 20, path, 0, 0, NULL), 0);
	feed(&history, HISTORY_FIRST_SIZE);
	struct rlimit before, now;
	getrlimit(RLIMIT_FSIZE, &before);
	now = (struct rlimit){.rlim_cur = HISTORY_FIRST_SIZE, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &now);
	feed(&history, 10);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(history.capacity, HISTORY_FIRST_SIZE);
	assert_true(history.fixed);
	assert_true(history.growth_failure < 0);
	assert_int_equal(history.oldest, 10);
	check(&history, history.oldest);
	feed(&history, 3 * HISTORY_FIRST_SIZE);
	assert_int_equal(history.capacity, HISTORY_FIRST_SIZE);
	check(&history, history.oldest);
	history_close(&history);
	unlink(path);
}

static void a_successor_takes_the_ring_over(void **state)
{
	char path[] = "/tmp/chardev-history-XXXXXX";
	close(mkstemp(path));
	struct history first, second;
	assert_int_equal(history_open(&first, 1 << 17, path, 0, 0, NULL), 0);
	feed(&first, 200000);
	/* No close: the first process was killed. */
	assert_int_equal(history_open(&second, 1 << 17, path, first.head, first.capacity, NULL), 0);
	assert_int_equal(second.oldest, first.oldest);
	check(&second, second.oldest);
	feed(&second, 5000);
	check(&second, second.oldest);
	history_close(&first);
	history_close(&second);
	unlink(path);
}

static void a_ring_of_another_size_starts_anew_at_the_same_offset(void **state)
{
	char path[] = "/tmp/chardev-history-XXXXXX";
	close(mkstemp(path));
	struct history first, second;
	assert_int_equal(history_open(&first, 1 << 17, path, 0, 0, NULL), 0);
	feed(&first, 200000);
	history_close(&first);
	assert_int_equal(history_open(&second, 1 << 16, path, 200000, 1 << 17, NULL), 0);
	assert_int_equal(second.head, 200000);
	assert_int_equal(second.oldest, 200000);
	feed(&second, 100000);
	check(&second, second.oldest);
	history_close(&second);
	unlink(path);
}

static void abandoned_memory_keeps_its_bytes(void **state)
{
	struct history history;
	assert_int_equal(history_open(&history, 4096, NULL, 0, 0, NULL), 0);
	feed(&history, 4096);
	struct iovec borrowed[2];
	assert_int_equal(history_peek(&history, 0, borrowed), 1);
	char copy[4096];
	memcpy(copy, borrowed[0].iov_base, sizeof(copy));
	char *old;
	assert_int_equal(history_abandon_memory(&history, &old), 0);
	assert_ptr_equal(old, borrowed[0].iov_base);
	check(&history, 0);
	feed(&history, 4096);
	assert_memory_equal(old, copy, sizeof(copy));
	check(&history, history.oldest);
	munmap(old, 4096);
	history_close(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_ring_allocates_nothing),
		cmocka_unit_test(it_doubles_before_its_first_wrap),
		cmocka_unit_test(every_offset_reads_back_over_many_wraps),
		cmocka_unit_test(space_respects_its_limit),
		cmocka_unit_test(refused_memory_keeps_the_present_size),
		cmocka_unit_test(a_successor_takes_the_ring_over),
		cmocka_unit_test(a_ring_of_another_size_starts_anew_at_the_same_offset),
		cmocka_unit_test(abandoned_memory_keeps_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
