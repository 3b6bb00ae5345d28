/* guest/pty: VMMs that open our terminal, and terminals that the VMM makes. */
#include "fake_guest_device.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static int vmm_open(struct fake_device *device)
{
	int fd = open(fake_path(device, "serial0.guest"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

static void assert_reads(int fd, const char *text)
{
	char bytes[256];
	struct pollfd wait = {fd, POLLIN, 0};
	size_t have = 0;
	while (have < strlen(text)) {
		assert_int_equal(poll(&wait, 1, 20000), 1);
		ssize_t n = read(fd, bytes + have, sizeof(bytes) - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_int_equal(have, strlen(text));
	assert_memory_equal(bytes, text, have);
	assert_int_equal(poll(&wait, 1, 0), 0);
}

static struct fake_device *opened(void)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_PTY);
	fake_until(device, device->streams == 1);
	return device;
}

static void bytes_flow_both_ways_unchanged(void **state)
{
	struct fake_device *device = opened();
	struct stat st;
	fake_assert_idle(device);
	assert_int_equal(stat(fake_path(device, "serial0.guest"), &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
	assert_int_equal(fake_type(device, "too early"), 0); /* nobody is there */
	int vmm = vmm_open(device);
	fake_until(device, device->present);
	fake_until(device, device->writables == 1);
	assert_int_equal(write(vmm, "a\nb\rc\x03\x04", 7), 7);
	fake_until(device, device->received == 7);
	assert_memory_equal(device->kept, "a\nb\rc\x03\x04", 7);
	assert_int_equal(fake_type(device, "x\ry\nz\x03\x1a\x11"), 8);
	assert_reads(vmm, "x\ry\nz\x03\x1a\x11");
	struct stream_signal signal = {STREAM_SIGNAL_BREAK};
	assert_int_equal(stream_signal(device->stream, &signal), -EOPNOTSUPP);
	fake_assert_idle(device);
	stream_read_stop(device->stream);
	fake_assert_idle(device);
	close(vmm);
	fake_until(device, !device->present);
	fake_assert_idle(device);
	fake_free(device);
}

static void a_guest_s_settings_are_told_and_a_window_is_its_terminal_s(void **state)
{
	struct fake_device *device = opened();
	int vmm = vmm_open(device);
	fake_until(device, device->present);
	struct termios settings;
	assert_int_equal(tcgetattr(vmm, &settings), 0);
	cfsetspeed(&settings, B9600);
	settings.c_cflag = (settings.c_cflag & ~(tcflag_t)CSIZE) | CS7 | PARENB | CSTOPB;
	assert_int_equal(write(vmm, "before", 6), 6);
	assert_int_equal(tcsetattr(vmm, TCSANOW, &settings), 0);
	assert_int_equal(write(vmm, "after", 5), 5);
	fake_until(device, device->lines > 0 && device->received == 11);
	assert_memory_equal(device->kept, "beforeafter", 11);
	const struct stream_line *line = &device->signal.u.line;
	assert_int_equal(line->speed, 9600);
	assert_int_equal(line->stop, STREAM_STOP_2);
	/* The kernel makes CS8 of CS7 here, so nobody can say what the guest has asked for. */
	assert_int_equal(line->bits, 0);
	assert_int_equal(line->parity, STREAM_PARITY_UNSAID);
	fake_assert_idle(device);

	const struct stream_signal window = {
		.type = STREAM_SIGNAL_WINDOW, .u.window = {.columns = 132, .rows = 50}};
	assert_int_equal(stream_signal(device->stream, &window), 0);
	struct winsize size;
	assert_int_equal(ioctl(vmm, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_col, 132);
	assert_int_equal(size.ws_row, 50);

	/* One that leaves the terminal as no program should finds it right the next time. */
	settings.c_lflag = ECHO | ICANON;
	assert_int_equal(tcsetattr(vmm, TCSANOW, &settings), 0);
	fake_until(device, device->lines > 1);
	close(vmm);
	fake_until(device, !device->present);
	fake_assert_idle(device);
	unsigned lines = device->lines;
	vmm = vmm_open(device);
	fake_until(device, device->present);
	fake_assert_idle(device);
	assert_int_equal(device->lines, lines);
	cfsetspeed(&settings, B1200);
	assert_int_equal(tcsetattr(vmm, TCSANOW, &settings), 0);
	fake_until(device, device->lines > lines);
	assert_int_equal(line->speed, 1200);
	close(vmm);
	fake_free(device);
}

static void nothing_stale_and_nothing_lost(void **state)
{
	struct fake_device *device = opened();
	for (unsigned i = 1; i <= 5; i++) {
		int vmm = vmm_open(device);
		fake_until(device, device->arrivals == i);
		assert_int_equal(fake_type(device, "unread"), 6);
		stream_read_stop(device->stream);
		assert_int_equal(write(vmm, "last words", 10), 10);
		close(vmm);
		fake_assert_idle(device);
		assert_true(device->present);
		assert_int_equal(fake_type(device, "more"), 0);
		stream_read_start(device->stream);
		fake_until(device, device->departures == i);
		assert_int_equal(device->received, 10);
		assert_memory_equal(device->kept, "last words", 10);
		fake_forget(device);
	}
	struct guest_description description;
	device->port->ops->describe(device->port, &description);
	assert_int_equal(description.input_dropped, 30);
	assert_true(description.listens);
	assert_string_equal(description.path, fake_path(device, "serial0.guest"));
	int vmm = vmm_open(device);
	fake_until(device, device->present);
	assert_int_equal(fake_type(device, "fresh"), 5);
	assert_reads(vmm, "fresh");
	close(vmm);
	fake_free(device);
}

static void the_next_vmm_comes_before_the_old_one_is_read(void **state)
{
	struct fake_device *device = opened();
	int vmm = vmm_open(device);
	fake_until(device, device->present);
	stream_read_stop(device->stream);
	assert_int_equal(write(vmm, "old ", 4), 4);
	close(vmm);
	fake_assert_idle(device);
	vmm = vmm_open(device);
	assert_int_equal(write(vmm, "new", 3), 3);
	fake_assert_idle(device);
	assert_int_equal(device->departures, 0);
	stream_read_start(device->stream);
	fake_until(device, device->departures == 1 && device->arrivals == 2);
	assert_memory_equal(device->kept, "old new", 7);
	close(vmm);
	fake_until(device, device->departures == 2);
	/* Came, wrote and went before we looked. */
	vmm = vmm_open(device);
	assert_int_equal(write(vmm, "quick", 5), 5);
	close(vmm);
	fake_until(device, device->departures == 3);
	assert_int_equal(device->received, 12);
	fake_assert_idle(device);
	fake_free(device);
}

static void killed_vmms_lose_nothing(void **state)
{
	enum { ROUNDS = 100 };
	struct fake_device *device = opened();
	for (unsigned i = 1; i <= ROUNDS; i++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "round %u\n", i);
		pid_t pid = fork();
		if (pid == 0) {
			int vmm = open(fake_path(device, "serial0.guest"), O_RDWR | O_NOCTTY);
			if (vmm < 0 || write(vmm, text, (size_t)n) != n)
				_exit(1);
			for (;;)
				pause();
		}
		fake_until(device, device->received == (size_t)n);
		assert_memory_equal(device->kept, text, n);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		fake_until(device, device->departures == i);
		fake_forget(device);
	}
	fake_assert_idle(device);
	fake_free(device);
}

/* Types until nothing more is taken and none is on its way through the kernel; how many bytes. */
static size_t fill(struct fake_device *device)
{
	static char bytes[5000];
	struct iovec iov = {bytes, sizeof(bytes)};
	size_t sent = 0;
	do {
		device->writables = 0;
		for (ssize_t n; (n = stream_write(device->stream, &iov, 1)) > 0;)
			sent += (size_t)n;
		fake_assert_idle(device);
	} while (device->writables > 0);
	return sent;
}

static void unread_input_is_counted_to_the_byte(void **state)
{
	struct fake_device *device = opened();
	struct guest_description description;
	int vmm = vmm_open(device);
	struct termios cooked;
	fake_until(device, device->present);
	size_t sent = fill(device);
	assert_in_range(sent, 4096, 200000); /* more than FIONREAD knows */
	assert_int_equal(tcgetattr(vmm, &cooked), 0);
	cooked.c_lflag |= ICANON;
	assert_int_equal(tcsetattr(vmm, TCSANOW, &cooked), 0);
	close(vmm);
	fake_until(device, !device->present);
	device->port->ops->describe(device->port, &description);
	assert_int_equal(description.input_dropped, sent);
	vmm = vmm_open(device);
	fake_until(device, device->present);
	assert_int_equal(fake_type(device, "fresh"), 5);
	assert_reads(vmm, "fresh");
	close(vmm);
	fake_free(device);
}

static void input_waits_for_the_vmm(void **state)
{
	struct fake_device *device = opened();
	int vmm = vmm_open(device);
	static char bytes[5000];
	fake_until(device, device->present);
	size_t sent = fill(device), got = 0;
	assert_in_range(sent, 4095, 200000);
	struct pollfd wait = {vmm, POLLIN, 0};
	while (got < sent) {
		assert_int_equal(poll(&wait, 1, 20000), 1);
		got += (size_t)read(vmm, bytes, sizeof(bytes));
	}
	fake_until(device, device->writables == 1);
	assert_int_equal(fake_type(device, "on"), 2);
	assert_reads(vmm, "on");
	close(vmm);
	fake_free(device);
}

static void a_link_of_ours_is_replaced_and_a_file_refused(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	const char *path = fake_path(device, "serial0.guest");
	struct error err = {0};
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	assert_int_equal(
		guest_ops_for(GUEST_PORT_PTY)->open(&device->params, &device->port, &err), -EEXIST);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(unlink(path), 0);
	device->port = NULL;
	assert_int_equal(symlink("/dev/pts/99999", path), 0);
	fake_open(device, GUEST_PORT_PTY);
	fake_until(device, device->streams == 1);
	int vmm = vmm_open(device);
	fake_until(device, device->present);
	close(vmm);
	fake_free(device);
}

/* ---- the VMM makes it ------------------------------------------------------------------------ */

static int vmm_make(struct fake_device *device)
{
	int unlock = 0;
	char slave[64];
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TIOCSPTLCK, &unlock), 0);
	assert_int_equal(ptsname_r(fd, slave, sizeof(slave)), 0);
	assert_int_equal(symlink(slave, fake_path(device, "serial0.guest")), 0);
	return fd;
}

static void the_vmms_terminal_is_found_again(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	device->config.extensions.guest.listens = TRISTATE_NO;
	fake_open(device, GUEST_PORT_PTY);
	fake_assert_idle(device); /* waiting costs nothing */
	assert_int_equal(device->streams, 0);
	assert_int_equal(device->failure, 0);
	for (unsigned i = 1; i <= 3; i++) {
		int vmm = vmm_make(device);
		fake_until(device, device->arrivals == i);
		assert_int_equal(write(vmm, "a\nb", 3), 3);
		fake_until(device, device->received == 3);
		assert_memory_equal(device->kept, "a\nb", 3);
		assert_int_equal(fake_type(device, "x\ny"), 3);
		assert_reads(vmm, "x\ny"); /* raw: not turned into \r\n, and no echo of "a\nb" */
		fake_assert_idle(device);
		assert_int_equal(unlink(fake_path(device, "serial0.guest")), 0);
		close(vmm);
		fake_until(device, device->departures == i);
		fake_forget(device);
		fake_assert_idle(device);
	}
	fake_free(device);
}

static void a_numbered_terminal_is_opened_once(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	int unlock = 0;
	char slave[64];
	int vmm = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_int_equal(ioctl(vmm, TIOCSPTLCK, &unlock), 0);
	assert_int_equal(ptsname_r(vmm, slave, sizeof(slave)), 0);
	device->config.extensions.guest.listens = TRISTATE_NO;
	device->config.extensions.guest.path = slave;
	fake_open(device, GUEST_PORT_PTY);
	fake_until(device, device->present);
	close(vmm);
	fake_until(device, device->states == 1);
	assert_false(device->present);
	assert_non_null(strstr(device->reason, "not opened again"));
	fake_assert_idle(device);
	fake_free(device);
}

static void what_is_no_terminal_is_told(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	device->config.extensions.guest.listens = TRISTATE_NO;
	int fd = open(fake_path(device, "serial0.guest"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	fake_open(device, GUEST_PORT_PTY);
	fake_until(device, device->states == 1);
	assert_int_equal(device->failure, -ENOTTY);
	assert_int_equal(unlink(fake_path(device, "serial0.guest")), 0);
	int vmm = vmm_make(device);
	fake_until(device, device->present);
	unlink(fake_path(device, "serial0.guest"));
	close(vmm);
	fake_until(device, !device->present);
	fake_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_flow_both_ways_unchanged),
		cmocka_unit_test(a_guest_s_settings_are_told_and_a_window_is_its_terminal_s),
		cmocka_unit_test(nothing_stale_and_nothing_lost),
		cmocka_unit_test(the_next_vmm_comes_before_the_old_one_is_read),
		cmocka_unit_test(killed_vmms_lose_nothing),
		cmocka_unit_test(unread_input_is_counted_to_the_byte),
		cmocka_unit_test(input_waits_for_the_vmm),
		cmocka_unit_test(a_link_of_ours_is_replaced_and_a_file_refused),
		cmocka_unit_test(the_vmms_terminal_is_found_again),
		cmocka_unit_test(a_numbered_terminal_is_opened_once),
		cmocka_unit_test(what_is_no_terminal_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
