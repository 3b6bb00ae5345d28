/* backend/log_reader.c: a log read as one, wherever it is, whoever writes it. */
#include "log_reader_bench.h"

/* ---- whole logs ------------------------------------------------------------------------------ */

static bool is_compressed(void)
{
	for (int i = 0; log_exists(i, "") || log_exists(i, ".zst"); i++)
		if (log_exists(i, ""))
			return false;
	return true;
}

static void files_are_read_as_one(void **state)
{
	bench->limits.compress = true;
	log_open();
	log_put(35000);
	log_wait(is_compressed());
	read_all(&from_the_oldest);
	assert_int_equal(seen.bytes, 35000);
	assert_int_equal(seen.first, 0);
	/* Places count what was deleted, too. */
	log_put(50000);
	log_wait(is_compressed());
	read_all(&from_the_oldest);
	assert_true(seen.first > 10000);
	assert_int_equal(seen.place, 85000);
	assert_int_equal(seen.bytes, 85000 - seen.first);
	assert_int_equal(seen.gaps, 0);
}

static void files_without_an_index_lie_between_their_neighbours(void **state)
{
	bench->limits.max_backups = 5;
	log_open();
	log_put(45000);
	for (int i = -1; i < 5; i += 2)
		unlink(log_name(i, ".idx"));
	read_all(&from_the_oldest);
	assert_int_equal(seen.bytes, 45000);
	for (int i = -1; i < 5; i++)
		unlink(log_name(i, ".idx"));
	read_all(&from_the_oldest);
	assert_int_equal(seen.bytes, 45000);
	assert_int_equal(seen.gaps, 0);
}

static void a_log_that_is_not_there_is_empty(void **state)
{
	read_all(&from_the_oldest);
	assert_int_equal(seen.events, 0);
	assert_int_equal(rmdir(bench->dir), 0);
	read_all(&from_the_oldest);
	assert_int_equal(seen.events, 0);
	/* ... and waited for, with its directory. */
	begin_reading(&following);
	assert_int_equal(mkdir(bench->dir, 0700), 0);
	log_open();
	log_put(100);
	log_wait(seen.bytes == 100);
	assert_false(seen.ended);
	end_reading();
}

static void a_link_is_not_read(void **state)
{
	assert_int_equal(symlink("/etc/passwd", bench->path), 0);
	begin_reading(&from_the_oldest);
	log_wait(seen.ended);
	assert_int_equal(seen.code, -ELOOP);
	assert_int_equal(seen.bytes, 0);
	end_reading();
}

static void a_damaged_file_is_a_gap(void **state)
{
	bench->limits.compress = true;
	log_open();
	log_put(25000);
	log_wait(is_compressed());
	uint64_t length = log_length(1, ".zst");
	assert_int_equal(truncate(log_name(1, ".zst"), (off_t)length / 2), 0);
	read_all(&from_the_oldest);
	assert_int_equal(seen.gaps, 1);
	assert_int_equal(seen.bytes + seen.missed, 25000);
	assert_int_equal(seen.place, 25000);
	assert_true(seen.missed > 0);
}

static void every_call_may_fail(void **state)
{
	static const enum fail_call calls[] = {FAIL_OPENAT, FAIL_READ, FAIL_FSTAT, FAIL_PREAD};
	bench->limits.compress = true;
	log_open();
	log_put(25000);
	log_wait(is_compressed());
	log_close();
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		int n = 1, count;
		do {
			fail_reset();
			fail_nth(calls[c], n, EIO);
			begin_reading(&from_the_oldest);
			log_wait(seen.ended);
			count = fail_count(calls[c]);
			end_reading();
			/* An index that cannot be read costs its marks; bytes never go unnoticed.
			 */
			assert_true(seen.code == -EIO || seen.place == 25000);
			n += 1 + count / 20;
		} while (n <= count);
	}
}

/* ---- where it begins ------------------------------------------------------------------------- */

static void put_text(const char *text)
{
	FILE *file = fopen(bench->path, "we");
	fputs(text, file);
	fclose(file);
}

static uint64_t tail_begins_at(uint64_t lines)
{
	struct log_reader_start start = {.has_tail = true, .tail = lines};
	begin_reading(&start);
	seen.unknown = 1; /* this is not the sequence */
	log_wait(seen.ended);
	end_reading();
	return seen.bytes;
}

