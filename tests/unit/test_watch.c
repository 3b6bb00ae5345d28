/* loop/watch.c: path watches that share an inode, that end each other, and that the kernel ends. */
#include "test.h"

#include "fail.h"
#include "loop/loop.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct counted {
	struct loop_watch watch;
	int calls;
	uint32_t mask; /* all that came */
	char name[64];
	struct counted *ends;   /* ended in the callback */
	struct counted *begins; /* begun in the callback, on `path` */
	bool stops;
};

static struct loop *loop;
static char directory[64];
static char path[96];

static int setup(void **state)
{
	fail_reset();
	strcpy(directory, "/tmp/chardev-watch-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop = loop_free(loop);
	unlink(path);
	return rmdir(directory);
}

static void on_changed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct counted *counted = container_of(watch, struct counted, watch);
	counted->calls++;
	counted->mask |= mask;
	snprintf(counted->name, sizeof(counted->name), "%s", name != NULL ? name : "(none)");
	if (counted->ends != NULL)
		loop_watch_fini(&counted->ends->watch);
	if (counted->begins != NULL && counted->begins->watch.loop == NULL)
		assert_int_equal(loop_watch_init(&counted->begins->watch, loop, path, IN_ALL_EVENTS,
					 on_changed),
			0);
	loop_stop(loop);
}

static void begin(struct counted *counted, const char *where, uint32_t mask)
{
	*counted = (struct counted){0};
	assert_int_equal(loop_watch_init(&counted->watch, loop, where, mask, on_changed), 0);
}

static void touch(void)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		loop_turn(loop);
}

static void a_file_and_a_directory(void **state)
{
	struct counted file, around;
	begin(&file, path, IN_MODIFY);
	begin(&around, directory, IN_OPEN | IN_MODIFY | IN_CREATE);
	touch();
	loop_run(loop);
	assert_int_equal(file.calls, 1);
	assert_int_equal(file.mask, IN_MODIFY);
	assert_string_equal(file.name, "(none)");
	assert_int_equal(around.calls, 2);
	assert_int_equal(around.mask, IN_OPEN | IN_MODIFY);
	assert_string_equal(around.name, "file");
	loop_watch_fini(&file.watch);
	loop_watch_fini(&around.watch);
	loop_watch_fini(&around.watch); /* is ignored */
	touch();
	turn();
	assert_int_equal(file.calls + around.calls, 3);
}

/* What a guest port and a pty backend live on. */
static void opening_a_fifo_is_told(void **state)
{
	struct counted fifo;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	begin(&fifo, path, IN_OPEN);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	loop_run(loop);
	assert_int_equal(fifo.mask, IN_OPEN);
	loop_watch_fini(&fifo.watch);
	close(fd);
}

static void watches_of_one_inode_are_told_apart(void **state)
{
	char second[128];
	struct counted opened, closed, linked;
	snprintf(second, sizeof(second), "%s/second", directory);
	assert_int_equal(link(path, second), 0);
	begin(&opened, path, IN_OPEN);
	begin(&closed, path, IN_CLOSE_WRITE);
	begin(&linked, second, IN_MODIFY);
	assert_int_equal(opened.watch.descriptor, linked.watch.descriptor);
	touch();
	loop_run(loop);
	assert_int_equal(opened.mask, IN_OPEN);
	assert_int_equal(closed.mask, IN_CLOSE_WRITE);
	assert_int_equal(linked.mask, IN_MODIFY);
	loop_watch_fini(&opened.watch);
	touch();
	loop_run(loop);
	assert_int_equal(opened.calls, 1);
	assert_int_equal(closed.calls, 2);
	loop_watch_fini(&closed.watch);
	loop_watch_fini(&linked.watch);
	/* The last one took the kernel's watch with it: nobody is woken any more. */
	turn();
	touch();
	uint64_t before = loop_wakeups(loop);
	loop_turn(loop);
	assert_int_equal(loop_wakeups(loop) - before, 1);
	struct counted again;
	begin(&again, path, IN_OPEN);
	assert_int_not_equal(again.watch.descriptor, opened.watch.descriptor);
	loop_watch_fini(&again.watch);
	unlink(second);
}

/* Of three on one inode each ends one, itself or another: whoever is told first decides. */
static void a_callback_may_end_any_watch(void **state)
{
	for (int shift = 0; shift < 3; shift++) {
		struct counted watches[3];
		for (int i = 0; i < 3; i++)
			begin(&watches[i], path, IN_OPEN | IN_CLOSE);
		for (int i = 0; i < 3; i++)
			watches[i].ends = &watches[(i + shift) % 3];
		touch();
		loop_run(loop);
		turn();
		int calls = 0;
		for (int i = 0; i < 3; i++)
			calls += watches[i].calls;
		/*
		 * Two events. 0: each ends itself at the first. 1: the first watch ends the second
		 * and the third the first; the third alone is told of both. 2: likewise, mirrored.
		 */
		assert_int_equal(calls, 3);
		for (int i = 0; i < 3; i++)
			loop_watch_fini(&watches[i].watch);
	}
}

