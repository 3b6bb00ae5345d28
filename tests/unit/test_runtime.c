/* device/runtime.c: names on disk, the lock, atomic writes, and nothing left behind. */
#include "test.h"

#include "device/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	char top[64];
	char run[96];
	char log[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	strcpy(place->top, "/tmp/test_runtime.XXXXXX");
	if (mkdtemp(place->top) == NULL)
		return -1;
	snprintf(place->run, sizeof place->run, "%s/run", place->top);
	snprintf(place->log, sizeof place->log, "%s/log", place->top);
	*state = place;
	return 0;
}

/* The directory must be empty by now: that is half of what is tested here. */
static int tear_down(void **state)
{
	struct place *place = *state;
	int failed = rmdir(place->top);
	free(place);
	return failed;
}

static bool exists(const struct runtime *runtime, const char *leaf)
{
	char path[RUNTIME_PATH_SIZE + 64];
	snprintf(path, sizeof path, "%s/%s", runtime->dir, leaf);
	return access(path, F_OK) == 0;
}

static void touch(const struct runtime *runtime, const char *leaf)
{
	char path[RUNTIME_PATH_SIZE + 64];
	snprintf(path, sizeof path, "%s/%s", runtime->dir, leaf);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
}

static void names_that_are_safe_stay(void **state)
{
	static const char *const names[] = {
		"demo", "a", "web-1.example+x@y:2", "1234567890123456789012345678901234567890"};
	char name[RUNTIME_NAME_SIZE];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		runtime_name(names[i], name);
		assert_string_equal(name, names[i]);
	}
}

static void names_that_are_not_become_prefix_and_hash(void **state)
{
	static const struct {
		const char *name, *prefix;
	} rows[] = {
		{"..", "_.~"},
		{".hidden", "_hidden~"},
		{"-rf", "_rf~"},
		{"a/b", "a_b~"},
		{"a b", "a_b~"},
		{"caf\xc3\xa9", "caf__~"},
		{"", "~"},
		{"x~0123456789abcdef", "x_0123456789abcdef~"},
		{"12345678901234567890123456789012345678901", "12345678901234567890123~"},
	};
	char name[RUNTIME_NAME_SIZE], other[RUNTIME_NAME_SIZE];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].prefix);
		runtime_name(rows[i].name, name);
		assert_memory_equal(name, rows[i].prefix, n);
		assert_int_equal(strlen(name), n + 16);
		assert_int_equal(strspn(name + n, "0123456789abcdef"), 16);
		assert_true(strlen(name) <= RUNTIME_NAME_MAX_PLAIN);
	}
	runtime_name("a/b", name);
	runtime_name("a\\b", other);
	assert_string_not_equal(name, other);
}

