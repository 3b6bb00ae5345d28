/*
 * A log in a directory of its own, written by a log_writer on a real loop; what is on disk is read
 * by the test's own means. A test runs between log_setup() and log_teardown(), and finds everything
 * in `bench`.
 */
#ifndef CHARDEV_TEST_LOG_BENCH_H
#define CHARDEV_TEST_LOG_BENCH_H

#include "test.h"

#include "backend/log_writer.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { LOG_PATIENCE_MS = 10000, LOG_TICK_MS = 5, LOG_CONTENT_MAX = 16 * 1024 * 1024 };

struct log_bench {
	struct loop *loop;
	struct loop_timer timer;
	char dir[64];
	char path[96];
	struct log_limits limits;
	struct log_share *share;
	struct log_writer *writer;
	uint64_t written; /* bytes of the sequence that are in the log */
	bool done;
	size_t count; /* of the last write */
	int failure;
	unsigned moves;
	uint64_t moved_size;
	unsigned troubles;
	int trouble;
	bool closed;
	char *content;
	size_t content_size;
};

static struct log_bench *bench;

static inline char log_byte(uint64_t at)
{
	return (char)((at * 2654435761U) >> 11);
}

/* ---- turning the loop ------------------------------------------------------------------------ */

static inline void on_log_tick(struct loop_timer *timer)
{
	loop_stop(bench->loop);
}

/* Runs the loop until the expression, which events or other threads change, is true. */
#define log_wait(expression)                                          \
	do {                                                          \
		int waited = 0;                                       \
		while (!(expression) && waited < LOG_PATIENCE_MS) {   \
			loop_timer_start(&bench->timer, LOG_TICK_MS); \
			loop_run(bench->loop);                        \
			waited += LOG_TICK_MS;                        \
		}                                                     \
		assert_true(expression);                              \
	} while (0)

/* ---- the owner ------------------------------------------------------------------------------- */

static inline void log_written(void *user, size_t done, int failure)
{
	bench->done = true;
	bench->count = done;
	bench->failure = failure;
	loop_stop(bench->loop);
}

static inline void log_moved(void *user, uint64_t size)
{
	bench->moves++;
	bench->moved_size = size;
}

static inline uint64_t log_history(void *user)
{
	return 1000 + bench->written;
}

static inline void log_trouble(void *user, int code, const char *clause)
{
	assert_true(code < 0 && clause[0] != '\0');
	bench->troubles++;
	bench->trouble = code;
}

static inline void log_closed(void *user)
{
	bench->closed = true;
	loop_stop(bench->loop);
}

static const struct log_writer_owner log_owner = {
	.written = log_written,
	.moved = log_moved,
	.history = log_history,
	.trouble = log_trouble,
	.closed = log_closed,
};

static inline struct log_writer_params log_params(void)
{
	return (struct log_writer_params){
		.loop = bench->loop,
		.path = bench->path,
		.limits = bench->limits,
		.append = true,
		.epoch = 0xabc,
		.share = bench->share,
		.owner = &log_owner,
	};
}

static inline void log_open(void)
{
	struct error err = {0};
	struct log_writer_params params = log_params();
	if (log_writer_new(&params, &bench->writer, &err) < 0)
		fail_msg("%s", err.message);
}

static inline void log_close(void)
{
	if (bench->writer == NULL)
		return;
	bench->closed = false;
	log_writer_close(bench->writer);
	log_wait(bench->closed);
	bench->writer = NULL;
}

/* One write of the next n bytes of the sequence; what came of it is in the bench. */
static inline void log_try(size_t n)
{
	char *bytes = malloc(n);
	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = log_byte(bench->written + i);
	struct iovec parts[2] = {{bytes, n / 3}, {bytes + n / 3, n - n / 3}};
	bench->done = false;
	log_writer_write(bench->writer, parts, 2);
	log_wait(bench->done);
	bench->written += bench->count;
	free(bytes);
}

static inline void log_put(size_t n)
{
	for (uint64_t end = bench->written + n; bench->written < end;) {
		log_try((size_t)(end - bench->written));
		assert_int_equal(bench->failure, 0);
	}
}

/* ---- the disk -------------------------------------------------------------------------------- */

