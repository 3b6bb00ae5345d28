/* libchardev as a VMM sees it: domains, engines, the foreign loop, misuse, threads. */
#include "library_bench.h"

#include <pthread.h>
#include <signal.h>

static int setup(void **state)
{
	struct bench *bench = malloc(sizeof(*bench));
	bench_init(bench);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	bench_fini(*state);
	free(*state);
	return 0;
}

/* ---- domains ---------------------------------------------------------------------------- */

static void the_version_is_that_of_the_header(void **state)
{
	char wanted[32];
	int n = snprintf(
		wanted, sizeof(wanted), "%d.%d.", CHARDEV_VERSION_MAJOR, CHARDEV_VERSION_MINOR);
	assert_int_equal(strncmp(chardev_version(), wanted, (size_t)n), 0);
}

static void a_domain_names_its_devices_in_order(void **state)
{
	struct bench *bench = *state;
	bench_parse(bench,
		"<channel type='unix'><target type='virtio' name='a.b'/></channel>"
		"<console type='null'/><console type='null'><target type='virtio'/></console>"
		"<parallel type='null'/><serial type='null'/>"
		"<serial type='null'><alias name='ua-two'/></serial>");
	assert_string_equal(chardev_domain_name(bench->domain), "vm");
	static const char *const wanted[] = {
		"serial0", "ua-two", "parallel0", "console1", "channel0"};
	assert_int_equal(chardev_domain_device_count(bench->domain), 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(chardev_domain_alias(bench->domain, i), wanted[i]);
	assert_null(chardev_domain_alias(bench->domain, 5));
}

static void a_wrong_document_is_refused_with_its_line(void **state)
{
	static const char xml[] =
		"<domain type='qemu'>\n<name>vm</name>\n<os><type>hvm</type></os><devices>\n"
		"<serial type='tcp'/>\n<serial type='bogus'/>\n</devices></domain>";
	struct chardev_domain *domain = NULL;
	struct chardev_error error = {0};
	assert_int_equal(chardev_domain_parse(xml, strlen(xml), &domain, &error), -EINVAL);
	assert_int_equal(error.code, -EINVAL);
	assert_int_equal(strncmp(error.message, "line 4: ", 8), 0);
	assert_int_equal(chardev_domain_parse(xml, strlen(xml), &domain, NULL), -EINVAL);
	assert_int_equal(chardev_domain_parse("", 0, &domain, &error), -EINVAL);
	assert_int_equal(chardev_domain_parse(NULL, 0, &domain, &error), -EINVAL);
	assert_null(domain);
	assert_null(chardev_domain_free(NULL));
}

/* ---- misuse ----------------------------------------------------------------------------- */

static void refuse(struct bench *bench, const char *alias, const char *runtime_dir, int code,
	const char *part_of_message)
{
	struct chardev_device *device = NULL;
	struct chardev_error error = {0};
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, alias, runtime_dir, NULL,
				 NULL, &device, &error),
		code);
	assert_int_equal(error.code, code);
	if (strstr(error.message, part_of_message) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part_of_message, error.message);
	assert_null(device);
}

static void what_cannot_be_opened_is_refused_with_a_sentence(void **state)
{
	struct bench *bench = *state;
	bench_parse(bench, "<serial type='pty'/><console type='pty'/>"
			   "<serial type='unix'><source mode='bind' path='%s/no/such'/></serial>"
			   "<channel type='unix'><target type='virtio' name='a'/></channel>"
			   "<channel type='spicevmc'><target type='virtio'/></channel>"
			   "<serial type='stdio'/>");
	refuse(bench, "serial7", NULL, -ENOENT, "serial7");
	refuse(bench, NULL, NULL, -ENOENT, "no device");
	refuse(bench, "console0", NULL, -EINVAL, "serial port 0");
	refuse(bench, "channel0", NULL, -EINVAL, "channel0");
	refuse(bench, "channel1", NULL, -EOPNOTSUPP, "spicevmc");
	refuse(bench, "serial2", NULL, -EINVAL, "serial2");
	refuse(bench, "serial1", bench->dir, -ENOENT, "serial1");
	refuse(bench, "serial0", bench_path(bench, "missing"), -ENOENT, "missing");
	refuse(bench, "serial0", "/dev/null", -ENOTDIR, "/dev/null");
}

/* Its log is still being closed, by a thread, when the engine goes. */
static void an_engine_ends_while_a_failed_open_does(void **state)
{
	struct bench *bench = *state;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/no/such'/>"
			   "<log file='%s/log'/></serial>");
	refuse(bench, "serial0", NULL, -ENOENT, "serial0");
	bench->engine = chardev_engine_free(bench->engine);
	unlink(bench_path(bench, "log"));
	unlink(bench_path(bench, "log.idx"));
}

