/* The backend unix: whose socket it may take, modes, clients, and finding a server that comes. */
#include "fake_device.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";

static const char *in_dir(const char *name)
{
	static char paths[8][256];
	static int next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

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

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	return address;
}

/* A connected client, or a negative errno. */
static int dial(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int code = -errno;
	close(fd);
	return code;
}

static int serve(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void init(struct fake_device *device, enum socket_mode mode, const char *path)
{
	fake_init(device, DEVICE_SERIAL, SOURCE_UNIX);
	device->config.source.u.unix_socket.mode = mode;
	device->config.source.u.unix_socket.path = (char *)path;
}

static struct stat look_at(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Opening fails with this code and a sentence that holds `part`; nothing is left behind. */
static void refused(const char *path, int code, const char *part)
{
	struct fake_device device;
	struct error err = {0};
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, &err), code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.message, part));
	fake_fini(&device);
}

static void bytes_go_both_ways_and_the_socket_goes(void **state)
{
	const char *path = in_dir("both");
	struct fake_device device;
	struct backend_description text;
	char name[64], got[16];
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	assert_int_equal(look_at(path).st_mode, S_IFSOCK | 0600);
	device.backend->ops->describe(device.backend, &text);
	assert_string_equal(text.where + strlen("unix "), path);
	assert_non_null(strstr(text.command, path));
	assert_string_equal(text.path, "");
	fake_wait(&device, device.states == 1);
	assert_int_equal(device.state, BACKEND_LISTENING);
	int fd = dial(path);
	fake_wait(&device, device.peer_count == 1);
	snprintf(name, sizeof(name), "pid %d uid %d", getpid(), getuid());
	assert_string_equal(device.peers[0].name, name);
	assert_int_equal(device.peers[0].kind, PEER_CLIENT);
	assert_int_equal(write(fd, "in", 2), 2);
	fake_wait(&device, device.peers[0].input_size == 2);
	assert_int_equal(fake_write(&device.peers[0], "out"), 3);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	fake_fini(&device);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	assert_false(exists(path));
	close(fd);
}

