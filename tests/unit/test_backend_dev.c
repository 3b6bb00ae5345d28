/*
 * The backend dev on pty slaves, which are ttys too: which paths are refused, who is kept out,
 * settings given back, unplugged and plugged in again. Real lines are the guest tests' matter.
 */
#include "fake_device.h"

#include "backend/path_wait.h"
#include "stream/line_settings.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";
static char port[64]; /* a symbolic link to the slave, in a directory of its own */

/* Whether /var/lock is this test's own: the host's is used where it cannot be. */
static bool isolated;

static int make_dir(void **state)
{
	isolated = unshare(CLONE_NEWNS) == 0 &&
		   mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		   mount("tmpfs", "/var/lock", "tmpfs", 0, "mode=1777") == 0;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(port, sizeof(port), "%s/by-id/port", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

struct line {
	int master;
	int probe; /* the slave, for its settings; -1 when closed */
	char name[64];
	char lock[128];
};

static void line_unplug(struct line *line)
{
	line->probe = fd_close(line->probe);
	line->master = fd_close(line->master);
	unlink(port);
	*strrchr(port, '/') = '\0';
	rmdir(port);
	strcat(port, "/port");
}

static void line_plug(struct line *line)
{
	char number[16];
	line->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(line->master >= 0);
	assert_int_equal(unlockpt(line->master), 0);
	assert_int_equal(ptsname_r(line->master, line->name, sizeof(line->name)), 0);
	line->probe = open(line->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_true(line->probe >= 0);
	snprintf(number, sizeof(number), "%s", strrchr(line->name, '/') + 1);
	snprintf(line->lock, sizeof(line->lock), "/var/lock/LCK..pts_%s", number);
	*strrchr(port, '/') = '\0';
	assert_true(mkdir(port, 0700) == 0 || errno == EEXIST);
	strcat(port, "/port");
	unlink(port);
	assert_int_equal(symlink(line->name, port), 0);
}

static void begin(struct fake_device *device, struct line *line)
{
	struct error err = {0};
	line_plug(line);
	fake_init(device, DEVICE_SERIAL, SOURCE_DEV);
	device->config.source.u.dev.path = port;
	if (fake_open(device, &err) != 0)
		fail_msg("%s", err.message);
	fake_wait(device, device->peer_count == 1);
}

static void end(struct fake_device *device, struct line *line)
{
	fake_fini(device);
	line_unplug(line);
}

static void bytes_go_both_ways(void **state)
{
	struct fake_device device;
	struct line line;
	struct backend_description text;
	char got[64] = "";
	begin(&device, &line);
	struct fake_peer *peer = &device.peers[0];
	assert_int_equal(peer->kind, PEER_CLIENT);
	assert_int_equal(device.state, BACKEND_CONNECTED);
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, port));
	/* 377 is doubled by the line, and single again for us. */
	assert_int_equal(write(line.master, "a\r\377\003\n\0", 6), 6);
	fake_wait(&device, peer->input_size == 6);
	assert_memory_equal(peer->input, "a\r\377\003\n\0", 6);
	assert_int_equal(fake_write(peer, "AT\r\n"), 4);
	assert_int_equal(read(line.master, got, sizeof(got)), 4);
	assert_string_equal(got, "AT\r\n");
	fake_assert_idle(&device);
	end(&device, &line);
}

static void input_pauses_without_loss(void **state)
{
	struct fake_device device;
	struct line line;
	begin(&device, &line);
	struct fake_peer *peer = &device.peers[0];
	peer->space = 2;
	assert_int_equal(write(line.master, "abcdef", 6), 6);
	fake_wait(&device, peer->input_size >= 2);
	peer->space = 0;
	size_t before = peer->input_size;
	assert_int_equal(write(line.master, "ghi", 3), 3);
	fake_settle(&device);
	assert_int_equal(peer->input_size, before);
	peer->space = 3;
	stream_read_start(peer->stream);
	assert_int_equal(peer->input_size, before); /* not on this stack */
	fake_wait(&device, peer->input_size == 9);
	assert_string_equal(peer->input, "abcdefghi");
	end(&device, &line);
}

static unsigned speed_of(int fd);

static void the_line_follows_the_guest_unless_the_document_says_what_it_is(void **state)
{
	struct fake_device device;
	struct line line;
	const struct stream_signal settings = {.type = STREAM_SIGNAL_LINE,
		.u.line = {.speed = 12345, .bits = 7, .parity = STREAM_PARITY_EVEN}};
	const struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	begin(&device, &line);
	struct fake_peer *peer = &device.peers[0];
	assert_int_equal(speed_of(line.probe), 115200);
	assert_int_equal(stream_signal(peer->stream, &settings), 0);
	/* What follows waits until the line has them. */
	assert_int_equal(fake_write(peer, "after"), 0);
	assert_int_equal(stream_signal(peer->stream, &brk), -EAGAIN);
	fake_wait(&device, peer->writables == 1);
	assert_int_equal(speed_of(line.probe), 12345);
	struct stream_line now;
	assert_int_equal(line_settings_get(line.probe, &now), 0);
	/* A pty has eight bits and no parity, whatever it is told. */
	assert_int_equal(now.stop, STREAM_STOP_1);
	assert_int_equal(fake_write(peer, "after"), 5);
	end(&device, &line);

	line_plug(&line);
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	device.config.source.u.dev.path = port;
	device.config.extensions.line.speed = 9600;
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.peer_count == 1);
	assert_int_equal(stream_signal(device.peers[0].stream, &settings), -EOPNOTSUPP);
	assert_int_equal(speed_of(line.probe), 9600);
	end(&device, &line);
}

