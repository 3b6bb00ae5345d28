/* The backend pipe: FIFOs made, found and refused; readers that come and go; nothing lost. */
#include "fake_device.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";
static char base_path[64], in_path[68], out_path[68];

static int make_dir(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(base_path, sizeof(base_path), "%s/pipe", dir);
	snprintf(in_path, sizeof(in_path), "%s.in", base_path);
	snprintf(out_path, sizeof(out_path), "%s.out", base_path);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int remove_files(void **state)
{
	unlink(in_path);
	unlink(out_path);
	unlink(base_path);
	return 0;
}

static int open_pipe(struct fake_device *device, struct error *err)
{
	fake_init(device, DEVICE_SERIAL, SOURCE_PIPE);
	device->config.source.u.pipe.path = base_path;
	return fake_open(device, err);
}

static void begin(struct fake_device *device)
{
	struct error err = {0};
	if (open_pipe(device, &err) != 0)
		fail_msg("%s", err.message);
	fake_settle(device);
}

static bool is_fifo(const char *path, mode_t mode)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == mode;
}

static bool is_absent(const char *path)
{
	struct stat st;
	return lstat(path, &st) < 0 && errno == ENOENT;
}

static int open_reader(void)
{
	int fd = open(out_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static size_t fill(struct fake_peer *peer)
{
	static char text[4096];
	memset(text, 'o', sizeof(text) - 1);
	size_t total = 0;
	for (ssize_t n; (n = fake_write(peer, text)) != 0; total += (size_t)n)
		assert_true(n > 0);
	return total;
}

static void missing_fifos_are_made_and_removed(void **state)
{
	struct fake_device device;
	struct backend_description text;
	umask(022);
	begin(&device);
	assert_true(is_fifo(in_path, 0600));
	assert_true(is_fifo(out_path, 0600));
	assert_true(is_absent(base_path));
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, out_path));
	assert_int_equal(strncmp(text.command, "cat ", 4), 0);
	fake_fini(&device);
	assert_true(is_absent(in_path));
	assert_true(is_absent(out_path));
}

static void found_or_replaced_fifos_stay(void **state)
{
	struct fake_device device;
	assert_int_equal(mkfifo(in_path, 0640), 0);
	assert_int_equal(mkfifo(out_path, 0640), 0);
	begin(&device);
	fake_fini(&device);
	assert_true(is_fifo(in_path, 0640 & ~022));
	assert_true(is_fifo(out_path, 0640 & ~022));
	remove_files(NULL);

	begin(&device);
	char moved[80];
	snprintf(
		moved, sizeof(moved), "%s.kept", in_path); /* so that its inode is not used again */
	assert_int_equal(rename(in_path, moved), 0);
	assert_int_equal(mkfifo(in_path, 0600), 0);
	fake_fini(&device);
	assert_true(is_fifo(in_path, 0600));
	assert_true(is_absent(out_path));
}

static void input_comes_without_anybody_waiting(void **state)
{
	struct fake_device device;
	begin(&device);
	assert_int_equal(device.peer_count, 1);
	struct fake_peer *input = &device.peers[0];
	assert_true(input->no_output);
	assert_false(input->no_input);
	for (int i = 0; i < 3; i++) { /* writers come and go, and it never ends */
		int fd = open(in_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, "key", 3), 3);
		fd_close(fd);
		fake_wait(&device, input->input_size == (size_t)(i + 1) * 3);
	}
	assert_string_equal(input->input, "keykeykey");
	assert_false(input->input_ended || input->gone);
	fake_fini(&device);
}

static void a_reader_is_a_peer(void **state)
{
	struct fake_device device;
	char text[32] = "";
	begin(&device);
	assert_int_equal(device.state, BACKEND_LISTENING);
	int fd = open_reader();
	fake_wait(&device, device.peer_count == 2);
	struct fake_peer *reader = &device.peers[1];
	assert_int_equal(reader->kind, PEER_CLIENT);
	assert_true(reader->no_input);
	assert_int_equal(device.state, BACKEND_CONNECTED);
	assert_int_equal(fake_write(reader, "boot"), 4);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "boot");
	fd_close(fd);
	fake_wait(&device, reader->gone);
	fake_wait(&device, device.state == BACKEND_LISTENING);
	fake_settle(&device);
	assert_int_equal(device.peer_count, 2);
	fake_fini(&device);
}

static void a_leaving_reader_loses_nothing_and_raises_no_signal(void **state)
{
	struct fake_device device;
	begin(&device);
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR); /* it would end this test */
	int fd = open_reader();
	fake_wait(&device, device.peer_count == 2);
	size_t sent = fill(&device.peers[1]);
	char some[1000];
	assert_int_equal(read(fd, some, sizeof(some)), sizeof(some));
	size_t got = sizeof(some);
	fd_close(fd);
	assert_true(fake_write(&device.peers[1], "to nobody") <= 0);
	fake_wait(&device, device.peers[1].gone);
	assert_int_equal(device.peers[1].unsent, 0); /* it waits in the FIFO */
	fd = open_reader();
	fake_wait(&device, device.peer_count == 3);
	for (ssize_t n; (n = read(fd, some, sizeof(some))) > 0; got += (size_t)n)
		assert_memory_equal(some, "ooooo", 5);
	assert_int_equal(got, sent);
	assert_int_equal(fake_write(&device.peers[2], "next"), 4);
	assert_int_equal(read(fd, some, sizeof(some)), 4);
	fd_close(fd);
	fake_fini(&device);
}