static void the_last_lines_are_found(void **state)
{
	static const struct {
		const char *text;
		uint64_t lines, bytes;
	} cases[] = {
		{"one\ntwo\nthree\n", 1, 6},
		{"one\ntwo\nthree\n", 2, 10},
		{"one\ntwo\nthree\n", 3, 14},
		{"one\ntwo\nthree\n", 9, 14},
		{"one\ntwo\nthr", 1, 3},
		{"one\ntwo\nthr", 2, 7},
		{"one\ntwo\nthr", 0, 0},
		{"one\n", 0, 0},
		{"\n\n\n", 2, 2},
		{"", 5, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_text(cases[i].text);
		if (tail_begins_at(cases[i].lines) != cases[i].bytes)
			fail_msg("the last %d of \"%s\"", (int)cases[i].lines, cases[i].text);
	}
}

static void the_last_lines_may_stand_in_other_files(void **state)
{
	bench->limits.compress = true;
	bench->limits.max_backups = 10;
	log_open();
	log_put(60000);
	log_wait(is_compressed());
	log_read();
	for (uint64_t lines = 1; lines < 300; lines += 23) {
		size_t at = bench->content_size;
		uint64_t newlines = 0;
		while (at > 0 &&
			newlines < lines + (bench->content[bench->content_size - 1] == '\n'))
			newlines += bench->content[--at] == '\n';
		at += at > 0 || bench->content[0] == '\n';
		struct log_reader_start start = {.has_tail = true, .tail = lines};
		read_all(&start);
		assert_int_equal(seen.first, at);
		assert_int_equal(seen.place, 60000);
	}
}

static void a_time_is_found(void **state)
{
	char index[4096] = "";
	int64_t base = 1769904000000;
	uint64_t places[] = {0, 3000, 6000, 9000};
	log_open();
	log_put(9500);
	log_close();
	size_t n = 0;
	struct log_mark mark = {0, 0, base, "start 0 -"};
	n += log_mark_format(&mark, index + n);
	for (int i = 0; i < 4; i++) {
		mark = (struct log_mark){places[i], 0, base + 1000 * i, ""};
		n += log_mark_format(&mark, index + n);
	}
	FILE *file = fopen(log_name(-1, ".idx"), "we");
	fputs(index, file);
	fclose(file);
	static const struct {
		int64_t after;
		uint64_t place;
	} cases[] = {{-5000, 0}, {1, 3000}, {1000, 3000}, {1001, 6000}, {3000, 9000}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_reader_start start = {
			.has_since = true, .since_ms = base + cases[i].after};
		read_all(&start);
		assert_int_equal(seen.first, cases[i].place);
		assert_int_equal(seen.place, 9500);
		assert_int_equal(seen.mark_at[0], cases[i].place);
	}
	struct log_reader_start start = {.has_since = true, .since_ms = base + 3001};
	read_all(&start);
	assert_int_equal(seen.bytes, 0);
	/* The first bytes have a time, be it that of a mark before them. */
	start = (struct log_reader_start){.has_tail = true, .tail = 1};
	read_all(&start);
	assert_int_equal(seen.mark_at[0], seen.first);
	assert_in_range(seen.mark_ms[0], base, base + 3000);
}

static void marks_come_in_their_place(void **state)
{
	log_open();
	log_put(100);
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "connect", "a");
	log_put(100);
	log_writer_gap(bench->writer, 200, 9, 77);
	log_put(50);
	read_all(&from_the_oldest);
	assert_int_equal(seen.bytes, 250);
	assert_string_equal(seen.mark_what[0], "");
	assert_int_equal(seen.mark_at[0], 0);
	assert_string_equal(seen.mark_what[1], "connect a");
	assert_int_equal(seen.mark_at[1], 100);
	assert_string_equal(seen.mark_what[2], "gap 77");
	assert_int_equal(seen.mark_at[2], 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_log(files_are_read_as_one),
		with_log(files_without_an_index_lie_between_their_neighbours),
		with_log(a_log_that_is_not_there_is_empty),
		with_log(a_link_is_not_read),
		with_log(a_damaged_file_is_a_gap),
		with_log(every_call_may_fail),
		with_log(the_last_lines_are_found),
		with_log(the_last_lines_may_stand_in_other_files),
		with_log(a_time_is_found),
		with_log(marks_come_in_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