static void sizes_that_are_not_known_are_refused(void **state)
{
	struct bench *bench = *state;
	struct chardev_device_events events = noting;
	struct chardev_device_status status = {.size = 1};
	struct chardev_device *device = NULL;
	struct heard heard;
	bench_parse(bench, "<serial type='null'/>");
	events.size = 0;
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, "serial0", NULL, &events,
				 NULL, &device, NULL),
		-EINVAL);
	bench_open(bench, "serial0", &heard);
	assert_int_equal(chardev_device_status(heard.device, &status), -EINVAL);
	chardev_device_close(heard.device);
}

static void nulls_end_quietly(void **state)
{
	assert_null(chardev_engine_free(NULL));
	assert_null(chardev_device_close(NULL));
}

static void a_socket_in_use_leaves_nothing_behind(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	refuse(bench, "serial0", NULL, -EADDRINUSE, "/s");
	close(unix_client(bench_path(bench, "s")));
	chardev_device_close(heard.device);
	bench_open(bench, "serial0", &heard);
}

/* ---- the loop --------------------------------------------------------------------------- */

static void an_idle_engine_is_silent(void **state)
{
	struct bench *bench = *state;
	struct heard heard[2];
	bench_parse(bench, "<serial type='pty'/>"
			   "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard[0]);
	bench_open(bench, "serial1", &heard[1]);
	say(&heard[0], "hello");
	settle(bench);
	struct pollfd wanted = {.fd = chardev_engine_fd(bench->engine), .events = POLLIN};
	assert_int_equal(poll(&wanted, 1, 300), 0);
}

/* The reader's patience is a timer: nothing else ends the pause. */
static void timers_wake_the_foreign_loop(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	char chunk[65536] = {0};
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/>"
			   "<chardev:history size='64KiB'/>"
			   "<chardev:overflow policy='drop' patience='100ms'/></serial>");
	bench_open(bench, "serial0", &heard);
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard).peers == 1);
	ssize_t n;
	uint64_t written = 0;
	while ((n = chardev_device_write(heard.device, chunk, sizeof(chunk))) == sizeof(chunk))
		written += (uint64_t)n;
	written += (uint64_t)n;
	int64_t began = now_ms();
	serve_until(bench, heard.rooms > 0);
	assert_in_range(now_ms() - began, 90, PATIENCE_MS);
	assert_true(chardev_device_write(heard.device, chunk, 100) == 100);
	struct chardev_device_status status = status_of(&heard);
	assert_int_equal(status.output, written + 100);
	assert_true(status.held_up_ms >= 90);
	assert_true(status.dropped > 0);
	close(client);
}

static void callbacks_come_from_dispatch_alone(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bool dispatching = false;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	heard.dispatching = &dispatching;
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard).peers == 1);
	settle(bench);
	type(client, "x");
	/* This call's turn takes the byte in; its callback waits for dispatch, and asks for it. */
	unsigned changes = heard.changes;
	say(&heard, "y");
	assert_int_equal(heard.inputs, 0);
	assert_true(engine_is_due(bench));
	say(&heard, "z");
	assert_int_equal(heard.inputs, 0);
	assert_true(engine_is_due(bench));
	dispatching = true;
	chardev_engine_dispatch(bench->engine);
	assert_int_equal(heard.inputs, 1);
	assert_true(has_typed(&heard, "x"));
	assert_int_equal(heard.changes, changes);
	close(client);
}

static void run_ends_when_a_callback_stops_it(void **state)
{
	struct bench *bench = *state;
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	heard.stop_on_input = true;
	int client = unix_client(bench_path(bench, "s"));
	type(client, "go on");
	alarm(PATIENCE_MS / 1000);
	chardev_engine_run(bench->engine);
	assert_true(has_typed(&heard, "go on"));
	chardev_engine_stop(bench->engine);
	chardev_engine_run(bench->engine);
	alarm(0);
	close(client);
}

static void reenter(struct chardev_device *device, void *user)
{
	struct heard *heard = user;
	chardev_engine_dispatch(heard->bench->engine);
	chardev_engine_run(heard->bench->engine);
	assert_ptr_equal(chardev_engine_free(heard->bench->engine), heard->bench->engine);
	heard->inputs++;
}

static void an_engine_is_not_entered_twice(void **state)
{
	struct bench *bench = *state;
	const struct chardev_device_events events = {.size = sizeof(events), .on_input = reenter};
	struct heard heard = {.bench = bench};
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	assert_int_equal(chardev_device_open(bench->engine, bench->domain, "serial0", NULL, &events,
				 &heard, &heard.device, NULL),
		0);
	int client = unix_client(bench_path(bench, "s"));
	type(client, "x");
	serve_until(bench, heard.inputs > 0);
	close(client);
}

