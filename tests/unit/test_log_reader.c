/* backend/log_reader.c: a log read as one, wherever it is, whoever writes it. */
#include "fail.h"
#include "log_bench.h"

#include "backend/log_reader.h"

/* ---- a reader that puts down what it is told ------------------------------------------------- */

enum { MARKS = 64 };

static struct {
	struct log_reader *reader;
	uint64_t first; /* the place of the first byte */
	uint64_t place; /* and the one after the last */
	uint64_t bytes;
	uint64_t missed; /* told as gaps */
	unsigned gaps;
	unsigned unknown; /* gaps of which nobody knows how long they are */
	unsigned marks;
	uint64_t mark_at[MARKS];
	int64_t mark_ms[MARKS];
	char mark_what[MARKS][LOG_MARK_WHAT_SIZE];
	bool paused; /* asks for nothing more by itself */
	unsigned events;
	bool ended;
	int code;
	bool closed;
} seen;

static void go_on(void)
{
	seen.events++;
	if (!seen.paused)
		log_reader_next(seen.reader);
	loop_stop(bench->loop);
}

static void on_bytes(void *user, uint64_t position, const void *bytes, size_t n)
{
	assert_true(n > 0 && n <= LOG_READER_PIECE_MAX);
	if (seen.bytes == 0)
		seen.first = position;
	else if (seen.unknown == 0)
		assert_int_equal(position, seen.place);
	for (size_t i = 0; i < n && seen.unknown == 0; i++)
		if (((const char *)bytes)[i] != log_byte(position + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(position + i));
	seen.place = position + n;
	seen.bytes += n;
	go_on();
}

static void on_mark(void *user, uint64_t position, int64_t time_ms, const char *what)
{
	if (seen.marks < MARKS) {
		seen.mark_at[seen.marks] = position;
		seen.mark_ms[seen.marks] = time_ms;
		snprintf(seen.mark_what[seen.marks], LOG_MARK_WHAT_SIZE, "%s", what);
	}
	seen.marks++;
	go_on();
}

static void on_gap(void *user, uint64_t position, uint64_t missed)
{
	seen.gaps++;
	seen.missed += missed;
	seen.unknown += missed == 0;
	if (missed != 0)
		assert_int_equal(position, seen.place + missed);
	seen.place = position;
	go_on();
}

static void on_end(void *user, int code, const char *message)
{
	assert_true(code == 0 || message[0] != '\0');
	seen.ended = true;
	seen.code = code;
	loop_stop(bench->loop);
}

static const struct log_reader_sink sink = {on_bytes, on_mark, on_gap, on_end};

static void begin_reading(const struct log_reader_start *start)
{
	bool paused = seen.paused;
	memset(&seen, 0, sizeof(seen));
	seen.paused = paused;
	assert_int_equal(
		log_reader_new(bench->loop, bench->path, start, &sink, NULL, &seen.reader, NULL),
		0);
	log_reader_next(seen.reader);
}

static void on_reader_closed(void *user)
{
	seen.closed = true;
	loop_stop(bench->loop);
}

static void end_reading(void)
{
	log_reader_close(seen.reader, on_reader_closed);
	log_wait(seen.closed);
}

static void read_all(const struct log_reader_start *start)
{
	begin_reading(start);
	log_wait(seen.ended);
	assert_int_equal(seen.code, 0);
	end_reading();
}

static const struct log_reader_start from_the_oldest = {0};
static const struct log_reader_start following = {.follow = true};

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

static int reset_and_setup(void **state)
{
	fail_reset();
	memset(&seen, 0, sizeof(seen));
	return log_setup(state);
}

#undef with_log
#define with_log(test) cmocka_unit_test_setup_teardown(test, reset_and_setup, log_teardown)

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
		with_log(an_inode_that_is_used_again_is_another_file),
		with_log(what_is_written_is_followed),
		with_log(nothing_is_done_while_nothing_happens),
		with_log(at_full_speed_every_byte_is_right_or_in_an_exact_gap),
		with_log(a_reader_beside_a_writer_misses_nothing),
		with_log(what_others_do_to_the_file_is_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