static void a_break_is_sent_and_holds_the_output(void **state)
{
	struct fake_device device;
	struct line line;
	begin(&device, &line);
	struct fake_peer *peer = &device.peers[0];
	const struct stream_signal signal = {STREAM_SIGNAL_BREAK};
	assert_int_equal(stream_signal(peer->stream, &signal), 0);
	assert_int_equal(fake_write(peer, "after"), 0);
	fake_wait(&device, peer->writables == 1);
	assert_int_equal(fake_write(peer, "after"), 5);
	/* And one that is under way when everything ends. */
	assert_int_equal(stream_signal(peer->stream, &signal), 0);
	end(&device, &line);
}

/* <termios.h> and the kernel's termios2 do not go together: its shape stands here. */
static unsigned speed_of(int fd)
{
	struct {
		unsigned flags[4];
		unsigned char line_and_controls[20];
		unsigned in;
		unsigned out;
	} settings = {0};
	assert_int_equal(ioctl(fd, _IOC(_IOC_READ, 'T', 0x2a, sizeof(settings)), &settings), 0);
	return settings.out;
}

static void settings_are_given_back(void **state)
{
	struct fake_device device;
	struct line line;
	struct termios before, during, after;
	line_plug(&line);
	assert_int_equal(tcgetattr(line.probe, &before), 0);
	assert_true((before.c_lflag & ICANON) != 0);
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	device.config.source.u.dev.path = port;
	device.config.extensions.line.speed = 250000; /* no Bxxx of termios(3) */
	device.config.extensions.line.stop = 2;
	device.config.extensions.line.flow = FLOW_RTSCTS;
	assert_int_equal(fake_open(&device, NULL), 0);
	assert_int_equal(tcgetattr(line.probe, &during), 0);
	assert_int_equal(during.c_lflag, 0);
	assert_int_equal(during.c_oflag, 0);
	assert_true((during.c_iflag & PARMRK) != 0);
	assert_int_equal(during.c_iflag & (BRKINT | IGNBRK | IGNPAR | ICRNL | IXON), 0);
	assert_int_equal(speed_of(line.probe), 250000);
	assert_true((during.c_cflag & CSTOPB) != 0 && (during.c_cflag & CRTSCTS) != 0);
	assert_true((during.c_cflag & CLOCAL) != 0);
	int exclusive = 0;
	assert_int_equal(ioctl(line.probe, TIOCGEXCL, &exclusive), 0);
	assert_int_equal(exclusive, 1);
	fake_close(&device);
	assert_int_equal(tcgetattr(line.probe, &after), 0);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	assert_int_equal(after.c_cflag, before.c_cflag);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(cfgetospeed(&after), cfgetospeed(&before));
	assert_int_equal(ioctl(line.probe, TIOCGEXCL, &exclusive), 0);
	assert_int_equal(exclusive, 0);
	end(&device, &line);
}

