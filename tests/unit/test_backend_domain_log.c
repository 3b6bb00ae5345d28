/* The domain's log and the backend stdio: whole lines, turns, full disks, and what a close writes.
 */
#include "fake_device.h"

#include "backend/domain_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/chardev-test-XXXXXX";
static char log_path[64];

static int make_dir(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(log_path, sizeof(log_path), "%s/vm.log", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int remove_log(void **state)
{
	char index[80];
	snprintf(index, sizeof(index), "%s.idx", log_path);
	unlink(index);
	unlink(log_path);
	return 0;
}

static const char *content(void)
{
	static char text[512 * 1024];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

/* A domain with `count` streams on its log, by one fake device. */
struct domain_fixture {
	struct fake_device device;
	struct domain_log *log;
	int closed;
};

static void on_stream_closed(struct stream *stream)
{
	struct domain_fixture *d = domain_log_stream_owner(stream);
	d->closed++;
	domain_log_stream_free(stream);
}

static void on_trouble(void *user, int code, const char *clause)
{
	fail_msg("%s", clause);
}

static const struct domain_log_owner owner = {.trouble = on_trouble};

static void new_log(struct fake_device *device, const char *path, struct domain_log **ret)
{
	const struct domain_log_params params = {.loop = device->loop, .path = path};
	assert_int_equal(domain_log_new(&params, ret, NULL), 0);
}

static void begin(struct domain_fixture *d, int count)
{
	struct error err = {0};
	d->closed = 0;
	fake_init(&d->device, DEVICE_CONSOLE, SOURCE_STDIO);
	new_log(&d->device, log_path, &d->log);
	for (int i = 0; i < count; i++) {
		struct stream *stream;
		if (domain_log_stream_new(d->log, &owner, d, on_stream_closed, &stream, &err) != 0)
			fail_msg("%s", err.message);
		fake_adopt(&d->device, stream);
	}
}

static void end_stream(struct domain_fixture *d, int i)
{
	int before = d->closed;
	fake_peer_close(&d->device.peers[i]);
	assert_int_equal(d->closed, before); /* on a later turn */
	fake_wait(&d->device, d->closed > before);
}

static void end(struct domain_fixture *d)
{
	for (int i = 0; i < d->device.peer_count; i++) {
		if (d->device.peers[i].stream != NULL)
			end_stream(d, i);
	}
	d->log = domain_log_free(d->log);
	fake_fini(&d->device);
}

/* Writes all of a text as a device does, waiting where it must. */
static void put(struct fake_peer *peer, const char *text)
{
	while (*text != '\0') {
		int done = peer->writes_done, writable = peer->writables;
		size_t written = peer->written;
		ssize_t n = fake_write(peer, text);
		if (n == STREAM_BORROWED) {
			fake_wait(peer->device, peer->writes_done > done);
			assert_int_equal(peer->write_failure, 0);
			n = (ssize_t)(peer->written - written);
		} else if (n == 0) {
			fake_wait(peer->device, peer->writables > writable);
		}
		assert_true(n >= 0);
		text += n;
	}
}

static void no_stream_no_file(void **state)
{
	struct domain_fixture d;
	struct stat st;
	begin(&d, 0);
	assert_string_equal(domain_log_path(d.log), log_path);
	end(&d);
	assert_int_equal(stat(log_path, &st), -1);
}

static void a_single_stream_writes_at_once(void **state)
{
	struct domain_fixture d;
	struct stat st;
	begin(&d, 1);
	put(&d.device.peers[0], "login: ");
	assert_string_equal(content(), "login: ");
	assert_int_equal(stat(log_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	end(&d);
	begin(&d, 1);
	put(&d.device.peers[0], "again\n");
	end(&d);
	assert_string_equal(content(), "login: again\n");
}

static void lines_of_two_are_not_torn(void **state)
{
	struct domain_fixture d;
	begin(&d, 2);
	struct fake_peer *a = &d.device.peers[0], *b = &d.device.peers[1];
	put(a, "a1");
	put(b, "b1");
	assert_string_equal(content(), "");
	put(a, "a2\na3");
	assert_string_equal(content(), "a1a2\n");
	put(b, "b2\nb3\nb4");
	put(a, "\n");
	assert_string_equal(content(), "a1a2\nb1b2\nb3\na3\n");
	/* A close writes what it held, as a line of its own while others are there. */
	end_stream(&d, 1);
	assert_string_equal(content(), "a1a2\nb1b2\nb3\na3\nb4\n");
	end(&d);
}

static void the_one_that_is_left_holds_nothing_back(void **state)
{
	struct domain_fixture d;
	begin(&d, 2);
	put(&d.device.peers[0], "prompt> ");
	assert_string_equal(content(), "");
	end_stream(&d, 1);
	fake_wait(&d.device, strcmp(content(), "prompt> ") == 0);
	put(&d.device.peers[0], "ls");
	assert_string_equal(content(), "prompt> ls");
	end(&d);
	assert_string_equal(content(), "prompt> ls");
}

static void a_line_that_was_there_is_ended_for_a_new_stream(void **state)
{
	struct domain_fixture d;
	struct stream *stream;
	begin(&d, 1);
	put(&d.device.peers[0], "half");
	assert_int_equal(
		domain_log_stream_new(d.log, &owner, &d, on_stream_closed, &stream, NULL), 0);
	struct fake_peer *other = fake_adopt(&d.device, stream);
	put(other, "whole\n");
	assert_string_equal(content(), "half\nwhole\n");
	put(&d.device.peers[0], "rest\n");
	assert_string_equal(content(), "half\nwhole\nrest\n");
	end(&d);
}

static void a_line_too_long_is_cut(void **state)
{
	enum { N = 3 * DOMAIN_LOG_MAX_LINE + 100 };
	static char text[N + 2], expected[N + 8];
	struct domain_fixture d;
	begin(&d, 2);
	memset(text, 'x', N);
	memcpy(text + N, "\n", 2);
	size_t at = 0;
	for (size_t i = 0; i < N; i++) {
		if (i > 0 && i % DOMAIN_LOG_MAX_LINE == 0)
			expected[at++] = '\n';
		expected[at++] = 'x';
	}
	memcpy(expected + at, "\n", 2);
	put(&d.device.peers[0], text); /* whole */
	assert_string_equal(content(), expected);
	end(&d);

	for (size_t piece = 1; piece < 40000; piece = piece * 8 + 1) { /* and in pieces */
		remove_log(NULL);
		begin(&d, 2);
		char *one = calloc(1, piece + 1);
		assert_non_null(one);
		for (size_t i = 0; i < N + 1; i += piece) {
			snprintf(one, piece + 1, "%s", text + i);
			put(&d.device.peers[0], one);
		}
		free(one);
		assert_string_equal(content(), expected);
		end(&d);
	}
}

enum { STREAMS = 5, ROUNDS = 30 };

static void offer_line(struct fake_peer *peer)
{
	static char text[STREAMS][32];
	int i = (int)(peer - peer->device->peers);
	if (peer->number == ROUNDS)
		return;
	snprintf(text[i], sizeof(text[i]), "%c line %d\n", 'a' + i, peer->number);
	ssize_t n = fake_write(peer, text[i]);
	assert_true(n == STREAM_BORROWED || n == 0);
	if (n == STREAM_BORROWED)
		peer->number++;
}

/* Each offers its next line as soon as it may: nobody is ever two lines ahead of another. */
static void everybody_has_a_turn(void **state)
{
	struct domain_fixture d;
	begin(&d, STREAMS);
	for (int i = 0; i < STREAMS; i++) {
		d.device.peers[i].offer = offer_line;
		offer_line(&d.device.peers[i]);
	}
	for (int i = 0; i < STREAMS; i++)
		fake_wait(&d.device, d.device.peers[i].writes_done == ROUNDS);
	int seen[STREAMS] = {0};
	for (const char *line = content(); *line != '\0'; line = strchr(line, '\n') + 1) {
		int i = line[0] - 'a', number = -1;
		assert_in_range(i, 0, STREAMS - 1);
		assert_int_equal(sscanf(line + 1, " line %d\n", &number), 1);
		assert_int_equal(number, seen[i]++);
		for (int k = 0; k < STREAMS; k++)
			assert_true(seen[i] - seen[k] <= 1);
	}
	for (int i = 0; i < STREAMS; i++)
		assert_int_equal(seen[i], ROUNDS);
	end(&d);
}

static void a_write_in_flight_outlives_a_close(void **state)
{
	struct domain_fixture d;
	begin(&d, 2);
	assert_int_equal(fake_write(&d.device.peers[0], "last line\n"), STREAM_BORROWED);
	assert_int_equal(fake_write(&d.device.peers[1], "x\n"), 0);
	end_stream(&d, 0);
	assert_int_equal(d.device.peers[0].writes_done, 0); /* nothing is told after a close */
	assert_string_equal(content(), "last line\n");
	fake_wait(&d.device, d.device.peers[1].writables == 1);
	end(&d);
}

static void a_full_disk_loses_nothing_that_was_held(void **state)
{
	char small[40], filler[64], was[64];
	struct domain_fixture d;
	snprintf(small, sizeof(small), "%s/small", dir);
	snprintf(filler, sizeof(filler), "%s/filler", small);
	assert_int_equal(mkdir(small, 0700), 0);
	if (mount("tmpfs", small, "tmpfs", 0, "size=8k") < 0) {
		print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
		skip();
	}
	strcpy(was, log_path);
	snprintf(log_path, sizeof(log_path), "%s/vm.log", small);
	begin(&d, 2);
	struct fake_peer *a = &d.device.peers[0];
	int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	static const char page[8192];
	assert_true(write(fd, page, sizeof(page)) > 0);
	close(fd);
	put(a, "held ");
	assert_int_equal(fake_write(a, "line\n"), STREAM_BORROWED);
	fake_wait(&d.device, a->writes_done == 1);
	assert_int_equal(a->write_failure, -ENOSPC);
	assert_int_equal(a->written, 0);
	assert_int_equal(unlink(filler), 0);
	a->write_failure = 0;
	put(a, "line\n");
	assert_string_equal(content(), "held line\n");

	/* What is held is a whole line, and only its newline is missing. */
	static char line[DOMAIN_LOG_MAX_LINE + 1];
	memset(line, 'x', sizeof(line) - 1);
	put(a, line);
	assert_int_equal(fake_write(a, "y"), STREAM_BORROWED);
	fake_wait(&d.device, a->writes_done == 3);
	assert_int_equal(a->write_failure, -ENOSPC);
	end(&d);
	strcpy(log_path, was);
	assert_int_equal(umount(small), 0);
}

static void stdio_is_an_output_only_peer(void **state)
{
	struct fake_device device;
	struct backend_description text;
	struct error err = {0};
	struct domain_log *log;
	fake_init(&device, DEVICE_CONSOLE, SOURCE_STDIO);
	assert_int_equal(fake_open(&device, &err), -EINVAL);
	assert_non_null(strstr(err.message, "domain's log"));
	new_log(&device, log_path, &log);
	device.params.domain_log = log;
	assert_int_equal(fake_open(&device, &err), 0);
	fake_wait(&device, device.peer_count == 1);
	assert_int_equal(device.peers[0].kind, PEER_FILE);
	assert_true(device.peers[0].no_input);
	device.backend->ops->describe(device.backend, &text);
	assert_non_null(strstr(text.where, log_path));
	put(&device.peers[0], "out\n");
	fake_close(&device);
	assert_string_equal(content(), "out\n");
	assert_int_equal(fake_open(&device, &err), 0);
	fake_close(&device); /* before its first turn */
	domain_log_free(log);

	new_log(&device, dir, &log);
	device.params.domain_log = log;
	assert_int_equal(fake_open(&device, &err), -EISDIR);
	domain_log_free(log);
	fake_fini(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_stream_no_file, remove_log),
		cmocka_unit_test_teardown(a_single_stream_writes_at_once, remove_log),
		cmocka_unit_test_teardown(lines_of_two_are_not_torn, remove_log),
		cmocka_unit_test_teardown(the_one_that_is_left_holds_nothing_back, remove_log),
		cmocka_unit_test_teardown(
			a_line_that_was_there_is_ended_for_a_new_stream, remove_log),
		cmocka_unit_test_teardown(a_line_too_long_is_cut, remove_log),
		cmocka_unit_test_teardown(everybody_has_a_turn, remove_log),
		cmocka_unit_test_teardown(a_write_in_flight_outlives_a_close, remove_log),
		cmocka_unit_test_teardown(a_full_disk_loses_nothing_that_was_held, remove_log),
		cmocka_unit_test_teardown(stdio_is_an_output_only_peer, remove_log),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