static void a_live_socket_is_left_alone(void **state)
{
	const char *path = in_dir("live");
	int server = serve(path);
	struct stat before = look_at(path);
	char pid[32];
	snprintf(pid, sizeof(pid), "in use by process %d", getpid());
	refused(path, -EADDRINUSE, pid);
	assert_int_equal(look_at(path).st_ino, before.st_ino);
	/* Likewise with a full queue, which answers a connect with EAGAIN. */
	int fds[16], n = 0;
	do {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct sockaddr_un address = address_of(path);
		if (connect(fds[n++], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	} while (n < 16);
	assert_int_equal(errno, EAGAIN);
	refused(path, -EADDRINUSE, "in use by another program");
	while (n > 0)
		close(fds[--n]);
	close(server);
	unlink(path);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	const char *path = in_dir("plain");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	refused(path, -EEXIST, "is no socket");
	assert_true(S_ISREG(look_at(path).st_mode));
	/* Nor is a link to a dead socket a socket. */
	int server = serve(in_dir("target"));
	close(server);
	assert_int_equal(symlink(in_dir("target"), in_dir("link")), 0);
	refused(in_dir("link"), -EEXIST, "is no socket");
	assert_true(exists(in_dir("target")));
	assert_int_equal(mkdir(in_dir("folder"), 0700), 0);
	refused(in_dir("folder"), -EEXIST, "is no socket");
}

static void a_dead_socket_is_replaced(void **state)
{
	const char *path = in_dir("dead");
	char aside[200];
	struct fake_device device;
	close(serve(path));
	assert_int_equal(dial(path), -ECONNREFUSED);
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	int fd = dial(path);
	assert_true(fd >= 0);
	close(fd);
	fake_fini(&device);
	snprintf(aside, sizeof(aside), "%s.dead-%d", path, getpid());
	assert_false(exists(aside));
}

static void a_successor_is_not_unlinked(void **state)
{
	const char *path = in_dir("successor");
	struct fake_device device;
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	assert_int_equal(unlink(path), 0);
	int server = serve(path);
	fake_fini(&device);
	assert_true(exists(path));
	close(server);
	unlink(path);
}

static void mode_and_group_are_set(void **state)
{
	const char *path = in_dir("mode");
	struct fake_device device;
	struct error err = {0};
	mode_t before = umask(077);
	init(&device, SOCKET_BIND, path);
	device.config.extensions.socket.mode = 0660;
	device.config.extensions.socket.group = "daemon";
	assert_int_equal(fake_open(&device, &err), 0);
	assert_int_equal(look_at(path).st_mode, S_IFSOCK | 0660);
	if (getuid() == 0)
		assert_int_equal(look_at(path).st_gid, 1);
	fake_close(&device);
	device.config.extensions.socket.group = "no-such-group";
	assert_int_equal(fake_open(&device, &err), -ENOENT);
	assert_non_null(strstr(err.message, "no-such-group"));
	assert_false(exists(path));
	umask(before);
	fake_fini(&device);
}

static void bad_paths_are_told(void **state)
{
	char name[200];
	memset(name, 'x', sizeof(name));
	name[107 - strlen(dir) - 1] = '\0';
	struct fake_device device;
	init(&device, SOCKET_BIND, in_dir(name));
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_fini(&device);
	strcat(name, "x");
	refused(in_dir(name), -ENAMETOOLONG, "108 bytes");
	refused(in_dir("missing/socket"), -ENOENT, "directory does not exist");
	close(open(in_dir("file"), O_CREAT | O_WRONLY, 0600));
	refused(in_dir("file/socket"), -ENOTDIR, "no directory");
	refused("", -EINVAL, "names no socket");
	refused(NULL, -EINVAL, "add path=");
}

/* Root may do anything; a child that is nobody may not. */
static void no_permission_is_told(void **state)
{
	if (getuid() != 0) {
		print_message("skipped: only root can become nobody\n");
		skip();
	}
	assert_int_equal(mkdir(in_dir("roots"), 0755), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	pid_t child = fork();
	if (child == 0) {
		struct fake_device device;
		struct error err = {0};
		init(&device, SOCKET_BIND, in_dir("roots/socket"));
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(2);
		int rc = fake_open(&device, &err);
		_exit(rc == -EACCES && strstr(err.message, "no permission") != NULL ? 0 : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

/* libvirt's usual channel says neither path nor mode, and the mode's default is to connect. */
static void a_path_is_generated_and_listened_on(void **state)
{
	struct fake_device device;
	struct backend_description text;
	init(&device, SOCKET_CONNECT, NULL);
	device.params.runtime_dir = dir;
	assert_int_equal(fake_open(&device, NULL), 0);
	device.backend->ops->describe(device.backend, &text);
	assert_string_equal(text.path, in_dir("serial0.host.sock"));
	close(dial(text.path));
	fake_wait(&device, device.peer_count == 1);
	fake_fini(&device);
	assert_false(exists(in_dir("serial0.host.sock")));
}

/* Of two processes that start at once, on a dead socket, one serves and one is refused. */
static void of_two_at_once_one_wins(void **state)
{
	const char *path = in_dir("race");
	for (int round = 0; round < 100; round++) {
		int start[2], end[2], status[2];
		close(serve(path));
		assert_int_equal(pipe(start), 0);
		assert_int_equal(pipe(end), 0);
		pid_t child[2];
		for (int i = 0; i < 2; i++) {
			child[i] = fork();
			if (child[i] != 0)
				continue;
			struct fake_device device;
			char go, result;
			init(&device, SOCKET_BIND, path);
			close(start[1]);
			if (read(start[0], &go, 1) != 0)
				_exit(9);
			result = fake_open(&device, NULL) == 0 ? 'y' : 'n';
			if (write(end[1], &result, 1) != 1)
				_exit(9);
			if (result == 'y')
				pause();
			_exit(0);
		}
		close(start[0]);
		close(start[1]);
		char results[2];
		assert_int_equal(read(end[0], &results[0], 1), 1);
		assert_int_equal(read(end[0], &results[1], 1), 1);
		assert_int_equal(results[0] + results[1], 'y' + 'n');
		int fd = dial(path);
		assert_true(fd >= 0);
		close(fd);
		for (int i = 0; i < 2; i++) {
			kill(child[i], SIGKILL);
			waitpid(child[i], &status[i], 0);
		}
		close(end[0]);
		close(end[1]);
		unlink(path);
	}
}

/* The lock is an abstract socket; held here as another process does while it makes the socket. */
static void while_another_makes_it_it_is_refused(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st = look_at(dir);
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "chardev/%llx/%llx/locked",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	int lock = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
		bind(lock, (struct sockaddr *)&name,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n),
		0);
	refused(in_dir("locked"), -EADDRINUSE, "at this very moment");
	assert_false(exists(in_dir("locked")));
	close(lock);
	struct fake_device device;
	init(&device, SOCKET_BIND, in_dir("locked"));
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_fini(&device);
}

static void a_client_too_many_is_refused(void **state)
{
	const char *path = in_dir("max");
	struct fake_device device;
	char byte;
	init(&device, SOCKET_BIND, path);
	device.config.extensions.clients_max = 2;
	assert_int_equal(fake_open(&device, NULL), 0);
	int fds[3] = {dial(path), dial(path), dial(path)};
	fake_wait(&device, device.failure == -EUSERS);
	assert_int_equal(device.peer_count, 2);
	assert_int_equal(device.state, BACKEND_LISTENING);
	assert_non_null(strstr(device.reason, "2 clients are connected"));
	assert_int_equal(read(fds[2], &byte, 1), 0);
	close(fds[0]);
	fake_wait(&device, device.peers[0].gone);
	fake_settle(&device);
	close(fds[2]);
	fds[2] = dial(path);
	fake_wait(&device, device.peer_count == 3);
	close(fds[1]);
	close(fds[2]);
	fake_fini(&device);
}

/* QEMU delivers 8 of them. */
static void what_was_written_before_the_close_arrives(void **state)
{
	const char *path = in_dir("last-words");
	static char bytes[100000];
	struct fake_device device;
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)('a' + i % 23);
	int fd = dial(path);
	assert_int_equal(fd_write_all(fd, bytes, sizeof(bytes)), 0);
	close(fd);
	fake_wait(&device, device.peer_count == 1 && device.peers[0].gone);
	assert_int_equal(device.peers[0].input_size, sizeof(bytes));
	assert_memory_equal(device.peers[0].input, bytes, sizeof(bytes));
	fake_fini(&device);
}

static int open_files(void)
{
	int highest = dup(0);
	close(highest);
	return highest;
}

static void without_descriptors_clients_wait(void **state)
{
	const char *path = in_dir("emfile");
	struct fake_device device;
	struct rlimit before, tight;
	init(&device, SOCKET_BIND, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_settle(&device);
	int fds[2] = {dial(path), dial(path)};
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = (rlim_t)open_files() + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	fake_wait(&device, device.failure == -EMFILE);
	assert_int_equal(device.peer_count, 1);
	assert_non_null(strstr(device.reason, "wait"));
	int states = device.states;
	uint64_t wakeups = loop_wakeups(device.loop);
	fake_settle(&device);
	assert_true(loop_wakeups(device.loop) - wakeups < 5); /* it does not spin */
	/* The one client that leaves makes room for the next. */
	uint64_t left = loop_now_ms(device.loop);
	close(fds[0]);
	fake_wait(&device, device.peer_count == 2);
	assert_true(loop_now_ms(device.loop) - left < 700); /* before the timer */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(device.states <= states + 1);
	close(fds[1]);
	fake_fini(&device);
}

static void accept_server(struct fake_device *device, int server, int *ret)
{
	fake_wait(device, device->state == BACKEND_CONNECTED);
	*ret = accept(server, NULL, NULL);
	assert_true(*ret >= 0);
}

static void a_server_is_waited_for_without_polling(void **state)
{
	const char *path = in_dir("later");
	struct fake_device device;
	init(&device, SOCKET_CONNECT, path);
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.failure == -ENOENT);
	assert_int_equal(device.state, BACKEND_CONNECTING);
	assert_int_equal(device.states, 1);
	/* Longer than the pause of a poller: nothing happens, since nothing can have changed. */
	uint64_t wakeups = loop_wakeups(device.loop);
	struct fake_device clock;
	init(&clock, SOCKET_CONNECT, in_dir("refusing"));
	close(serve(in_dir("refusing")));
	assert_int_equal(fake_open(&clock, NULL), 0);
	fake_wait(&clock, clock.states == 3); /* its third attempt: 300 ms */
	fake_fini(&clock);
	unlink(in_dir("refusing"));
	loop_turn(device.loop);
	fake_settle(&device);
	assert_int_equal(device.states, 1);
	assert_true(loop_wakeups(device.loop) - wakeups <= 4);
	int peer, server = serve(path);
	accept_server(&device, server, &peer);
	assert_string_equal(device.peers[0].name, path);
	/* Gone and back: found again. */
	close(peer);
	close(server);
	fake_wait(&device, device.state == BACKEND_CONNECTING);
	assert_non_null(strstr(device.reason, "ended"));
	unlink(path);
	server = serve(path);
	accept_server(&device, server, &peer);
	assert_int_equal(device.peer_count, 2);
	close(peer);
	close(server);
	unlink(path);
	fake_fini(&device);
}

static void a_directory_may_come_later(void **state)
{
	struct fake_device device;
	init(&device, SOCKET_CONNECT, in_dir("no/yet"));
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.failure == -ENOENT);
	assert_int_equal(mkdir(in_dir("no"), 0700), 0);
	int peer, server = serve(in_dir("no/yet"));
	accept_server(&device, server, &peer);
	close(peer);
	close(server);
	fake_fini(&device);
}

static void without_reconnect_it_stays_down(void **state)
{
	const char *path = in_dir("once");
	struct fake_device device;
	int peer, server = serve(path);
	init(&device, SOCKET_CONNECT, path);
	device.config.source.u.unix_socket.reconnect.enabled = TRISTATE_NO;
	assert_int_equal(fake_open(&device, NULL), 0);
	accept_server(&device, server, &peer);
	close(peer);
	fake_wait(&device, device.state == BACKEND_IDLE);
	assert_non_null(strstr(device.reason, "reconnect"));
	fake_settle(&device);
	assert_int_equal(device.peer_count, 1);
	fake_fini(&device);
	close(server);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways_and_the_socket_goes),
		cmocka_unit_test(a_live_socket_is_left_alone),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(a_dead_socket_is_replaced),
		cmocka_unit_test(a_successor_is_not_unlinked),
		cmocka_unit_test(mode_and_group_are_set),
		cmocka_unit_test(bad_paths_are_told),
		cmocka_unit_test(no_permission_is_told),
		cmocka_unit_test(a_path_is_generated_and_listened_on),
		cmocka_unit_test(of_two_at_once_one_wins),
		cmocka_unit_test(while_another_makes_it_it_is_refused),
		cmocka_unit_test(a_client_too_many_is_refused),
		cmocka_unit_test(what_was_written_before_the_close_arrives),
		cmocka_unit_test(without_descriptors_clients_wait),
		cmocka_unit_test(a_server_is_waited_for_without_polling),
		cmocka_unit_test(a_directory_may_come_later),
		cmocka_unit_test(without_reconnect_it_stays_down),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