static void what_the_driver_cannot_do_is_refused(void **state)
{
	struct fake_device device;
	struct line line;
	struct termios before, after;
	struct error err = {0};
	line_plug(&line);
	assert_int_equal(tcgetattr(line.probe, &before), 0);
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	device.config.source.u.dev.path = port;
	device.config.extensions.line.bits = 7; /* a pty is always 8N */
	device.config.extensions.line.parity = PARITY_EVEN;
	device.config.extensions.line.speed = 9600;
	assert_int_equal(fake_open(&device, &err), -EINVAL);
	assert_non_null(strstr(err.message, port));
	assert_non_null(strstr(err.message, "9600 7E1"));
	assert_non_null(strstr(err.message, "9600 8N1"));
	assert_int_equal(tcgetattr(line.probe, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(access(line.lock, F_OK), -1);
	end(&device, &line);
}

static bool locks_can_be_written(void)
{
	if (access("/var/lock", W_OK) == 0)
		return true;
	print_message("/var/lock is not writable here: %s\n", strerror(errno));
	return false;
}

static void put_lock(const struct line *line, const char *text)
{
	FILE *file = fopen(line->lock, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void the_lock_is_as_others_write_it(void **state)
{
	struct fake_device device;
	struct line line;
	char text[32] = "", expected[32];
	struct stat st;
	if (!locks_can_be_written())
		skip();
	umask(077);
	begin(&device, &line);
	umask(022);
	FILE *file = fopen(line.lock, "r");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, file), 11);
	fclose(file);
	snprintf(expected, sizeof(expected), "%10d\n", (int)getpid());
	assert_string_equal(text, expected);
	assert_int_equal(stat(line.lock, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_string_equal(device.reason, "");
	fake_close(&device);
	assert_int_equal(access(line.lock, F_OK), -1);
	end(&device, &line);
}

static void a_living_lock_keeps_us_out_a_dead_one_does_not(void **state)
{
	struct fake_device device;
	struct line line;
	struct error err = {0};
	char text[32];
	if (!locks_can_be_written())
		skip();
	line_plug(&line);
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	device.config.source.u.dev.path = port;
	snprintf(text, sizeof(text), "%10d\n", (int)getppid());
	put_lock(&line, text);
	assert_int_equal(fake_open(&device, &err), -EBUSY);
	snprintf(text, sizeof(text), "process %d", (int)getppid());
	assert_non_null(strstr(err.message, text));
	assert_non_null(strstr(err.message, line.lock));
	assert_int_equal(access(line.lock, F_OK), 0);
	put_lock(&line, ""); /* being written, or broken: never guessed at */
	assert_int_equal(fake_open(&device, &err), -EBUSY);
	assert_non_null(strstr(err.message, "names no process"));

	pid_t child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	snprintf(text, sizeof(text), "%10d minicom root\n", (int)child);
	put_lock(&line, text);
	assert_int_equal(fake_open(&device, &err), 0);
	end(&device, &line);
	assert_int_equal(access(line.lock, F_OK), -1);
}

static void a_second_program_is_kept_out(void **state)
{
	struct fake_device device, other;
	struct line line;
	struct error err = {0};
	begin(&device, &line);
	fake_init(&other, DEVICE_SERIAL, SOURCE_DEV);
	other.config.source.u.dev.path = port;
	assert_int_equal(fake_open(&other, &err), -EBUSY);
	assert_non_null(strstr(err.message, "in use"));
	unlink(line.lock); /* flock(2) tells as well */
	assert_int_equal(fake_open(&other, &err), -EBUSY);
	assert_non_null(strstr(err.message, "in use by another program"));
	fake_fini(&other);
	end(&device, &line);
}

static void without_lock_files_it_works_and_says_so(void **state)
{
	struct fake_device device;
	struct line line;
	struct error err = {0};
	if (!isolated) {
		print_message("/var/lock cannot be made this test's own\n");
		skip();
	}
	line_plug(&line);
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	device.config.source.u.dev.path = port;
	assert_int_equal(chmod("/var/lock", 0755), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	*strrchr(port, '/') = '\0';
	assert_int_equal(chmod(port, 0755), 0);
	strcat(port, "/port");
	assert_int_equal(fchmod(line.probe, 0666), 0);
	assert_int_equal(seteuid(65534), 0);
	int r = fake_open(&device, &err);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod("/var/lock", 01777), 0);
	if (r != 0)
		fail_msg("%s", err.message);
	fake_wait(&device, device.peer_count == 1);
	assert_int_equal(device.state, BACKEND_CONNECTED);
	assert_non_null(strstr(device.reason, "lock file"));
	end(&device, &line);
}

static void a_line_that_is_unplugged_is_taken_up_again(void **state)
{
	struct fake_device device;
	struct line line;
	struct termios during;
	begin(&device, &line);
	for (int round = 1; round <= 2; round++) {
		struct fake_peer *peer = &device.peers[round - 1];
		assert_int_equal(write(line.master, "last", 4), 4);
		line_unplug(&line);
		fake_wait(&device, peer->gone);
		assert_true(peer->gone_reason < 0);
		fake_wait(&device, device.state == BACKEND_IDLE);
		assert_true(device.failure < 0);
		fake_wait(&device, access(line.lock, F_OK) < 0);
		fake_settle(&device);
		assert_int_equal(device.peer_count, round);

		line_plug(&line);
		fake_wait(&device, device.peer_count == round + 1);
		assert_int_equal(device.state, BACKEND_CONNECTED);
		assert_int_equal(tcgetattr(line.probe, &during), 0);
		assert_int_equal(during.c_lflag, 0);
		peer = &device.peers[round];
		assert_int_equal(write(line.master, "back", 4), 4);
		fake_wait(&device, peer->input_size == 4);
	}
	/* Closed while unplugged: nothing is left either. */
	line_unplug(&line);
	fake_wait(&device, device.state == BACKEND_IDLE);
	fake_fini(&device);
}

static void one_that_comes_back_busy_is_taken_when_it_is_free(void **state)
{
	struct fake_device device;
	struct line line;
	begin(&device, &line);
	line_unplug(&line);
	fake_wait(&device, device.state == BACKEND_IDLE);
	line_plug(&line);
	int other = open(line.name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	fake_wait(&device, device.failure == -EBUSY);
	assert_non_null(strstr(device.reason, "in use"));
	assert_int_equal(device.peer_count, 1);
	fake_assert_idle(&device);
	fd_close(other);
	fake_wait(&device, device.peer_count == 2);
	end(&device, &line);
}

static void refused(enum device_kind kind, const char *path, int code, const char *part)
{
	struct fake_device device;
	struct error err = {0};
	fake_init(&device, kind, SOURCE_DEV);
	device.config.source.u.dev.path = (char *)path;
	assert_int_equal(fake_open(&device, &err), code);
	if (strstr(err.message, path) == NULL || strstr(err.message, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.message, path, part);
	fake_fini(&device);
}

struct counted_wait {
	struct path_wait wait;
	int changes;
};

static void count_change(struct path_wait *wait)
{
	container_of(wait, struct counted_wait, wait)->changes++;
}

static void a_path_is_awaited_with_its_directories(void **state)
{
	struct fake_device device;
	struct counted_wait counted = {0};
	char parent[64], path[80], other[80];
	fake_init(&device, DEVICE_SERIAL, SOURCE_DEV);
	snprintf(parent, sizeof(parent), "%s/late", dir);
	snprintf(path, sizeof(path), "%s/late/port", dir);
	snprintf(other, sizeof(other), "%s/late/other", dir);
	assert_int_equal(path_wait_start(&counted.wait, device.loop, path, count_change), 0);
	assert_int_equal(mkdir(parent, 0700), 0);
	fake_wait(&device, counted.changes == 1);
	/* Begun anew, it waits one level further down; other names are nothing to it. */
	assert_int_equal(path_wait_start(&counted.wait, device.loop, path, count_change), 0);
	assert_int_equal(symlink("x", other), 0);
	fake_settle(&device);
	assert_int_equal(counted.changes, 1);
	assert_int_equal(symlink("x", path), 0);
	fake_wait(&device, counted.changes == 2);
	unlink(path);
	unlink(other);
	rmdir(parent);
	fake_wait(&device, counted.changes >= 3); /* the directory itself is gone */
	path_wait_stop(&counted.wait);
	path_wait_stop(&counted.wait);
	fake_fini(&device);
}

static void the_wrong_kind_is_refused_by_name(void **state)
{
	struct line line;
	char plain[64], lp[64], parport[64];
	line_plug(&line);
	refused(DEVICE_PARALLEL, line.name, -ENODEV, "is a serial port");
	refused(DEVICE_PARALLEL, "/dev/null", -ENODEV, "is no parallel port");
	refused(DEVICE_SERIAL, "/dev/null", -ENOTTY, "no serial port");
	refused(DEVICE_CONSOLE, dir, -ENODEV, "is a directory");
	refused(DEVICE_PARALLEL, dir, -ENODEV, "needs a parallel port");
	snprintf(plain, sizeof(plain), "%s/plain", dir);
	fd_close(open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refused(DEVICE_SERIAL, plain, -ENODEV, "is a plain file");
	refused(DEVICE_CHANNEL, "/dev/ttyNONE", -ENOENT, "No such file");
	line_unplug(&line);

	snprintf(lp, sizeof(lp), "%s/lp9", dir);
	snprintf(parport, sizeof(parport), "%s/parport9", dir);
	if (mknod(lp, S_IFCHR | 0600, makedev(6, 9)) < 0 ||
		mknod(parport, S_IFCHR | 0600, makedev(99, 9)) < 0) {
		print_message("no device nodes can be made here: %s\n", strerror(errno));
		skip();
	}
	refused(DEVICE_SERIAL, lp, -ENOTTY, "is a parallel port");
	refused(DEVICE_SERIAL, parport, -ENOTTY, "is a parallel port");
	refused(DEVICE_PARALLEL, parport, -ENXIO, "cannot open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(input_pauses_without_loss),
		cmocka_unit_test(the_line_follows_the_guest_unless_the_document_says_what_it_is),
		cmocka_unit_test(a_break_is_sent_and_holds_the_output),
		cmocka_unit_test(settings_are_given_back),
		cmocka_unit_test(what_the_driver_cannot_do_is_refused),
		cmocka_unit_test(the_lock_is_as_others_write_it),
		cmocka_unit_test(a_living_lock_keeps_us_out_a_dead_one_does_not),
		cmocka_unit_test(a_second_program_is_kept_out),
		cmocka_unit_test(without_lock_files_it_works_and_says_so),
		cmocka_unit_test(a_line_that_is_unplugged_is_taken_up_again),
		cmocka_unit_test(one_that_comes_back_busy_is_taken_when_it_is_free),
		cmocka_unit_test(a_path_is_awaited_with_its_directories),
		cmocka_unit_test(the_wrong_kind_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
