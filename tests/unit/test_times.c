/* device/times.c: what came when, in bounded memory, whatever the clock does. */
#include "test.h"

#include "device/times.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const int64_t T0 = 1700000000000;

static struct times times;

static int set_up(void **state)
{
	times_init(&times, T0);
	return 0;
}

static int tear_down(void **state)
{
	times_fini(&times);
	return 0;
}

static void silence_costs_nothing_and_is_known(void **state)
{
	assert_null(times.pieces);
	assert_int_equal(times_since(&times, T0 + 1, 500), 500);
	assert_int_equal(times_since(&times, T0, 500), 0);
	assert_int_equal(times_since(&times, T0 - HOUR, 500), 0);
}

static void output_within_a_second_is_one_piece(void **state)
{
	times_note(&times, 10, T0 + SECOND);
	times_note(&times, 20, T0 + SECOND + 999);
	times_note(&times, 30, T0 + 2 * SECOND);
	assert_int_equal(times.count, 2);
	assert_int_equal(times_since(&times, T0 + 1, 40), 10);
	assert_int_equal(times_since(&times, T0 + SECOND + 999, 40), 10);
	assert_int_equal(times_since(&times, T0 + 2 * SECOND, 40), 30);
	assert_int_equal(times_since(&times, T0 + 2 * SECOND + 1, 40), 40);
}

/* A piece that ended before the time asked for is not shown, however long the silence after it. */
static void a_silence_is_not_filled_with_what_was_before(void **state)
{
	times_note(&times, 0, T0 + SECOND);
	times_note(&times, 100, T0 + HOUR);
	assert_int_equal(times_since(&times, T0 + SECOND + 1, 200), 100);
	assert_int_equal(times_since(&times, T0 + SECOND, 200), 0);
}

static void what_is_overwritten_is_forgotten(void **state)
{
	for (int i = 0; i < 10; i++)
		times_note(&times, (uint64_t)i * 100, T0 + (i + 1) * SECOND);
	times_forget(&times, 350);
	assert_int_equal(times.count, 7);
	assert_int_equal(times.pieces[0].offset, 300);
	times_forget(&times, 100000);
	assert_int_equal(times.count, 1);
}

/* A month of output, each second some: never less than was asked for, and hardly more. */
static void a_month_fits_and_the_recent_is_exact(void **state)
{
	const int64_t seconds = 30 * 24 * 3600;
	for (int64_t i = 1; i <= seconds; i++)
		times_note(&times, (uint64_t)i, T0 + i * SECOND);
	assert_int_equal(times.count, TIMES_MAX);
	for (int64_t ago = 1; ago < seconds; ago += 1 + ago / 7) {
		uint64_t exact = (uint64_t)(seconds - ago);
		uint64_t offset = times_since(&times, T0 + (seconds - ago) * SECOND, UINT64_MAX);
		assert_true(offset <= exact);
		assert_true(exact - offset <= 1 + (uint64_t)ago * 8 / 100);
	}
}

static void a_clock_that_was_set_back_makes_nothing_later_than_now(void **state)
{
	times_note(&times, 0, T0 + SECOND);
	times_note(&times, 10, T0 + 10 * HOUR);
	times_note(&times, 20, T0 + HOUR);
	assert_int_equal(times_since(&times, T0 + HOUR, 30), 10);
	assert_int_equal(times_since(&times, T0 + HOUR + 1, 30), 30);
	times_note(&times, 30, T0 - HOUR);
	assert_int_equal(times_since(&times, T0 - HOUR, 40), 0);
	times_note(&times, 40, T0 - HOUR + 10 * SECOND);
	assert_int_equal(times_since(&times, T0 - HOUR + 1, 50), 40);
}

int main(void)
{
#define with_times(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		with_times(silence_costs_nothing_and_is_known),
		with_times(output_within_a_second_is_one_piece),
		with_times(a_silence_is_not_filled_with_what_was_before),
		with_times(what_is_overwritten_is_forgotten),
		with_times(a_month_fits_and_the_recent_is_exact),
		with_times(a_clock_that_was_set_back_makes_nothing_later_than_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