static void a_reader_that_was_there_first_is_seen(void **state)
{
	struct fake_device device;
	assert_int_equal(mkfifo(in_path, 0600), 0);
	assert_int_equal(mkfifo(out_path, 0600), 0);
	int fd = open_reader();
	begin(&device);
	assert_int_equal(device.peer_count, 2);
	fd_close(fd);
	fake_wait(&device, device.peers[1].gone);
	fake_fini(&device);
}

static void a_reader_that_was_turned_away_is_not_offered_again(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_reader();
	fake_wait(&device, device.peer_count == 2);
	fake_peer_close(&device.peers[1]);
	fake_settle(&device);
	assert_int_equal(device.peer_count, 2);
	int other = open_reader();
	fake_wait(&device, device.peer_count == 3);
	fd_close(fd);
	fd_close(other);
	fake_fini(&device);
}

static void one_fifo_is_for_output_only(void **state)
{
	struct fake_device device;
	struct backend_description text;
	assert_int_equal(mkfifo(base_path, 0600), 0);
	begin(&device);
	assert_int_equal(device.peer_count, 0);
	assert_non_null(strstr(device.reason, "output only"));
	assert_non_null(strstr(device.reason, base_path));
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, "output only"));
	int fd = open(base_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fake_wait(&device, device.peer_count == 1);
	assert_true(device.peers[0].no_input);
	fd_close(fd);
	fake_fini(&device);
	assert_true(is_fifo(base_path, 0600));
	assert_true(is_absent(in_path));
}

static void refused(int code, const char *named, const char *part)
{
	struct fake_device device;
	struct error err = {0};
	assert_int_equal(open_pipe(&device, &err), code);
	if (strstr(err.message, named) == NULL || strstr(err.message, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.message, named, part);
	fake_fini(&device);
}

static void what_is_in_the_way_is_named(void **state)
{
	fd_close(open(base_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refused(-EINVAL, base_path, "is a plain file");
	remove_files(NULL);
	fd_close(open(in_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refused(-EINVAL, in_path, "is a plain file");
	remove_files(NULL);
	assert_int_equal(mkfifo(out_path, 0600), 0);
	refused(-ENOENT, in_path, "is not");
	assert_true(is_fifo(out_path, 0600));
	assert_true(is_absent(in_path));
	char *before = strdup(base_path);
	snprintf(base_path, sizeof(base_path), "%s/none/pipe", dir);
	refused(-ENOENT, base_path, "make its directory first");
	strcpy(base_path, before);
	free(before);
}

/* A dangling link: .out can be made, .in cannot, so .out must go again. */
static void a_failed_open_leaves_nothing(void **state)
{
	struct fake_device device;
	struct error err = {0};
	assert_int_equal(symlink("/nonexistent/x", in_path), 0);
	assert_true(open_pipe(&device, &err) < 0);
	assert_non_null(strstr(err.message, in_path));
	fake_fini(&device);
	assert_true(is_absent(out_path));
}

static void idle_costs_no_wake_up(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = -1;
	for (int round = 0; round < 4; round++) {
		if (round == 1) {
			fd = open_reader();
			fake_wait(&device, device.peer_count == 2);
		} else if (round == 2) {
			fill(&device.peers[1]);
		} else if (round == 3) {
			fd_close(fd);
			fake_wait(&device, device.peers[1].gone);
		}
		fake_assert_idle(&device);
	}
	fake_fini(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(missing_fifos_are_made_and_removed, remove_files),
		cmocka_unit_test_teardown(found_or_replaced_fifos_stay, remove_files),
		cmocka_unit_test_teardown(input_comes_without_anybody_waiting, remove_files),
		cmocka_unit_test_teardown(a_reader_is_a_peer, remove_files),
		cmocka_unit_test_teardown(
			a_leaving_reader_loses_nothing_and_raises_no_signal, remove_files),
		cmocka_unit_test_teardown(a_reader_that_was_there_first_is_seen, remove_files),
		cmocka_unit_test_teardown(
			a_reader_that_was_turned_away_is_not_offered_again, remove_files),
		cmocka_unit_test_teardown(one_fifo_is_for_output_only, remove_files),
		cmocka_unit_test_teardown(what_is_in_the_way_is_named, remove_files),
		cmocka_unit_test_teardown(a_failed_open_leaves_nothing, remove_files),
		cmocka_unit_test_teardown(idle_costs_no_wake_up, remove_files),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
