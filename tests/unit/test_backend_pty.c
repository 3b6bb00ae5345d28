/* The backend pty: presence, what is lost (nothing) and stale (nothing), and how often it wakes. */
#include "fake_device.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static char link_path[64];

static void begin(struct fake_device *device)
{
	struct error err = {0};
	fake_init(device, DEVICE_SERIAL, SOURCE_PTY);
	device->params.runtime_dir = dir;
	snprintf(link_path, sizeof(link_path), "%s/serial0.pty", dir);
	if (fake_open(device, &err) != 0)
		fail_msg("%s", err.message);
	fake_settle(device);
}

static int open_slave(void)
{
	int fd = open(link_path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static struct fake_peer *await_peer(struct fake_device *device, int number)
{
	fake_wait(device, device->peer_count >= number);
	assert_int_equal(device->peer_count, number);
	return &device->peers[number - 1];
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

static size_t drain(int fd)
{
	char text[4096];
	size_t total = 0;
	for (ssize_t n; (n = read(fd, text, sizeof(text))) > 0;)
		total += (size_t)n;
	return total;
}

static void the_link_leads_to_the_slave(void **state)
{
	struct fake_device device;
	struct backend_description text;
	struct stat st;
	char target[64] = "";
	begin(&device);
	device.backend->ops->describe(device.backend, &text);
	assert_true(readlink(link_path, target, sizeof(target) - 1) > 0);
	assert_string_equal(text.pty_path, target);
	assert_string_equal(text.where, link_path);
	assert_non_null(strstr(text.command, link_path));
	assert_int_equal(stat(link_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(device.state, BACKEND_LISTENING);
	fake_fini(&device);
	assert_int_equal(lstat(link_path, &st), -1);
	assert_int_equal(errno, ENOENT);
}

static void an_old_link_is_replaced_a_file_is_not(void **state)
{
	struct fake_device device;
	struct error err = {0};
	struct stat st;
	assert_int_equal(symlink("/dev/pts/4711", link_path), 0);
	begin(&device);
	assert_int_equal(stat(link_path, &st), 0);
	/* Somebody else's link at the end: not ours to remove. */
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(symlink("/nowhere", link_path), 0);
	fake_close(&device);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_int_equal(unlink(link_path), 0);

	assert_int_equal(mkdir(link_path, 0700), 0);
	assert_int_equal(fake_open(&device, &err), -EEXIST);
	assert_non_null(strstr(err.message, link_path));
	assert_int_equal(rmdir(link_path), 0);
	fake_fini(&device);
}

static void bytes_go_both_ways_raw(void **state)
{
	struct fake_device device;
	char text[64] = "";
	begin(&device);
	assert_int_equal(device.peer_count, 0);
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	assert_int_equal(peer->kind, PEER_CLIENT);
	assert_false(peer->no_input || peer->no_output);
	assert_int_equal(strncmp(peer->name, "/dev/pts/", 9), 0);
	assert_int_equal(write(fd, "a\rb\003\n", 5), 5);
	fake_wait(&device, peer->input_size == 5);
	assert_memory_equal(peer->input, "a\rb\003\n", 5);
	assert_int_equal(fake_write(peer, "x\ny\r\n"), 5);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "x\ny\r\n");
	const struct stream_signal signal = {STREAM_SIGNAL_BREAK};
	assert_int_equal(stream_signal(peer->stream, &signal), -EOPNOTSUPP);
	fd_close(fd);
	fake_wait(&device, peer->gone);
	assert_int_equal(peer->gone_reason, 0);
	assert_int_equal(peer->unsent, 0);
	fake_fini(&device);
}

static void idle_costs_no_wake_up(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = -1;
	for (int round = 0; round < 4; round++) {
		if (round == 1) {
			fd = open_slave();
			await_peer(&device, 1);
		} else if (round == 2) {
			stream_read_stop(device.peers[0].stream);
		} else if (round == 3) {
			fd_close(fd);
			fake_wait(&device, device.peers[0].gone);
		}
		fake_assert_idle(&device);
	}
	fake_fini(&device);
}

static void what_was_not_read_is_counted_and_not_stale(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	size_t taken = fill(peer);
	assert_true(taken > 4096); /* more than FIONREAD would tell of */
	char some[100];
	assert_int_equal(read(fd, some, sizeof(some)), sizeof(some));
	fd_close(fd);
	fake_wait(&device, peer->gone);
	assert_int_equal(peer->unsent, taken - sizeof(some));

	fd = open_slave();
	peer = await_peer(&device, 2);
	assert_int_equal(read(fd, some, sizeof(some)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fake_write(peer, "fresh"), 5);
	assert_int_equal(drain(fd), 5);
	fd_close(fd);
	fake_fini(&device);
}

static void writable_comes_when_the_client_reads(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	size_t taken = fill(peer);
	fake_settle(&device);
	assert_int_equal(peer->writables, 0);
	size_t got = drain(fd);
	fake_wait(&device, peer->writables == 1);
	taken += fill(peer);
	while (got < taken)
		got += drain(fd);
	assert_int_equal(got, taken);
	fd_close(fd);
	fake_fini(&device);
}

static void last_words_arrive(void **state)
{
	struct fake_device device;
	begin(&device);
	/* Opened, written and closed before we look at all. */
	int fd = open_slave();
	assert_int_equal(write(fd, "hello", 5), 5);
	fd_close(fd);
	struct fake_peer *peer = await_peer(&device, 1);
	fake_wait(&device, peer->gone);
	assert_string_equal(peer->input, "hello");

	/* And while input is paused: nothing is lost, `gone` waits, nothing spins. */
	device.start_paused = true;
	fd = open_slave();
	peer = await_peer(&device, 2);
	assert_int_equal(write(fd, "last words", 10), 10);
	fd_close(fd);
	fake_settle(&device);
	assert_false(peer->gone);
	uint64_t before = loop_wakeups(device.loop);
	fake_settle(&device);
	assert_int_equal(loop_wakeups(device.loop), before);
	peer->space = 3;
	stream_read_start(peer->stream);
	fake_wait(&device, peer->gone);
	assert_string_equal(peer->input, "last words");
	fake_fini(&device);
}

static void a_space_of_zero_pauses(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	peer->space = 0;
	assert_int_equal(write(fd, "abc", 3), 3);
	fake_settle(&device);
	assert_int_equal(peer->input_size, 0);
	peer->space = 2;
	stream_read_start(peer->stream);
	fake_wait(&device, peer->input_size == 3);
	fd_close(fd);
	fake_fini(&device);
}

static void several_openers_share_one_peer(void **state)
{
	struct fake_device device;
	begin(&device);
	int a = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	int b = open_slave();
	assert_int_equal(write(b, "b", 1), 1);
	fake_wait(&device, peer->input_size == 1);
	fd_close(a);
	fake_settle(&device);
	assert_false(peer->gone);
	assert_int_equal(device.peer_count, 1);
	fd_close(b);
	fake_wait(&device, peer->gone);
	fake_fini(&device);
}

static void reopening_at_once_goes_on(void **state)
{
	struct fake_device device;
	begin(&device);
	int sent = 0;
	for (; sent < 200 && device.peer_count < FAKE_PEERS - 4; sent++) {
		int fd = open_slave();
		assert_int_equal(write(fd, "r", 1), 1);
		fd_close(fd);
		if (sent % 7 == 0)
			fake_settle(&device);
	}
	int fd = open_slave();
	fake_settle(&device);
	struct fake_peer *peer = &device.peers[device.peer_count - 1];
	assert_false(peer->gone);
	assert_int_equal(fake_write(peer, "here"), 4);
	char text[8] = "";
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	fd_close(fd);
	fake_wait(&device, peer->gone);
	size_t total = 0;
	for (int i = 0; i < device.peer_count; i++)
		total += device.peers[i].input_size;
	assert_int_equal(total, sent);
	fake_fini(&device);
}

static void a_peer_that_returns_before_its_input_is_taken_stays(void **state)
{
	struct fake_device device;
	begin(&device);
	device.start_paused = true;
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	assert_int_equal(write(fd, "early", 5), 5);
	fd_close(fd);
	fake_settle(&device);
	fd = open_slave();
	fake_settle(&device);
	assert_int_equal(fake_write(peer, "taken"), 5);
	assert_int_equal(drain(fd), 5);
	stream_read_start(peer->stream);
	fake_wait(&device, peer->input_size == 5);
	assert_false(peer->gone);
	assert_int_equal(device.peer_count, 1);
	fd_close(fd);
	fake_wait(&device, peer->gone);
	fake_fini(&device);
}

/* The guest may be waiting for its output to be taken before it takes any input. */
static void a_peer_that_left_its_input_holds_up_no_output(void **state)
{
	struct fake_device device;
	begin(&device);
	device.start_paused = true;
	int fd = open_slave();
	struct fake_peer *first = await_peer(&device, 1);
	assert_int_equal(fake_write(first, "unread "), 7);
	assert_int_equal(write(fd, "early", 5), 5);
	fd_close(fd);
	fake_settle(&device);
	assert_int_equal(fake_write(first, "unseen"), 6);
	fake_assert_idle(&device);
	/* Nobody saw it: the next one is another peer, whom the device gives it again. */
	fd = open_slave();
	struct fake_peer *second = await_peer(&device, 2);
	assert_true(first->gone);
	assert_int_equal(first->unsent, 6);
	assert_int_equal(fake_write(second, "unseen"), 6);
	assert_int_equal(drain(fd), 13);
	stream_read_start(second->stream);
	fake_wait(&device, second->input_size == 5);
	assert_string_equal(second->input, "early");
	fd_close(fd);
	fake_wait(&device, second->gone);
	assert_int_equal(second->unsent, 0);

	/* And if nobody comes back, all that was not seen is told together. */
	fd = open_slave();
	struct fake_peer *third = await_peer(&device, 3);
	assert_int_equal(fake_write(third, "unread "), 7);
	assert_int_equal(write(fd, "late", 4), 4);
	fd_close(fd);
	fake_settle(&device);
	assert_int_equal(fake_write(third, "unseen"), 6);
	stream_read_start(third->stream);
	fake_wait(&device, third->gone);
	assert_string_equal(third->input, "late");
	assert_int_equal(third->unsent, 13);
	fake_fini(&device);
}

static void cook(int fd)
{
	struct termios settings;
	assert_int_equal(tcgetattr(fd, &settings), 0);
	settings.c_lflag |= ICANON | ECHO | ISIG;
	settings.c_iflag |= ICRNL;
	settings.c_oflag |= OPOST | ONLCR;
	assert_int_equal(tcsetattr(fd, TCSANOW, &settings), 0);
}

static bool is_raw(int fd)
{
	struct termios settings;
	assert_int_equal(tcgetattr(fd, &settings), 0);
	return (settings.c_lflag & (ICANON | ECHO | ISIG)) == 0 &&
	       (settings.c_iflag & ICRNL) == 0 && (settings.c_oflag & OPOST) == 0;
}

static void settings_are_raw_again_for_the_next_client(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_slave();
	assert_true(is_raw(fd));
	struct fake_peer *peer = await_peer(&device, 1);
	cook(fd);
	assert_int_equal(fake_write(peer, "login: "), 7); /* unread, and half a line */
	fake_wait(&device, peer->input_size == 7);        /* its own echo is its own doing */
	fd_close(fd);
	fake_wait(&device, peer->gone);
	assert_int_equal(peer->unsent, 7);
	fake_settle(&device);

	fd = open_slave();
	assert_true(is_raw(fd));
	peer = await_peer(&device, 2);
	assert_int_equal(fake_write(peer, "x\n"), 2);
	assert_int_equal(drain(fd), 2);
	fake_settle(&device);
	assert_int_equal(peer->input_size, 0);
	fd_close(fd);
	fake_wait(&device, peer->gone);

	/* As stty does it: comes, changes, leaves. */
	fd = open_slave();
	cook(fd);
	fd_close(fd);
	fake_settle(&device);
	fd = open_slave();
	assert_true(is_raw(fd));
	fd_close(fd);
	fake_fini(&device);
}

static void a_peer_that_was_turned_away_is_not_asked_again_until_it_left(void **state)
{
	struct fake_device device;
	begin(&device);
	int fd = open_slave();
	struct fake_peer *peer = await_peer(&device, 1);
	size_t taken = fill(peer);
	assert_true(taken > 0);
	fake_peer_close(peer);
	fake_settle(&device);
	assert_int_equal(write(fd, "ignored", 7), 7);
	fake_settle(&device);
	assert_int_equal(device.peer_count, 1);
	fd_close(fd);
	fake_settle(&device);
	fd = open_slave();
	peer = await_peer(&device, 2);
	fake_settle(&device);
	assert_int_equal(peer->input_size, 0);
	assert_int_equal(drain(fd), 0);
	fake_fini(&device); /* with the slave still open */
	fd_close(fd);
}

static void without_a_runtime_directory_there_is_no_link(void **state)
{
	struct fake_device device;
	struct backend_description text;
	fake_init(&device, DEVICE_SERIAL, SOURCE_PTY);
	assert_int_equal(fake_open(&device, NULL), 0);
	device.backend->ops->describe(device.backend, &text);
	assert_string_equal(text.where, text.pty_path);
	int fd = open(text.pty_path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	await_peer(&device, 1);
	fake_fini(&device);
	fd_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_link_leads_to_the_slave),
		cmocka_unit_test(an_old_link_is_replaced_a_file_is_not),
		cmocka_unit_test(bytes_go_both_ways_raw),
		cmocka_unit_test(idle_costs_no_wake_up),
		cmocka_unit_test(what_was_not_read_is_counted_and_not_stale),
		cmocka_unit_test(writable_comes_when_the_client_reads),
		cmocka_unit_test(last_words_arrive),
		cmocka_unit_test(a_space_of_zero_pauses),
		cmocka_unit_test(several_openers_share_one_peer),
		cmocka_unit_test(reopening_at_once_goes_on),
		cmocka_unit_test(a_peer_that_returns_before_its_input_is_taken_stays),
		cmocka_unit_test(a_peer_that_left_its_input_holds_up_no_output),
		cmocka_unit_test(settings_are_raw_again_for_the_next_client),
		cmocka_unit_test(a_peer_that_was_turned_away_is_not_asked_again_until_it_left),
		cmocka_unit_test(without_a_runtime_directory_there_is_no_link),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
