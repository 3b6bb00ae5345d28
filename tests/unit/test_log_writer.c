/* backend/log_writer.c: rotation, compression, the index, and what others do to the files. */
#include "fail.h"
#include "log_bench.h"

#include "backend/log_index.h"

/* ---- rotation -------------------------------------------------------------------------------- */

static void files_are_rotated_by_size(void **state)
{
	log_open();
	for (int i = 0; i < 60; i++)
		log_put(1000);
	assert_int_equal(bench->written, 60000);
	assert_true(log_exists(2, "") && log_exists(2, ".idx"));
	assert_false(log_exists(3, ""));
	for (int i = -1; i < 3; i++)
		assert_in_range(log_length(i, "") + log_length(i, ".idx"), 1, 10000);
	log_read();
	assert_in_range(bench->content_size, 28000, 40000);
	assert_log_has(bench->written - bench->content_size);
	/* Each line begins where the file before it ended. */
	uint64_t position = bench->written - bench->content_size;
	for (int i = 2; i >= -1; i--) {
		char line[LOG_MARK_LINE_SIZE], expected[64];
		log_index_line(i, 0, line);
		snprintf(expected, sizeof(expected), " start %llu 0000000000000abc\n",
			(unsigned long long)position);
		assert_non_null(strstr(line, expected));
		position += log_length(i, "");
	}
}

static void a_long_write_fills_files_to_the_brim(void **state)
{
	bench->limits.max_backups = 30;
	log_open();
	log_put(200000);
	log_put(1);
	for (int i = 0; log_exists(i, ""); i++)
		assert_int_equal(log_length(i, "") + log_length(i, ".idx"), 10000);
	assert_log_has(0);
}

static void without_backups_the_file_begins_anew(void **state)
{
	bench->limits.max_backups = 0;
	log_open();
	for (int i = 0; i < 25; i++)
		log_put(1000);
	assert_false(log_exists(0, ""));
	log_read();
	assert_in_range(bench->content_size, 1000, 10000);
	assert_log_has(bench->written - bench->content_size);
}

static void unbounded_means_one_file(void **state)
{
	bench->limits.max_size = 0;
	log_open();
	log_put(3000000);
	assert_false(log_exists(0, ""));
	assert_log_has(0);
}

static void the_next_process_goes_on(void **state)
{
	log_open();
	log_put(25000);
	log_close();
	uint64_t size = log_length(-1, "");
	log_open();
	assert_int_equal(log_writer_size(bench->writer), size);
	log_put(3000);
	assert_log_has(0);
	assert_int_equal(log_count_marks(" start "), 1);
	assert_int_equal(log_count_marks(" start 0 "), 0);
}

static bool is_compressed(int count)
{
	for (int i = 0; i < count; i++)
		if (!log_exists(i, ".zst") || log_exists(i, ""))
			return false;
	return !log_exists(-1, ".part");
}