/* ---- threads and the process ------------------------------------------------------------ */

static void signals_are_left_alone(void **state)
{
	static const int signals[] = {SIGPIPE, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
	enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };
	struct bench *bench = *state;
	struct sigaction before[SIGNALS]; /* under nohup(1) SIGHUP is ignored from the start */
	for (size_t i = 0; i < SIGNALS; i++)
		assert_int_equal(sigaction(signals[i], NULL, &before[i]), 0);
	assert_true(before[0].sa_handler == SIG_DFL);
	struct heard heard;
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/s'/></serial>");
	bench_open(bench, "serial0", &heard);
	int client = unix_client(bench_path(bench, "s"));
	serve_until(bench, status_of(&heard).peers == 1);
	close(client);
	/* Nobody reads any more: a SIGPIPE would end this program. */
	for (int i = 0; i < 10; i++)
		say(&heard, "anybody?");
	serve_until(bench, status_of(&heard).peers == 0);
	for (size_t i = 0; i < SIGNALS; i++) {
		struct sigaction action;
		assert_int_equal(sigaction(signals[i], NULL, &action), 0);
		assert_true(action.sa_handler == before[i].sa_handler);
	}
}

struct worker {
	const struct chardev_domain *domain;
	const char *alias;
	char path[128];
	uint64_t received;
};

enum { WORKER_BYTES = 1024 * 1024 };

/* A device sends a mebibyte to a client of its own. */
static void move_much(
	struct chardev_engine *engine, struct chardev_device *device, struct worker *worker)
{
	char chunk[4096];
	char got[65536];
	int client = unix_client(worker->path);
	memset(chunk, worker->alias[6], sizeof(chunk));
	struct pollfd wanted[] = {
		{.fd = chardev_engine_fd(engine), .events = POLLIN},
		{.fd = client, .events = POLLIN},
	};
	for (uint64_t sent = 0; worker->received < WORKER_BYTES;) {
		if (sent < WORKER_BYTES)
			sent += (uint64_t)chardev_device_write(device, chunk, sizeof(chunk));
		else if (poll(wanted, 2, PATIENCE_MS) == 0)
			break;
		chardev_engine_dispatch(engine);
		ssize_t n = read(client, got, sizeof(got));
		for (ssize_t i = 0; i < n && got[i] == chunk[0]; i++)
			worker->received++;
	}
	close(client);
}

/* In a thread: an engine of its own, a device of the shared domain. */
static void *work(void *argument)
{
	struct worker *worker = argument;
	struct chardev_engine *engine;
	struct chardev_device *device;
	if (chardev_engine_new(&engine, NULL) < 0)
		return NULL;
	if (chardev_device_open(
		    engine, worker->domain, worker->alias, NULL, NULL, NULL, &device, NULL) == 0)
		move_much(engine, device, worker);
	chardev_engine_free(engine);
	return NULL;
}

static void two_engines_serve_one_domain_in_two_threads(void **state)
{
	struct bench *bench = *state;
	struct worker workers[] = {{.alias = "serial0"}, {.alias = "serial1"}};
	pthread_t threads[2];
	bench_parse(bench, "<serial type='unix'><source mode='bind' path='%s/0'/></serial>"
			   "<serial type='unix'><source mode='bind' path='%s/1'/></serial>");
	for (int i = 0; i < 2; i++) {
		workers[i].domain = bench->domain;
		strcpy(workers[i].path, bench_path(bench, i == 0 ? "0" : "1"));
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].received, WORKER_BYTES);
	}
}

int main(void)
{
#define with_bench(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_version_is_that_of_the_header),
		with_bench(a_domain_names_its_devices_in_order),
		cmocka_unit_test(a_wrong_document_is_refused_with_its_line),
		with_bench(what_cannot_be_opened_is_refused_with_a_sentence),
		with_bench(an_engine_ends_while_a_failed_open_does),
		with_bench(sizes_that_are_not_known_are_refused),
		cmocka_unit_test(nulls_end_quietly),
		with_bench(a_socket_in_use_leaves_nothing_behind),
		with_bench(an_idle_engine_is_silent),
		with_bench(timers_wake_the_foreign_loop),
		with_bench(callbacks_come_from_dispatch_alone),
		with_bench(run_ends_when_a_callback_stops_it),
		with_bench(an_engine_is_not_entered_twice),
		with_bench(signals_are_left_alone),
		with_bench(two_engines_serve_one_domain_in_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
