/* backend/log_quota.c: who has to delete what, by itself and with logs on a disk. */
#include "log_bench.h"

/* ---- the arithmetic -------------------------------------------------------------------------- */

struct fake_log {
	struct log_quota_member member;
	unsigned asked;
};

static void on_release(struct log_quota_member *member)
{
	container_of(member, struct fake_log, member)->asked++;
}

static void join(struct fake_log *fake, struct log_share *share)
{
	*fake = (struct fake_log){.member.release = on_release};
	log_quota_join(&fake->member, share);
}

static void has(struct fake_log *fake, uint64_t rotated, uint64_t current, int64_t oldest_ms)
{
	struct log_usage usage = {
		.bytes = rotated + current,
		.current = current,
		.oldest = rotated,
		.oldest_ms = oldest_ms,
		.has_rotated = rotated > 0,
	};
	log_quota_update(&fake->member, &usage);
}

static void released(struct fake_log *fake, uint64_t current, bool failed)
{
	struct log_usage usage = {.bytes = current, .current = current};
	log_quota_released(&fake->member, &usage, failed);
}

static void the_oldest_goes_first_in_domain_and_host(void **state)
{
	struct log_quota *quota = log_quota_new(1000, 500);
	struct log_share *one = log_quota_domain(quota, "one"),
			 *two = log_quota_domain(quota, "two");
	struct fake_log a, b, c;
	assert_ptr_equal(log_quota_domain(quota, "one"), one);
	log_share_free(one);
	join(&a, one);
	join(&b, one);
	join(&c, two);
	has(&a, 200, 50, 30);
	has(&c, 300, 100, 10);
	has(&b, 150, 50, 20);
	assert_int_equal(log_share_bytes(one), 450);
	assert_int_equal(log_quota_bytes(quota), 850);
	assert_int_equal(a.asked + b.asked + c.asked, 0);
	/* The domain's own limit is passed: its oldest, not the host's. */
	has(&b, 150, 150, 20);
	assert_int_equal(b.asked, 1);
	assert_int_equal(a.asked + c.asked, 0);
	released(&b, 150, false);
	/* The host's: the oldest of all. */
	log_quota_limit(quota, 700, 0);
	assert_int_equal(c.asked, 1);
	assert_int_equal(a.asked, 0);
	/* It hangs, or cannot: then the next one is asked, and it is not asked again. */
	released(&c, 100, true);
	assert_int_equal(log_quota_bytes(quota), 500);
	log_quota_limit(quota, 200, 0);
	assert_int_equal(a.asked, 1);
	/* No rotated ones are left: the longest that is being written. */
	released(&a, 50, false);
	assert_int_equal(b.asked, 2);
	assert_int_equal(c.asked, 1);
	log_quota_leave(&a.member);
	log_quota_leave(&b.member);
	assert_int_equal(log_quota_bytes(quota), 100);
	log_quota_leave(&c.member);
	log_share_free(one);
	log_share_free(two);
	assert_int_equal(log_quota_bytes(quota), 0);
	log_quota_free(quota);
}

static void nobody_is_asked_without_end(void **state)
{
	struct log_quota *quota = log_quota_new(10, 10);
	struct log_share *share = log_quota_domain(quota, "one");
	struct fake_log a;
	join(&a, share);
	has(&a, 100, 100, 1);
	assert_int_equal(a.asked, 1);
	has(&a, 100, 110, 1);
	assert_int_equal(a.asked, 1);
	struct log_usage usage = a.member.usage;
	log_quota_released(&a.member, &usage, true);
	assert_int_equal(a.asked, 1);
	has(&a, 100, 120, 1);
	assert_int_equal(a.asked, 2);
	log_quota_leave(&a.member);
	log_share_free(share);
	log_quota_free(quota);
}

/* ---- on a disk ------------------------------------------------------------------------------- */

static uint64_t on_disk(void)
{
	uint64_t sum = 0;
	for (int i = -1; i < 30; i++)
		sum += log_length(i, "") + log_length(i, ".idx") + log_length(i, ".zst");
	return sum;
}

static void a_log_stays_within_its_quota(void **state)
{
	struct log_quota *quota = log_quota_new(0, 0);
	bench->limits.max_backups = 20;
	log_open();
	log_put(100000);
	log_close();
	/* What is there counts from the start. */
	bench->share = log_quota_domain(quota, "vm");
	log_open();
	assert_int_equal(log_share_bytes(bench->share), on_disk());
	log_quota_limit(quota, 0, 35000);
	log_wait(log_share_bytes(bench->share) <= 35000);
	for (int i = 0; i < 100; i++) {
		log_put(700);
		assert_in_range(on_disk(), 1, 35000);
	}
	log_read();
	assert_in_range(bench->content_size, 20000, 35000);
	assert_log_has(bench->written - bench->content_size);
	/* Not even what is being written has room. */
	log_quota_limit(quota, 5000, 0);
	log_wait(log_quota_bytes(quota) <= 5000);
	for (int i = 0; i < 100; i++) {
		log_put(700);
		assert_in_range(on_disk(), 1, 5000);
	}
	log_read();
	assert_log_has(bench->written - bench->content_size);
	log_close();
	log_share_free(bench->share);
	bench->share = NULL;
	log_quota_free(quota);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_goes_first_in_domain_and_host),
		cmocka_unit_test(nobody_is_asked_without_end),
		with_log(a_log_stays_within_its_quota),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