static void rotated_files_are_compressed(void **state)
{
	struct stat st;
	bench->limits.compress = true;
	log_open();
	log_put(30000);
	log_wait(is_compressed(3));
	assert_int_equal(stat(log_name(2, ".zst"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(log_exists(2, ".idx"));
	assert_log_has(0);
	assert_int_equal(bench->troubles, 0);
}

static void what_was_left_is_compressed_by_the_next_process(void **state)
{
	log_open();
	log_put(25000);
	log_close();
	int fd = open(log_name(-1, ".part"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	fd_close(fd);
	bench->limits.compress = true;
	log_open();
	log_wait(is_compressed(2));
	assert_log_has(0);
}

static void a_failed_compression_loses_nothing(void **state)
{
	static const enum fail_call calls[] = {
		FAIL_WRITE, FAIL_FDATASYNC, FAIL_FUTIMENS, FAIL_READ};
	log_open();
	log_put(15000);
	log_close();
	bench->limits.compress = true;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fail_nth(calls[i], 1, ENOSPC);
		log_open();
		log_wait(bench->troubles == i + 1);
		assert_int_equal(bench->trouble, -ENOSPC);
		assert_false(log_exists(-1, ".part"));
		assert_false(log_exists(0, ".zst"));
		log_close();
		fail_reset();
	}
	assert_log_has(0);
	log_open();
	log_wait(is_compressed(1));
	assert_log_has(0);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Whatever fails once, nothing is lost, doubled or out of order. */
static void every_failing_call_is_survived(void **state)
{
	static const enum fail_call calls[] = {FAIL_OPENAT, FAIL_RENAMEAT, FAIL_UNLINKAT,
		FAIL_WRITEV, FAIL_WRITE, FAIL_FSTAT, FAIL_FSTATAT, FAIL_FTRUNCATE, FAIL_PREAD};
	unsigned failed = 0;
	bench->limits.max_backups = 100;
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		int n = 1, count;
		do {
			log_open();
			fail_reset();
			fail_nth(calls[c], n, EIO);
			for (int i = 0; i < 13; i++) {
				uint64_t end = bench->written + 1000;
				while (bench->written < end) {
					log_try((size_t)(end - bench->written));
					failed += bench->failure < 0;
				}
			}
			count = fail_count(calls[c]);
			fail_reset();
			log_close();
			n += 1 + count / 30;
		} while (n <= count);
	}
	assert_true(failed > 20);
	bench->limits.max_backups = 1000;
	log_read();
	assert_log_has(bench->written - bench->content_size);
	assert_true(bench->content_size > 13000);
}

static void a_full_disk_is_a_gap_and_not_the_end(void **state)
{
	log_open();
	log_put(100);
	fail_from(FAIL_WRITEV, 1, ENOSPC);
	log_try(50);
	assert_int_equal(bench->failure, -ENOSPC);
	assert_int_equal(bench->count, 0);
	struct log_status status;
	log_writer_status(bench->writer, &status);
	assert_true(status.failing);
	fail_reset();
	log_put(50);
	log_writer_status(bench->writer, &status);
	assert_false(status.failing);
	assert_int_equal(status.files, 1);
	assert_int_equal(status.bytes, 150 + log_length(-1, ".idx"));
	assert_log_has(0);
}

static void without_a_thread_a_write_fails(void **state)
{
	log_open();
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	log_try(10);
	assert_int_equal(bench->failure, -EAGAIN);
	fail_reset();
	log_put(10);
	assert_log_has(0);
	fail_from(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	log_close();
	fail_reset();
}

struct other {
	struct log_writer *writer;
	unsigned writes;
	bool closed;
};

static void other_written(void *user, size_t done, int failure)
{
	struct other *other = user;
	static char text[] = "ok\n";
	assert_int_equal(done, 3);
	if (++other->writes < 100)
		log_writer_write(other->writer, &(struct iovec){text, 3}, 1);
}

static void other_moved(void *user, uint64_t size)
{
}

static void other_trouble(void *user, int code, const char *clause)
{
}

static void other_closed(void *user)
{
	struct other *other = user;
	other->closed = true;
}

static const struct log_writer_owner other_owner = {
	other_written, other_moved, log_history, other_trouble, other_closed};

/* A disk that hangs: the call of one log does not come back. */
static void a_disk_that_hangs_holds_its_own_log_alone(void **state)
{
	struct other other = {0};
	struct log_writer_params params = log_params();
	char path[128];
	static char text[] = "ok\n";
	snprintf(path, sizeof(path), "%s/other", bench->dir);
	params.path = path;
	params.owner = &other_owner;
	params.user = &other;
	log_open();
	fail_nth(FAIL_WRITEV, 1, FAIL_BY_WAITING);
	char byte = log_byte(0);
	bench->done = false;
	log_writer_write(bench->writer, &(struct iovec){&byte, 1}, 1);
	log_wait(fail_count(FAIL_WRITEV) == 1);
	assert_int_equal(log_writer_new(&params, &other.writer, NULL), 0);
	log_writer_write(other.writer, &(struct iovec){text, 3}, 1);
	log_wait(other.writes == 100);
	assert_false(bench->done);
	fail_release();
	log_wait(bench->done);
	bench->written++;
	assert_log_has(0);
	log_writer_close(other.writer);
	log_wait(other.closed);
}

/* ... and neither does a compression that hangs hold up the writes of its own log. */
static void compression_holds_up_no_write(void **state)
{
	bench->limits.compress = true;
	log_open();
	log_put(9000);
	fail_nth(FAIL_FDATASYNC, 1, FAIL_BY_WAITING);
	log_put(4000);
	log_wait(fail_count(FAIL_FDATASYNC) == 1);
	log_put(15000);
	assert_true(log_exists(0, "") && log_exists(1, ""));
	fail_release();
	log_wait(is_compressed(2));
	assert_log_has(0);
}

/* ---- what others do -------------------------------------------------------------------------- */

static void a_deleted_file_is_made_again(void **state)
{
	log_open();
	log_put(1000);
	assert_int_equal(unlink(bench->path), 0);
	unsigned moves = bench->moves;
	log_put(500);
	assert_int_equal(bench->moves, moves + 1);
	assert_int_equal(bench->moved_size, 0);
	assert_log_has(1000);
	assert_int_equal(log_count_marks(" start 1000 "), 1);
	assert_int_equal(log_count_marks(" start 0 "), 0);
}

static void a_file_that_was_cut_has_a_new_index(void **state)
{
	log_open();
	log_put(1000);
	assert_int_equal(truncate(bench->path, 0), 0);
	log_put(500);
	assert_log_has(1000);
	assert_int_equal(log_count_marks(" start 1000 "), 1);
}

static void a_file_that_was_moved_is_written_until_reopened(void **state)
{
	char moved[128];
	log_open();
	log_put(1000);
	snprintf(moved, sizeof(moved), "%s.moved", bench->path);
	assert_int_equal(rename(bench->path, moved), 0);
	log_put(200);
	assert_false(log_exists(-1, ""));
	bench->moves = 0;
	log_writer_reopen(bench->writer);
	log_wait(bench->moves == 1);
	assert_int_equal(bench->moved_size, 0);
	log_put(300);
	assert_log_has(1200);
	struct stat st;
	assert_int_equal(stat(moved, &st), 0);
	assert_int_equal(st.st_size, 1200);
	assert_int_equal(log_count_marks(" start 1200 "), 1);
}

static void a_link_in_its_place_is_refused(void **state)
{
	char secret[128];
	snprintf(secret, sizeof(secret), "%s/secret", bench->dir);
	int fd = open(secret, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	log_open();
	log_put(10);
	assert_int_equal(unlink(bench->path), 0);
	assert_int_equal(symlink(secret, bench->path), 0);
	log_try(10);
	assert_int_equal(bench->failure, -ELOOP);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	log_writer_reopen(bench->writer);
	log_wait(bench->troubles == 1);
	assert_int_equal(bench->trouble, -ELOOP);
	assert_int_equal(unlink(bench->path), 0);
	log_put(10);
	assert_log_has(10);
	/* Nor is a FIFO waited for. */
	assert_int_equal(unlink(bench->path), 0);
	assert_int_equal(mkfifo(bench->path, 0600), 0);
	log_try(10);
	assert_int_equal(bench->failure, -EINVAL);
	assert_int_equal(unlink(bench->path), 0);
	log_put(10);
	fd_close(fd);
}

static void a_link_as_a_rotated_file_is_refused(void **state)
{
	log_open();
	log_put(9500);
	assert_int_equal(symlink("/dev/null", log_name(0, "")), 0);
	log_try(9000);
	log_try(9000);
	assert_int_equal(bench->failure, -ELOOP);
	assert_true(log_exists(0, ""));
	assert_int_equal(unlink(log_name(0, "")), 0);
	log_put(9000);
	assert_log_has(0);
}

static void a_deleted_directory_is_waited_for(void **state)
{
	char command[256];
	log_open();
	log_put(1000);
	snprintf(command, sizeof(command), "rm -r %s", bench->dir);
	assert_int_equal(system(command), 0);
	log_try(10);
	assert_int_equal(bench->failure, -ENOENT);
	log_try(10);
	assert_int_equal(bench->failure, -ENOENT);
	assert_int_equal(mkdir(bench->dir, 0700), 0);
	log_put(10);
	assert_log_has(1000);
	assert_int_equal(log_count_marks(" start 1000 "), 1);
}

static void a_directory_that_became_a_link_is_refused(void **state)
{
	char moved[96];
	log_open();
	log_put(1000);
	snprintf(moved, sizeof(moved), "%s.moved", bench->dir);
	assert_int_equal(rename(bench->dir, moved), 0);
	assert_int_equal(symlink(moved, bench->dir), 0);
	/* What is open goes on, and is rotated, where it is. */
	log_put(10000);
	assert_log_has(0);
	log_writer_reopen(bench->writer);
	log_wait(bench->troubles == 1);
	assert_int_equal(bench->trouble, -ENOTDIR);
	log_try(10);
	assert_int_equal(bench->failure, -ENOTDIR);
	assert_int_equal(unlink(bench->dir), 0);
	assert_int_equal(rename(moved, bench->dir), 0);
	log_put(10);
	assert_log_has(0);
}

/* ---- the index ------------------------------------------------------------------------------- */

static void marks_have_their_place(void **state)
{
	char line[LOG_MARK_LINE_SIZE];
	log_open();
	log_put(100);
	log_writer_event(
		bench->writer, log_writer_size(bench->writer), 1100, "connect", "some\nbody");
	log_wait(log_count_marks(" connect some?body\n") == 1);
	log_writer_gap(bench->writer, 100, 1350, 250);
	log_wait(log_count_marks(" gap 250\n") == 1);
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1350, "vm-stop", "");
	log_wait(log_count_marks(" vm-stop\n") == 1);
	assert_int_equal(log_index_line(-1, 0, line), 5);
	assert_int_equal(strncmp(line, "0 1000 ", 7), 0);
	log_index_line(-1, 1, line);
	assert_int_equal(strncmp(line, "0 1000 2", 8), 0);
	assert_int_equal(strcmp(line + strlen(line) - 2, "Z\n"), 0);
	log_index_line(-1, 3, line);
	assert_int_equal(strncmp(line, "100 1350 ", 9), 0);
}

/* The place of the only mark of that kind in the file of that number; UINT64_MAX: it has none. */
static uint64_t place_of_mark(int number, const char *what)
{
	char line[LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	uint64_t place = UINT64_MAX;
	for (unsigned i = 0; i < log_index_line(number, i, line); i++) {
		assert_true(log_mark_parse(line, strlen(line) - 1, &mark));
		if (strcmp(mark.what, what) == 0) {
			assert_true(place == UINT64_MAX);
			place = mark.offset;
		}
	}
	return place;
}

static void a_mark_waits_for_what_comes_before_it(void **state)
{
	log_open();
	log_put(100);
	log_writer_event(bench->writer, 118, 1, "connect", "a");
	log_writer_event(bench->writer, 100, 1, "connect", "b");
	log_wait(place_of_mark(-1, "connect b") == 100);
	assert_int_equal(place_of_mark(-1, "connect a"), UINT64_MAX);
	/* A write ends before the mark, so that a kill never leaves one beyond the end. */
	log_try(50);
	assert_int_equal(bench->count, 18);
	log_wait(place_of_mark(-1, "connect a") == 118);
	/* Bytes that never come: what is behind them comes earlier. */
	log_writer_event(bench->writer, 168, 1, "connect", "c");
	log_writer_event(bench->writer, 218, 1, "connect", "d");
	log_writer_gap(bench->writer, 118, 1, 70);
	log_wait(place_of_mark(-1, "connect c") == 118);
	assert_int_equal(place_of_mark(-1, "gap 70"), 118);
	log_put(40);
	log_wait(place_of_mark(-1, "connect d") == 148);
	/* Nor does anything come after the end. */
	log_writer_event(bench->writer, 1000, 1, "vm-stop", "");
	log_close();
	assert_int_equal(place_of_mark(-1, "vm-stop"), 158);
}

static void a_mark_ahead_stays_in_its_place_when_the_file_is_another(void **state)
{
	log_open();
	log_put(5000);
	uint64_t place = 5000 + 7000;
	log_writer_event(bench->writer, place, 1, "vm-stop", "");
	log_put(8000);
	log_wait(place_of_mark(-1, "vm-stop") != UINT64_MAX);
	assert_int_equal(log_length(0, "") + place_of_mark(-1, "vm-stop"), place);
	/* Cut by others, with what they have written in its place. */
	uint64_t size = log_writer_size(bench->writer);
	log_writer_event(bench->writer, size + 10, 1, "vm-start", "");
	assert_int_equal(truncate(bench->path, 3), 0);
	log_put(30);
	log_wait(place_of_mark(-1, "vm-start") != UINT64_MAX);
	assert_int_equal(place_of_mark(-1, "vm-start"), 13);
}

static void a_write_may_begin_while_marks_are_written(void **state)
{
	char bytes[30];
	struct iovec part = {bytes, sizeof(bytes)};
	log_open();
	log_put(100);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = log_byte(bench->written + i);
	fail_reset();
	fail_nth(FAIL_OPENAT, 1, FAIL_BY_WAITING);
	log_writer_event(bench->writer, 100, 1, "connect", "a");
	log_wait(fail_count(FAIL_OPENAT) == 1);
	bench->done = false;
	log_writer_write(bench->writer, &part, 1);
	fail_release();
	log_wait(bench->done);
	assert_int_equal(bench->count, sizeof(bytes));
	bench->written += sizeof(bytes);
	assert_log_has(0);
}

static void times_are_told_ten_times_a_second_at_most(void **state)
{
	log_open();
	uint64_t before = loop_now_ms(bench->loop);
	for (int i = 0; i < 500; i++)
		log_put(1);
	uint64_t passed = loop_now_ms(bench->loop) - before;
	char line[LOG_MARK_LINE_SIZE];
	assert_in_range(log_index_line(-1, 0, line), 2, 3 + passed / LOG_WRITER_TIME_MS);
	log_close();
	assert_int_equal(unlink(bench->path), 0);
	assert_int_equal(unlink(log_name(-1, ".idx")), 0);
	bench->limits.timestamps = false;
	log_open();
	log_put(10);
	assert_int_equal(log_index_line(-1, 0, line), 1);
}

static void an_index_alone_fills_a_file(void **state)
{
	log_open();
	log_put(1);
	for (int i = 0; i < 1000 && !log_exists(0, ""); i++) {
		log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "connect",
			"somebody with quite a long name");
		log_put(1);
	}
	assert_true(log_exists(0, ""));
	assert_in_range(log_length(0, ".idx"), 9000, 10000);
	assert_log_has(0);
}

static void marks_that_could_not_be_written_wait(void **state)
{
	log_open();
	log_put(100);
	fail_from(FAIL_WRITE, 1, ENOSPC);
	for (unsigned i = 1; i <= 3; i++)
		log_writer_gap(bench->writer, 100, 100 + 50 * i, 50);
	for (unsigned i = 0; i < 50; i++)
		log_writer_event(
			bench->writer, log_writer_size(bench->writer), 1, "connect", "somebody");
	for (unsigned i = 0; i < 50; i++)
		log_writer_gap(bench->writer, 101 + i, 300, 2);
	log_wait(fail_count(FAIL_WRITE) > 1);
	log_put(1);
	assert_int_equal(log_count_marks(" gap "), 0);
	fail_reset();
	log_put(1);
	char line[LOG_MARK_LINE_SIZE];
	unsigned long long missed = 0, n;
	unsigned lines = log_index_line(-1, 0, line);
	assert_in_range(lines, 3, 3 + LOG_MARKS_MAX);
	for (unsigned i = 0; i < lines; i++) {
		log_index_line(-1, i, line);
		const char *gap = strstr(line, " gap ");
		if (gap != NULL && sscanf(gap, " gap %llu", &n) == 1)
			missed += n;
	}
	assert_int_equal(missed, 150 + 100);
}

static void half_a_line_is_taken_back(void **state)
{
	log_open();
	log_put(10);
	uint64_t before = log_length(-1, ".idx");
	log_close();
	FILE *file = fopen(log_name(-1, ".idx"), "ae");
	fputs("10 20 2026-01-0", file);
	fclose(file);
	log_open();
	log_writer_event(bench->writer, log_writer_size(bench->writer), 1, "vm-start", "");
	log_wait(log_count_marks(" vm-start\n") == 1);
	assert_true(log_length(-1, ".idx") > before + 20);
	assert_int_equal(log_count_marks("2026-01-0\n"), 0);
	assert_int_equal(log_count_marks(" start "), 1);
	char line[LOG_MARK_LINE_SIZE];
	struct log_mark mark;
	for (unsigned i = 0; i < log_index_line(-1, i, line); i++)
		assert_true(log_mark_parse(line, strlen(line) - 1, &mark));
}

static int reset_and_setup(void **state)
{
	fail_reset();
	return log_setup(state);
}

#undef with_log
#define with_log(test) cmocka_unit_test_setup_teardown(test, reset_and_setup, log_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_log(files_are_rotated_by_size),
		with_log(a_long_write_fills_files_to_the_brim),
		with_log(without_backups_the_file_begins_anew),
		with_log(unbounded_means_one_file),
		with_log(the_next_process_goes_on),
		with_log(rotated_files_are_compressed),
		with_log(what_was_left_is_compressed_by_the_next_process),
		with_log(a_failed_compression_loses_nothing),
		with_log(every_failing_call_is_survived),
		with_log(a_full_disk_is_a_gap_and_not_the_end),
		with_log(without_a_thread_a_write_fails),
		with_log(a_disk_that_hangs_holds_its_own_log_alone),
		with_log(compression_holds_up_no_write),
		with_log(a_deleted_file_is_made_again),
		with_log(a_file_that_was_cut_has_a_new_index),
		with_log(a_file_that_was_moved_is_written_until_reopened),
		with_log(a_link_in_its_place_is_refused),
		with_log(a_link_as_a_rotated_file_is_refused),
		with_log(a_deleted_directory_is_waited_for),
		with_log(a_directory_that_became_a_link_is_refused),
		with_log(marks_have_their_place),
		with_log(a_mark_waits_for_what_comes_before_it),
		with_log(a_mark_ahead_stays_in_its_place_when_the_file_is_another),
		with_log(a_write_may_begin_while_marks_are_written),
		with_log(times_are_told_ten_times_a_second_at_most),
		with_log(an_index_alone_fills_a_file),
		with_log(marks_that_could_not_be_written_wait),
		with_log(half_a_line_is_taken_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