static void a_watch_begun_in_a_callback_is_not_told_of_it(void **state)
{
	struct counted first, second = {0};
	begin(&first, path, IN_CLOSE_WRITE);
	first.begins = &second;
	touch();
	loop_run(loop);
	assert_int_equal(second.calls, 0);
	touch();
	loop_run(loop);
	assert_int_equal(second.mask, IN_OPEN | IN_MODIFY | IN_CLOSE_WRITE);
	loop_watch_fini(&first.watch);
	loop_watch_fini(&second.watch);
}

static void the_kernel_ends_a_watch(void **state)
{
	struct counted first, second;
	begin(&first, path, IN_OPEN);
	begin(&second, path, IN_CLOSE);
	unlink(path);
	loop_run(loop);
	assert_int_equal(first.mask, IN_IGNORED);
	assert_int_equal(second.mask, IN_IGNORED);
	assert_int_equal(first.watch.descriptor, -1);
	loop_watch_fini(&first.watch);
	/* The same name again is another inode, and another watch. */
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	begin(&first, path, IN_OPEN);
	touch();
	loop_run(loop);
	assert_int_equal(first.mask, IN_OPEN);
	assert_int_equal(second.calls, 1);
	loop_watch_fini(&first.watch);
	loop_watch_fini(&second.watch);
}

static void an_overflow_is_told_to_all(void **state)
{
	struct counted file, around;
	int limit = 0;
	FILE *setting = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	if (setting == NULL || fscanf(setting, "%d", &limit) != 1 || limit > 100000) {
		print_message("skipped: the queue's limit is %d events\n", limit);
		skip();
	}
	fclose(setting);
	begin(&file, path, IN_OPEN | IN_CLOSE);
	begin(&around, directory, IN_DELETE_SELF);
	for (int i = 0; i <= limit / 2 + 1; i++)
		close(open(path, O_RDONLY | O_CLOEXEC));
	while (around.calls == 0)
		loop_run(loop);
	assert_int_equal(around.mask, IN_Q_OVERFLOW);
	assert_true(file.mask & IN_Q_OVERFLOW);
	loop_watch_fini(&file.watch);
	loop_watch_fini(&around.watch);
}

enum { MANY = 1000 };

static void many_watches(void **state)
{
	struct counted *watches = test_calloc(MANY, sizeof(*watches));
	char name[128];
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%s/%d", directory, i);
		assert_int_equal(mkdir(name, 0700), 0);
		begin(&watches[i], name, IN_DELETE_SELF);
		watches[i].ends = &watches[i];
	}
	for (int i = MANY - 1; i >= 0; i--) {
		snprintf(name, sizeof(name), "%s/%d", directory, i);
		assert_int_equal(rmdir(name), 0);
	}
	for (int i = 0; i < MANY; i++) {
		while (watches[i].calls == 0)
			loop_run(loop);
		assert_int_equal(watches[i].mask, IN_DELETE_SELF);
	}
	turn();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(watches[i].calls, 1);
	test_free(watches);
}

static void what_cannot_be_watched(void **state)
{
	struct counted counted = {0};
	struct loop_watch *watch = &counted.watch;
	assert_int_equal(
		loop_watch_init(watch, loop, path, IN_OPEN | IN_ONESHOT, on_changed), -EINVAL);
	fail_nth(FAIL_CALLOC, 1, ENOMEM);
	assert_int_equal(loop_watch_init(watch, loop, path, IN_OPEN, on_changed), -ENOMEM);
	fail_nth(FAIL_INOTIFY_INIT1, 1, EMFILE);
	assert_int_equal(loop_watch_init(watch, loop, path, IN_OPEN, on_changed), -EMFILE);
	fail_nth(FAIL_INOTIFY_ADD_WATCH, 1, ENOSPC);
	assert_int_equal(loop_watch_init(watch, loop, path, IN_OPEN, on_changed), -ENOSPC);
	assert_int_equal(
		loop_watch_init(watch, loop, "/nonexistent", IN_OPEN, on_changed), -ENOENT);
	loop_watch_fini(watch); /* still zeroed */
	begin(&counted, path, IN_OPEN);
	fail_nth(FAIL_READ, 1, EINTR);
	touch();
	while (counted.calls == 0)
		loop_run(loop);
	loop_watch_fini(watch);
}

#define watch_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_test(a_file_and_a_directory),
		watch_test(opening_a_fifo_is_told),
		watch_test(watches_of_one_inode_are_told_apart),
		watch_test(a_callback_may_end_any_watch),
		watch_test(a_watch_begun_in_a_callback_is_not_told_of_it),
		watch_test(the_kernel_ends_a_watch),
		watch_test(an_overflow_is_told_to_all),
		watch_test(many_watches),
		watch_test(what_cannot_be_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
