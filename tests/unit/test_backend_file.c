/* The backends null and file: opening what may be opened, refusing the rest, writing. */
#include "fake_device.h"

#include "backend/log_file.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";

static const char *in_dir(const char *name)
{
	static char paths[8][128];
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

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char *get(const char *path)
{
	static char text[4096];
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void the_void_takes_everything_and_gives_nothing(void **state)
{
	struct fake_device device;
	struct backend_description text;
	for (int i = 0; i < 2; i++) {
		fake_init(&device, DEVICE_SERIAL, i == 0 ? SOURCE_NULL : SOURCE_VC);
		assert_int_equal(fake_open(&device, NULL), 0);
		fake_wait(&device, device.peer_count == 1);
		assert_int_equal(fake_write(&device.peers[0], "bytes"), 5);
		assert_true(device.peers[0].no_input);
		device.backend->ops->describe(device.backend, &text);
		assert_string_not_equal(text.where, "");
		assert_string_equal(text.command, "");
		fake_fini(&device);
	}
}

static void file_round(const char *path, enum tristate append, const char *bytes)
{
	struct fake_device device;
	fake_init(&device, DEVICE_SERIAL, SOURCE_FILE);
	device.config.source.u.file.path = (char *)path;
	device.config.source.u.file.append = append;
	assert_int_equal(fake_open(&device, NULL), 0);
	assert_int_equal(device.peer_count, 0); /* not before open has returned */
	fake_wait(&device, device.peer_count == 1);
	struct fake_peer *peer = &device.peers[0];
	assert_int_equal(peer->kind, PEER_FILE);
	assert_true(peer->no_input);
	assert_string_equal(peer->name, path);
	assert_int_equal(device.state, BACKEND_CONNECTED);
	assert_int_equal(fake_write(peer, bytes), STREAM_BORROWED);
	fake_wait(&device, peer->writes_done == 1);
	assert_int_equal(peer->written, strlen(bytes));
	assert_int_equal(peer->write_failure, 0);
	struct backend_description text = {0};
	device.backend->ops->describe(device.backend, &text);
	assert_true(text.has_file && !text.file.failing);
	assert_int_equal(text.file.files, 1);
	assert_true(text.file.bytes > strlen(get(path)));
	fake_fini(&device);
}

static void file_appends_or_truncates(void **state)
{
	const char *path = in_dir("log");
	struct stat st;
	umask(022);
	file_round(path, TRISTATE_ABSENT, "one\n");
	assert_string_equal(get(path), "one\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	file_round(path, TRISTATE_YES, "two\n");
	assert_string_equal(get(path), "one\ntwo\n");
	file_round(path, TRISTATE_NO, "three\n");
	assert_string_equal(get(path), "three\n");
}

static void closing_before_the_first_turn_leaves_nothing(void **state)
{
	struct fake_device device;
	fake_init(&device, DEVICE_SERIAL, SOURCE_FILE);
	device.config.source.u.file.path = (char *)in_dir("early");
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_close(&device);
	assert_int_equal(device.peer_count, 0);
	fake_fini(&device);
}

static void refused(const char *path, int code, const char *part)
{
	struct error err = {0};
	int fd = -1;
	assert_int_equal(log_file_open(AT_FDCWD, path, path, true, &fd, &err), code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.message, path));
	if (strstr(err.message, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.message, part);
	assert_int_equal(fd, -1);
}

static void what_is_no_plain_file_is_refused(void **state)
{
	refused(dir, -EISDIR, "is a directory");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	refused(in_dir("fifo"), -EINVAL, "is a FIFO");
	refused("/dev/null", -EINVAL, "is a device");
	put(in_dir("secret"), "kept");
	assert_int_equal(symlink(in_dir("secret"), in_dir("link")), 0);
	refused(in_dir("link"), -ELOOP, "is a symbolic link");
	assert_int_equal(symlink(in_dir("nothing"), in_dir("dangling")), 0);
	refused(in_dir("dangling"), -ELOOP, "is a symbolic link");
	assert_int_equal(access(in_dir("nothing"), F_OK), -1);
	assert_string_equal(get(in_dir("secret")), "kept");

	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	refused(address.sun_path, -EINVAL, "is a socket");
	fd_close(fd);
}

static void missing_directories_have_a_sentence(void **state)
{
	refused(in_dir("no/where"), -ENOENT, "its directory does not exist");
	put(in_dir("plain"), "");
	refused(in_dir("plain/below"), -ENOTDIR, "Not a directory");
}

static void no_permission_has_a_sentence(void **state)
{
	const char *closed = in_dir("closed");
	assert_int_equal(mkdir(closed, 0555), 0);
	if (geteuid() == 0) {
		assert_int_equal(chmod(dir, 0755), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	refused(in_dir("closed/log"), -EACCES, "no permission");
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

/* Mounts a tmpfs on dir/NAME; false, with the reason printed, where that is not allowed. */
static bool mount_tmpfs(const char *path, unsigned long flags, const char *options)
{
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	if (mount("tmpfs", path, "tmpfs", flags, options) == 0)
		return true;
	print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
	return false;
}

static void a_read_only_file_system_has_a_sentence(void **state)
{
	const char *path = in_dir("ro");
	if (!mount_tmpfs(path, MS_RDONLY, ""))
		skip();
	refused(in_dir("ro/log"), -EROFS, "read-only");
	assert_int_equal(umount(path), 0);
}

static void a_full_disk_is_reported_and_survived(void **state)
{
	static char big[64 * 1024 + 1];
	const char *path = in_dir("small");
	if (!mount_tmpfs(path, 0, "size=16k"))
		skip();
	memset(big, 'x', sizeof(big) - 1);
	struct fake_device device;
	fake_init(&device, DEVICE_SERIAL, SOURCE_FILE);
	device.config.source.u.file.path = (char *)in_dir("small/log");
	put(in_dir("small/filler"), "f");
	assert_int_equal(fake_open(&device, NULL), 0);
	fake_wait(&device, device.peer_count == 1);
	struct fake_peer *peer = &device.peers[0];
	assert_int_equal(fake_write(peer, big), STREAM_BORROWED);
	fake_wait(&device, peer->writes_done == 1);
	assert_int_equal(peer->write_failure, -ENOSPC);
	assert_true(peer->written < sizeof(big) - 1);
	assert_false(peer->gone);
	size_t before = peer->written;
	assert_int_equal(unlink(in_dir("small/filler")), 0);
	assert_int_equal(fake_write(peer, "more\n"), STREAM_BORROWED);
	fake_wait(&device, peer->writes_done == 2);
	assert_int_equal(peer->write_failure, 0);
	assert_int_equal(peer->written, before + 5);
	fake_fini(&device);
	assert_int_equal(umount(path), 0);
}

static void an_open_that_fails_leaves_nothing(void **state)
{
	struct fake_device device;
	struct error err = {0};
	fake_init(&device, DEVICE_SERIAL, SOURCE_FILE);
	device.config.source.u.file.path = dir;
	assert_int_equal(fake_open(&device, &err), -EISDIR);
	assert_null(device.backend);
	fake_fini(&device);
}

static void the_command_can_be_typed(void **state)
{
	struct fake_device device;
	struct backend_description text;
	fake_init(&device, DEVICE_SERIAL, SOURCE_FILE);
	device.config.source.u.file.path = (char *)in_dir("it's here");
	assert_int_equal(fake_open(&device, NULL), 0);
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, "it's here"));
	assert_non_null(strstr(text.command, "/it'\\''s here'"));
	assert_int_equal(strncmp(text.command, "tail -f '", 9), 0);
	fake_fini(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_void_takes_everything_and_gives_nothing),
		cmocka_unit_test(file_appends_or_truncates),
		cmocka_unit_test(closing_before_the_first_turn_leaves_nothing),
		cmocka_unit_test(what_is_no_plain_file_is_refused),
		cmocka_unit_test(missing_directories_have_a_sentence),
		cmocka_unit_test(no_permission_has_a_sentence),
		cmocka_unit_test(a_read_only_file_system_has_a_sentence),
		cmocka_unit_test(a_full_disk_is_reported_and_survived),
		cmocka_unit_test(an_open_that_fails_leaves_nothing),
		cmocka_unit_test(the_command_can_be_typed),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
