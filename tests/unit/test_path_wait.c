/* backend/path_wait.c: waiting for a path, be it with the directories that lead there. */
#include "test.h"

#include "backend/path_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-wait-XXXXXX";
static unsigned changes;
static const char *made_meanwhile; /* by somebody else, after the next watch that fails */

/* The C library's, with somebody else at work at the worst moment. */
int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	int r = (int)syscall(SYS_inotify_add_watch, fd, path, mask);
	if (r < 0 && made_meanwhile != NULL) {
		assert_int_equal(mkdir(made_meanwhile, 0700), 0);
		made_meanwhile = NULL;
		errno = ENOENT;
	}
	return r;
}

static void on_changed(struct path_wait *wait)
{
	changes++;
}

static void turn_until_change(struct loop *loop)
{
	unsigned before = changes;
	while (changes == before) {
		struct pollfd wait = {loop_fd(loop), POLLIN, 0};
		if (poll(&wait, 1, 20000) <= 0)
			fail_msg("no change was told");
		loop_turn(loop);
	}
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* `meanwhile`: the directory comes while the wait begins; else when it has begun. */
static void wait_for_file(bool meanwhile)
{
	struct loop *loop;
	struct path_wait wait = {0};
	char inner[64], file[80];
	snprintf(inner, sizeof(inner), "%s/inner", dir);
	snprintf(file, sizeof(file), "%s/file", inner);
	assert_int_equal(loop_new(&loop), 0);
	if (meanwhile)
		made_meanwhile = inner;
	assert_int_equal(path_wait_start(&wait, loop, file, on_changed), 0);
	if (!meanwhile) {
		assert_int_equal(mkdir(inner, 0700), 0);
		turn_until_change(loop);
		assert_int_equal(path_wait_start(&wait, loop, file, on_changed), 0);
	}
	assert_null(made_meanwhile);
	make_file(file);
	turn_until_change(loop);
	path_wait_stop(&wait);
	loop_drain(loop);
	loop_free(loop);
	unlink(file);
	rmdir(inner);
}

static void a_directory_comes_first(void **state)
{
	wait_for_file(false);
}

static void a_directory_that_comes_meanwhile_hides_nothing(void **state)
{
	wait_for_file(true);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_comes_first),
		cmocka_unit_test(a_directory_that_comes_meanwhile_hides_nothing),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