static void everything_made_is_removed(void **state)
{
	struct place *place = *state;
	struct runtime runtime;
	struct error err = {0};
	struct stat st;
	assert_int_equal(runtime_open(&runtime, "vm", place->run, place->log, &err), 0);
	assert_int_equal(stat(runtime.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(place->log, &st), 0);

	assert_int_equal(runtime_write(&runtime, "live.xml", "one", &err), 0);
	assert_int_equal(runtime_write(&runtime, "live.xml", "second", &err), 0);
	char path[RUNTIME_PATH_SIZE], text[16] = "";
	assert_int_equal(runtime_path(&runtime, "live.xml", path, sizeof path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	FILE *file = fopen(path, "r");
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	assert_string_equal(text, "second");
	assert_false(exists(&runtime, ".live.xml.new"));

	runtime_sweep(&runtime);
	runtime_close(&runtime);
	assert_int_equal(access(place->run, F_OK), -1);
	assert_int_equal(access(place->log, F_OK), -1);
}

static void what_was_there_before_stays(void **state)
{
	struct place *place = *state;
	struct runtime runtime;
	struct error err = {0};
	assert_int_equal(mkdir(place->run, 0700), 0);
	assert_int_equal(mkdir(place->log, 0700), 0);
	assert_int_equal(runtime_open(&runtime, "vm", place->run, place->log, &err), 0);
	runtime_close(&runtime);
	assert_int_equal(access(runtime.dir, F_OK), -1);
	assert_int_equal(rmdir(place->run), 0);
	assert_int_equal(rmdir(place->log), 0);
}

/* Serves the domain in another process until it is killed; tells through *ret_pid. */
static void serve_elsewhere(const struct place *place, pid_t *ret_pid)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct runtime theirs;
		if (runtime_open(&theirs, "vm", place->run, place->log, NULL) == 0)
			touch(&theirs, "gone.in"), touch(&theirs, "gone.guest");
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	*ret_pid = pid;
}

static void a_living_process_is_named_a_dead_one_replaced(void **state)
{
	struct place *place = *state;
	struct runtime runtime;
	struct error err = {0};
	char expected[32];
	pid_t pid;
	serve_elsewhere(place, &pid);

	assert_int_equal(runtime_open(&runtime, "vm", place->run, place->log, &err), -EBUSY);
	snprintf(expected, sizeof expected, "process %d ", (int)pid);
	assert_non_null(strstr(err.message, expected));
	runtime_close(&runtime); /* of one that never opened: harmless */

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(runtime_open(&runtime, "vm", place->run, place->log, &err), 0);
	assert_true(exists(&runtime, "gone.in"));
	touch(&runtime, "state");
	touch(&runtime, "control.sock");
	touch(&runtime, "kept.txt");
	runtime_sweep(&runtime);
	assert_false(exists(&runtime, "gone.in"));
	assert_false(exists(&runtime, "gone.guest"));
	assert_false(exists(&runtime, "state"));
	assert_false(exists(&runtime, "control.sock"));
	assert_true(exists(&runtime, "lock"));
	assert_true(exists(&runtime, "kept.txt")); /* not ours: neither is the directory then */

	char path[RUNTIME_PATH_SIZE];
	assert_int_equal(runtime_path(&runtime, "kept.txt", path, sizeof path), 0);
	runtime_close(&runtime);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(runtime.dir), 0);
	assert_int_equal(rmdir(place->run), 0); /* the killed process had made these */
	assert_int_equal(rmdir(place->log), 0);
}

static void a_foreign_file_in_the_way_is_refused(void **state)
{
	struct place *place = *state;
	struct runtime runtime;
	struct error err = {0};
	char path[RUNTIME_PATH_SIZE];
	assert_int_equal(mkdir(place->run, 0700), 0);
	snprintf(path, sizeof path, "%s/vm", place->run);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(runtime_open(&runtime, "vm", place->run, place->log, &err), -EPERM);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(place->run), 0);
}

static void a_name_too_long_is_a_sentence(void **state)
{
	struct place *place = *state;
	struct runtime runtime;
	struct error err = {0};
	char deep[RUNTIME_PATH_SIZE * 2];
	memset(deep, 'x', sizeof deep);
	deep[0] = '/';
	deep[sizeof deep - 1] = '\0';
	assert_int_equal(runtime_open(&runtime, "vm", deep, place->log, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.message, "too long a name"));
	deep[RUNTIME_PATH_SIZE - 2] = '\0'; /* fits alone, not with the domain's name */
	assert_int_equal(runtime_open(&runtime, "vm", deep, place->log, &err), -ENAMETOOLONG);
	assert_int_equal(runtime_open(&runtime, "vm", place->run, "/proc/no/such", &err), -ENOENT);
	assert_non_null(strstr(err.message, "/proc/no/such"));
	assert_int_equal(access(place->run, F_OK), -1);
}

static void the_directories_follow_the_environment(void **state)
{
	char path[RUNTIME_PATH_SIZE];
	struct error err = {0};
	bool root = geteuid() == 0;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("HOME", "/home/me", 1);
	unsetenv("XDG_STATE_HOME");
	assert_int_equal(runtime_default_dir(path, sizeof path, &err), 0);
	assert_string_equal(path, root ? "/run/chardev" : "/run/user/7/chardev");
	assert_int_equal(runtime_default_log_dir(path, sizeof path, &err), 0);
	assert_string_equal(path, root ? "/var/log/chardev" : "/home/me/.local/state/chardev");
	if (root) /* the rest as a user who has no such variables */
		assert_int_equal(seteuid(65534), 0);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(runtime_default_dir(path, sizeof path, &err), -ENOENT);
	assert_non_null(strstr(err.message, "--runtime-dir"));
	setenv("XDG_STATE_HOME", "/home/me/s", 1);
	assert_int_equal(runtime_default_log_dir(path, sizeof path, &err), 0);
	assert_string_equal(path, "/home/me/s/chardev");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_safe_stay),
		cmocka_unit_test(names_that_are_not_become_prefix_and_hash),
		cmocka_unit_test_setup_teardown(everything_made_is_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_there_before_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_living_process_is_named_a_dead_one_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_foreign_file_in_the_way_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_too_long_is_a_sentence, set_up, tear_down),
		cmocka_unit_test(the_directories_follow_the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
