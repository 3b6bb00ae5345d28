/*
 * libchardev from inside, for what no host interface can be made to do on demand: a BREAK, for
 * which the device is asked, and a disk that hangs.
 */
#include "lib/library.h"
#include "library_bench.h"

/* What came, in its order: bytes as themselves, a BREAK as '!'. */
struct tape {
	char text[64];
	size_t length;
	bool close_on_break;
};

static void on_input(struct chardev_device *device, void *user)
{
	struct tape *tape = user;
	ssize_t n;
	while ((n = chardev_device_read(device, tape->text + tape->length,
			sizeof(tape->text) - 1 - tape->length)) > 0)
		tape->length += (size_t)n;
}

static void on_break(struct chardev_device *device, void *user)
{
	struct tape *tape = user;
	tape->text[tape->length++] = '!';
	if (tape->close_on_break)
		chardev_device_close(device);
}

static struct chardev_device *open_with(
	struct bench *bench, const struct chardev_device_events *events, void *user)
{
	struct chardev_device *device;
	bench_init(bench);
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, "serial0", NULL, events,
				 user, &device, NULL),
		0);
	return device;
}

static void a_break_keeps_its_place_among_the_bytes(void **state)
{
	struct bench bench;
	struct tape tape = {0};
	const struct chardev_device_events events = {
		.size = sizeof(events), .on_input = on_input, .on_break = on_break};
	struct chardev_device *device = open_with(&bench, &events, &tape);
	int client = unix_client(bench_path(&bench, "s"));
	type(client, "ab");
	while ((device->notes & NOTE_INPUT) == 0)
		library_turn(bench.engine);
	device_send_break(device->device);
	type(client, "c");
	library_turn(bench.engine);
	device_send_break(device->device);
	library_turn(bench.engine);
	assert_string_equal(tape.text, "");
	serve_until(&bench, tape.length >= 5);
	assert_string_equal(tape.text, "ab!c!");
	close(client);
	bench_fini(&bench);
}

static void input_after_a_break_waits_until_the_break_was_told(void **state)
{
	struct bench bench;
	struct tape tape = {0};
	char byte;
	const struct chardev_device_events events = {.size = sizeof(events), .on_break = on_break};
	struct chardev_device *device = open_with(&bench, &events, &tape);
	device_send_break(device->device);
	int client = unix_client(bench_path(&bench, "s"));
	type(client, "h");
	for (int i = 0; i < 10; i++) {
		library_turn(bench.engine);
		assert_int_equal(chardev_device_read(device, &byte, 1), 0);
	}
	serve_until(&bench, tape.length == 1);
	serve_until(&bench, chardev_device_read(device, &byte, 1) == 1);
	assert_int_equal(byte, 'h');
	close(client);
	bench_fini(&bench);
}

static void a_break_that_nobody_wants_is_in_nobodys_way(void **state)
{
	struct bench bench;
	char byte = 0;
	struct chardev_device *device = open_with(&bench, NULL, NULL);
	device_send_break(device->device);
	int client = unix_client(bench_path(&bench, "s"));
	type(client, "h");
	serve_until(&bench, chardev_device_read(device, &byte, 1) == 1);
	assert_int_equal(byte, 'h');
	close(client);
	bench_fini(&bench);
}

static void a_break_may_close_the_device(void **state)
{
	struct bench bench;
	struct tape tape = {.close_on_break = true};
	const struct chardev_device_events events = {
		.size = sizeof(events), .on_input = on_input, .on_break = on_break};
	struct chardev_device *device = open_with(&bench, &events, &tape);
	int client = unix_client(bench_path(&bench, "s"));
	device_send_break(device->device);
	type(client, "h");
	while (device->breaks == 0 || (device->notes & NOTE_INPUT) == 0)
		library_turn(bench.engine);
	serve_until(&bench, tape.length > 0);
	settle(&bench);
	assert_string_equal(tape.text, "!");
	close(client);
	bench_fini(&bench);
}

struct hung_job {
	struct loop_job job;
	int fds[2];
};

static void hang(struct loop_job *job)
{
	char byte;
	while (read(container_of(job, struct hung_job, job)->fds[0], &byte, 1) < 0)
		;
}

static void is_done(struct loop_job *job)
{
	fail_msg("the loop is gone");
}

static void a_disk_that_hangs_does_not_keep_the_engine(void **state)
{
	/* What hangs is left behind: kept here, in reach. */
	static struct chardev_engine *left;
	static struct hung_job hung;
	struct bench bench;
	bench_init(&bench);
	left = bench.engine;
	assert_int_equal(pipe(hung.fds), 0);
	assert_int_equal(loop_job_submit(&hung.job, left->loop, hang, is_done), 0);
	int64_t began = now_ms();
	bench_fini(&bench);
	assert_in_range(now_ms() - began, 1000, 5000);
	close(hung.fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_break_keeps_its_place_among_the_bytes),
		cmocka_unit_test(input_after_a_break_waits_until_the_break_was_told),
		cmocka_unit_test(a_break_that_nobody_wants_is_in_nobodys_way),
		cmocka_unit_test(a_break_may_close_the_device),
		cmocka_unit_test(a_disk_that_hangs_does_not_keep_the_engine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
