/* backend/log_reader.c: a log that is written, rotated and moved while it is read. */
#include "log_reader_bench.h"

/* ---- rotated while the reader looks for its place ---------------------------------------------
 */

static void copy_over(const char *from, const char *to)
{
	static char bytes[64 * 1024];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(in >= 0 && out >= 0);
	ssize_t n = read(in, bytes, sizeof(bytes));
	assert_int_equal(write(out, bytes, (size_t)n), n);
	fd_close(in);
	fd_close(out);
}

/* As a rotation that deletes a file and gives its inode to another one: number 1 keeps its own. */
static void rotate_with_the_same_inodes(void)
{
	static const char *const suffixes[] = {"", ".idx"};
	for (int i = 0; i < 2; i++) {
		copy_over(log_name(1, suffixes[i]), log_name(2, suffixes[i]));
		copy_over(log_name(0, suffixes[i]), log_name(1, suffixes[i]));
		copy_over(log_name(-1, suffixes[i]), log_name(0, suffixes[i]));
		assert_int_equal(truncate(log_name(-1, suffixes[i]), 0), 0);
	}
}

static void begin_log_anew(void)
{
	for (int i = -1; i < 4; i++) {
		unlink(log_name(i, ""));
		unlink(log_name(i, ".idx"));
	}
	bench->written = 0;
	log_open();
	log_put(25000);
	log_close();
	assert_true(log_exists(1, "") && !log_exists(2, ""));
}

/* How many files are opened until the first event. */
static int count_opens(void)
{
	begin_log_anew();
	fail_reset();
	seen.paused = true;
	begin_reading(&from_the_oldest);
	log_wait(seen.events == 1);
	int count = fail_count(FAIL_OPENAT);
	end_reading();
	seen.paused = false;
	return count;
}

static void an_inode_that_is_used_again_is_another_file(void **state)
{
	enum { INDEX_OPENS = 2 }; /* the last ones, when the file itself is open for good */
	int last = count_opens() - INDEX_OPENS;
	assert_true(last > 10);
	for (int n = 1; n <= last; n++) {
		begin_log_anew();
		fail_reset();
		fail_nth(FAIL_OPENAT, n, FAIL_BY_WAITING);
		begin_reading(&from_the_oldest);
		log_wait(fail_count(FAIL_OPENAT) == n);
		rotate_with_the_same_inodes();
		fail_release();
		log_wait(seen.ended);
		assert_int_equal(seen.code, 0);
		assert_int_equal(seen.bytes, 25000);
		assert_int_equal(seen.gaps, 0);
		end_reading();
	}
}

/* ---- while it is written --------------------------------------------------------------------- */

static void what_is_written_is_followed(void **state)
{
	bench->limits.compress = true;
	log_open();
	log_put(500);
	begin_reading(&following);
	log_wait(seen.bytes == 500);
	for (int i = 0; i < 60; i++) {
		log_put(700);
		log_wait(seen.place == bench->written);
	}
	assert_int_equal(seen.bytes, 500 + 60 * 700);
	assert_int_equal(seen.gaps, 0);
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "vm-stop", "");
	log_wait(strcmp(seen.mark_what[(seen.marks - 1) % MARKS], "vm-stop") == 0 ||
		 seen.marks > MARKS);
	end_reading();
}

static void nothing_is_done_while_nothing_happens(void **state)
{
	log_open();
	log_put(500);
	begin_reading(&following);
	log_wait(seen.bytes == 500);
	/* Its last look is still to come. */
	loop_timer_start(&bench->timer, 100);
	loop_run(bench->loop);
	int before = fail_count(FAIL_FSTAT) + fail_count(FAIL_READ);
	loop_timer_start(&bench->timer, 300);
	uint64_t wakeups = loop_wakeups(bench->loop);
	loop_run(bench->loop);
	assert_in_range(loop_wakeups(bench->loop) - wakeups, 0, 2);
	assert_int_equal(fail_count(FAIL_FSTAT) + fail_count(FAIL_READ), before);
	end_reading();
}

/* The reader is slow at first: the writer overtakes it by all that there may be. */
static void at_full_speed_every_byte_is_right_or_in_an_exact_gap(void **state)
{
	for (int compress = 0; compress < 2; compress++) {
		bench->limits.compress = compress == 1;
		log_open();
		log_put(5000);
		seen.paused = true;
		begin_reading(&following);
		log_wait(seen.events == 1);
		uint64_t end = bench->written + 4000000;
		while (bench->written < end) {
			log_put(40000);
			/* One event now and then. */
			if (bench->written % 3 == 0)
				log_reader_next(seen.reader);
			unsigned events = seen.events;
			if (bench->written % 3 == 0)
				log_wait(seen.events > events);
		}
		seen.paused = false;
		log_reader_next(seen.reader);
		log_wait(seen.place == bench->written);
		assert_int_equal(seen.first + seen.bytes + seen.missed, bench->written);
		assert_true(seen.gaps > 0 && seen.missed > 0);
		assert_int_equal(seen.unknown, 0);
		end_reading();
		log_close();
	}
}

static void a_reader_beside_a_writer_misses_nothing(void **state)
{
	bench->limits.compress = true;
	bench->limits.max_backups = 1000;
	log_open();
	begin_reading(&following);
	for (int i = 0; i < 100; i++)
		log_put(20011);
	log_wait(seen.place == bench->written);
	assert_int_equal(seen.bytes, bench->written);
	assert_int_equal(seen.gaps, 0);
	end_reading();
}

static void what_others_do_to_the_file_is_followed(void **state)
{
	char moved[128];
	log_open();
	log_put(1000);
	begin_reading(&following);
	log_wait(seen.bytes == 1000);
	/* Moved away, written to, opened anew. */
	snprintf(moved, sizeof(moved), "%s.moved", bench->path);
	assert_int_equal(rename(bench->path, moved), 0);
	log_put(50);
	log_writer_reopen(bench->writer);
	log_wait(bench->moves == 1);
	log_put(100);
	log_wait(seen.place == 1150);
	assert_int_equal(seen.bytes, 1150);
	assert_int_equal(seen.gaps, 0);
	/* Cut: what is new comes, after a gap that nobody knows. */
	assert_int_equal(truncate(bench->path, 0), 0);
	log_wait(seen.unknown == 1);
	uint64_t before = seen.bytes;
	log_put(30);
	log_wait(seen.bytes == before + 30);
	end_reading();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_log(an_inode_that_is_used_again_is_another_file),
		with_log(what_is_written_is_followed),
		with_log(nothing_is_done_while_nothing_happens),
		with_log(at_full_speed_every_byte_is_right_or_in_an_exact_gap),
		with_log(a_reader_beside_a_writer_misses_nothing),
		with_log(what_others_do_to_the_file_is_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
