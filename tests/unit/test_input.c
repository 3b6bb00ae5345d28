/* device/input.c: the bounded queue of what was typed, with BREAK in its place. */
#include "test.h"

#include "device/input.h"

#include <string.h>

static size_t type(struct input *input, const char *text, size_t n)
{
	size_t typed = 0;
	while (typed < n) {
		struct iovec iov[2];
		if (input_space(input, iov) == 0)
			break;
		size_t part = iov[0].iov_len < n - typed ? iov[0].iov_len : n - typed;
		memcpy(iov[0].iov_base, text + typed, part);
		input_commit(input, part);
		typed += part;
	}
	return typed;
}

static size_t take(struct input *input, char *text, size_t max)
{
	struct iovec iov[2];
	int parts = input_peek(input, iov);
	size_t n = 0;
	for (int i = 0; i < parts && n < max; i++) {
		size_t part = iov[i].iov_len < max - n ? iov[i].iov_len : max - n;
		memcpy(text + n, iov[i].iov_base, part);
		n += part;
	}
	input_consume(input, n);
	return n;
}

static void it_is_bounded_and_keeps_order(void **state)
{
	struct input input;
	static char in[3 * INPUT_SIZE], out[3 * INPUT_SIZE];
	input_init(&input);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 31 >> 3);
	size_t typed = type(&input, in, sizeof(in)), taken = 0;
	assert_int_equal(typed, INPUT_SIZE);
	while (taken < sizeof(in)) {
		taken += take(&input, out + taken, 1000);
		typed += type(&input, in + typed, sizeof(in) - typed);
		assert_in_range(typed - taken, 0, INPUT_SIZE);
	}
	assert_memory_equal(in, out, sizeof(in));
	assert_true(input_is_empty(&input));
	assert_null(input.memory);
	input_fini(&input);
}

static void a_break_keeps_its_place(void **state)
{
	struct input input;
	struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	char out[16] = {0};
	input_init(&input);
	type(&input, "ab", 2);
	assert_true(input_mark(&input, &brk));
	type(&input, "c", 1);
	assert_null(input_due_mark(&input));
	assert_int_equal(take(&input, out, sizeof(out)), 2);
	assert_memory_equal(out, "ab", 2);
	struct iovec iov[2];
	assert_int_equal(input_peek(&input, iov), 0);
	assert_non_null(input_due_mark(&input));
	assert_int_equal(input_due_mark(&input)->signal.type, STREAM_SIGNAL_BREAK);
	input_drop_mark(&input);
	assert_int_equal(take(&input, out, sizeof(out)), 1);
	assert_int_equal(out[0], 'c');
	input_fini(&input);
}

static void marks_are_bounded(void **state)
{
	struct input input;
	struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	input_init(&input);
	for (int i = 0; i < INPUT_MAX_MARKS; i++)
		assert_true(input_mark(&input, &brk));
	assert_false(input_mark(&input, &brk));
	assert_false(input_is_empty(&input));
	assert_int_equal(input_clear(&input), 0);
	assert_true(input_is_empty(&input));
	input_fini(&input);
}

static void clear_counts_what_it_throws_away(void **state)
{
	struct input input;
	input_init(&input);
	type(&input, "hello", 5);
	assert_int_equal(input_clear(&input), 5);
	assert_true(input_is_empty(&input));
	input_fini(&input);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_bounded_and_keeps_order),
		cmocka_unit_test(a_break_keeps_its_place),
		cmocka_unit_test(marks_are_bounded),
		cmocka_unit_test(clear_counts_what_it_throws_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