static inline const char *log_name(int number, const char *suffix)
{
	static char names[8][160];
	static unsigned next;
	char *name = names[next++ % 8];
	if (number < 0)
		snprintf(name, sizeof(names[0]), "%s%s", bench->path, suffix);
	else
		snprintf(name, sizeof(names[0]), "%s.%d%s", bench->path, number, suffix);
	return name;
}

static inline bool log_exists(int number, const char *suffix)
{
	struct stat st;
	return lstat(log_name(number, suffix), &st) == 0;
}

static inline uint64_t log_length(int number, const char *suffix)
{
	struct stat st;
	return stat(log_name(number, suffix), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Adds what the file has; returns how much, SIZE_MAX: there is no such file. */
static inline size_t log_add_file(const char *path, bool compressed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return SIZE_MAX;
	assert_int_equal(fstat(fd, &st), 0);
	char *bytes = malloc((size_t)st.st_size + 1);
	ssize_t n = read(fd, bytes, (size_t)st.st_size);
	assert_int_equal(n, st.st_size);
	fd_close(fd);
	char *to = bench->content + bench->content_size;
	size_t room = LOG_CONTENT_MAX - bench->content_size, size = (size_t)n;
	if (compressed) {
		size = ZSTD_decompress(to, room, bytes, (size_t)n);
		assert_false(ZSTD_isError(size));
	} else {
		assert_true(size <= room);
		memcpy(to, bytes, size);
	}
	free(bytes);
	bench->content_size += size;
	return size;
}

/* All files, the oldest first. */
static inline void log_read(void)
{
	bench->content_size = 0;
	for (int i = 1000; i >= -1; i--)
		if (log_add_file(log_name(i, ""), false) == SIZE_MAX && i >= 0)
			log_add_file(log_name(i, ".zst"), true);
}

/* What is on disk is the end of the sequence, from `first` on. */
static inline void assert_log_has(uint64_t first)
{
	log_read();
	assert_int_equal(bench->content_size, bench->written - first);
	for (size_t i = 0; i < bench->content_size; i++)
		if (bench->content[i] != log_byte(first + i))
			fail_msg("byte %zu is wrong", i);
}

/* The n-th line of an index, and the number of lines. */
static inline unsigned log_index_line(int number, unsigned wanted, char line[LOG_MARK_LINE_SIZE])
{
	unsigned lines = 0;
	char text[LOG_MARK_LINE_SIZE];
	FILE *file = fopen(log_name(number, ".idx"), "re");
	line[0] = '\0';
	while (file != NULL && fgets(text, sizeof(text), file) != NULL)
		if (lines++ == wanted)
			strcpy(line, text);
	if (file != NULL)
		fclose(file);
	return lines;
}

/* How many lines of FILE's index have this in them. */
static inline unsigned log_count_marks(const char *what)
{
	char line[LOG_MARK_LINE_SIZE];
	unsigned count = 0;
	for (unsigned i = 0; i < log_index_line(-1, i, line); i++)
		count += strstr(line, what) != NULL;
	return count;
}

/* ---- before and after ------------------------------------------------------------------------ */

static inline int log_setup(void **state)
{
	bench = calloc(1, sizeof(*bench));
	bench->content = malloc(LOG_CONTENT_MAX);
	snprintf(bench->dir, sizeof(bench->dir), "/tmp/chardev-log-XXXXXX");
	assert_non_null(mkdtemp(bench->dir));
	snprintf(bench->path, sizeof(bench->path), "%s/log", bench->dir);
	bench->limits = (struct log_limits){
		.max_size = 10000, .max_backups = 3, .compress = false, .timestamps = true};
	assert_int_equal(loop_new(&bench->loop), 0);
	loop_timer_init(&bench->timer, bench->loop, on_log_tick);
	return 0;
}

static inline int log_teardown(void **state)
{
	char command[192];
	log_close();
	loop_timer_close(&bench->timer, NULL);
	loop_drain(bench->loop);
	loop_free(bench->loop);
	snprintf(command, sizeof(command), "rm -rf %s %s.moved", bench->dir, bench->dir);
	int code = system(command);
	free(bench->content);
	free(bench);
	return code;
}

#define with_log(test) cmocka_unit_test_setup_teardown(test, log_setup, log_teardown)

#endif
