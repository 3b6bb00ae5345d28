/*
 * device_log.c: the raw log and a kill. A process writes a log with rotation and is killed at every
 * call that touches the disk, one after the other; its successor goes on. Whatever it was, each
 * byte of the guest's output is in the log's files exactly once and in order.
 */
#include "device_bench.h"
#include "fail.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zstd.h>

enum { FILE_SIZE = 4096, PIECES = 14, PIECE_SIZE = 1000, FILES_MAX = 50 };

/* What outlives a process. */
static struct state_slot *slot;
static char dir[64];
static char log_path[96];

static int make_place(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/chardev-killed-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return slot == MAP_FAILED ? -1 : 0;
}

static void empty_place(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -f %s/*", dir);
	assert_int_equal(system(command), 0);
	*slot = (struct state_slot){.epoch = 17};
}

static int remove_place(void **state)
{
	empty_place();
	munmap(slot, sizeof(*slot));
	return rmdir(dir);
}

static bool log_is_complete(void)
{
	struct reader_status log;
	return device_readers(bench->device, &log, 1) == 1 && !log.behind;
}

static void begin_device(bool found, bool compress)
{
	void *state;
	setup(&state);
	struct error err = {0};
	bench->config.extensions.log.max_size = FILE_SIZE;
	bench->config.extensions.log.max_size_set = true;
	bench->config.extensions.log.max_backups = FILES_MAX;
	bench->config.extensions.log.compress = compress ? TRISTATE_YES : TRISTATE_NO;
	bench->config.log.file = log_path;
	bench->written = slot->head;
	struct device_params params = {
		.loop = bench->loop,
		.config = &bench->config,
		.slot = slot,
		.slot_found = found,
		.ring_dir = dir,
		.listener = &listener,
	};
	assert_int_equal(device_open(&params, &bench->device, &err), 0);
	bench->guest_stream = fake_new();
	bench->guest.params.sink->stream(bench->guest.params.device, &bench->guest_stream->base);
	bench->guest.params.sink->present(bench->guest.params.device, true);
}

static void end_device(void)
{
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, true);
	turn_until(is_closed);
	loop_drain(bench->loop);
}

/* Serves the device, for `pieces` of output, from where the slot says. */
static void serve(bool found, bool compress, int pieces)
{
	begin_device(found, compress);
	for (int i = 0; i < pieces; i++) {
		guest_writes(PIECE_SIZE);
		turn_until(log_is_complete);
	}
	end_device();
}

/* In a process of its own; true: it came to its end. */
static bool serve_until_killed(enum fail_call call, int n, int how, bool compress)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fail_reset();
		fail_nth(call, n, how);
		serve(false, compress, PIECES);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFEXITED(status);
}

static void serve_again(bool compress)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		fail_reset();
		serve(true, compress, 6);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t add_file(const char *path, bool compressed, unsigned char *content, size_t at)
{
	enum { MAX = 64 * 1024 };
	static char bytes[MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return at;
	ssize_t n = read(fd, bytes, sizeof(bytes));
	assert_true(n >= 0);
	close(fd);
	if (!compressed) {
		memcpy(content + at, bytes, (size_t)n);
		return at + (size_t)n;
	}
	size_t size = ZSTD_decompress(content + at, MAX, bytes, (size_t)n);
	assert_false(ZSTD_isError(size));
	return at + size;
}

static void assert_log_is_whole(int n)
{
	static unsigned char content[1024 * 1024];
	size_t size = 0;
	for (int i = FILES_MAX; i >= -1; i--) {
		char path[160];
		snprintf(path, sizeof(path), "%s.%d", log_path, i);
		struct stat st;
		bool is_plain = stat(path, &st) == 0;
		if (!is_plain && i >= 0) {
			strcat(path, ".zst");
			size = add_file(path, true, content, size);
		} else {
			size = add_file(i < 0 ? log_path : path, false, content, size);
		}
	}
	if (size != slot->head)
		fail_msg(
			"killed at %d: %zu of %llu bytes", n, size, (unsigned long long)slot->head);
	for (size_t i = 0; i < size; i++)
		if (content[i] != sequence(i))
			fail_msg("killed at %d: byte %zu is wrong", n, i);
}

static void kill_everywhere(enum fail_call call, int how, bool compress, int step)
{
	bool ended = false;
	int n = 1;
	for (; !ended; n += step) {
		empty_place();
		ended = serve_until_killed(call, n, how, compress);
		serve_again(compress);
		assert_log_is_whole(n);
	}
	assert_true(n > 3 * step || call == FAIL_FDATASYNC);
}

static void a_kill_at_any_rename_loses_and_doubles_nothing(void **state)
{
	kill_everywhere(FAIL_RENAMEAT, FAIL_BY_KILL, false, 1);
}

static void a_kill_at_any_opening_loses_and_doubles_nothing(void **state)
{
	kill_everywhere(FAIL_OPENAT, FAIL_BY_KILL, false, 2);
}

static void a_kill_at_any_write_loses_and_doubles_nothing(void **state)
{
	kill_everywhere(FAIL_WRITEV, FAIL_BY_KILL, false, 1);
	/* The bytes are in the file, and nobody has noted it. */
	kill_everywhere(FAIL_WRITEV, FAIL_BY_KILL_AFTER, false, 1);
	kill_everywhere(FAIL_WRITE, FAIL_BY_KILL, false, 1);
}

static void a_kill_while_compressing_loses_and_doubles_nothing(void **state)
{
	kill_everywhere(FAIL_RENAMEAT, FAIL_BY_KILL, true, 2);
	kill_everywhere(FAIL_UNLINKAT, FAIL_BY_KILL, true, 1);
	kill_everywhere(FAIL_FDATASYNC, FAIL_BY_KILL, true, 1);
}

/* ---- places in the index --------------------------------------------------------------------- */

/* In the places that the index tells for that mark, in the file and in the history. */
static void assert_mark_at(
	const char *what, unsigned long long log_offset, unsigned long long history)
{
	char path[160], line[256];
	unsigned long long places[2];
	snprintf(path, sizeof(path), "%s.idx", log_path);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	bool found = false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, what) != NULL;
	fclose(file);
	assert_true(found);
	assert_int_equal(sscanf(line, "%llu %llu ", &places[0], &places[1]), 2);
	assert_int_equal(places[0], log_offset);
	assert_int_equal(places[1], history);
}

/* The guest goes in the same turn as its last bytes come: they are in no file yet. */
static void an_event_stands_behind_the_output_before_it(void **state)
{
	empty_place();
	begin_device(false, false);
	guest_writes(18);
	end_device();
	void *state_of_bench = bench;
	teardown(&state_of_bench);
	assert_mark_at(" vm-start", 0, 0);
	assert_mark_at(" vm-stop", 18, 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_stands_behind_the_output_before_it),
		cmocka_unit_test(a_kill_at_any_rename_loses_and_doubles_nothing),
		cmocka_unit_test(a_kill_at_any_opening_loses_and_doubles_nothing),
		cmocka_unit_test(a_kill_at_any_write_loses_and_doubles_nothing),
		cmocka_unit_test(a_kill_while_compressing_loses_and_doubles_nothing),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
