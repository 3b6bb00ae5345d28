/* loop/: turns, readiness, timers, tasks, signals, names; by itself and nested in a foreign epoll.
 */
#include "test.h"

#include "loop/loop.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;

static int setup(void **state)
{
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop = loop_free(loop);
	return 0;
}

/* ---- readiness ------------------------------------------------------------------------------ */

struct watched {
	struct loop_poll poll;
	int events; /* all that came */
	int calls;
	int keep; /* what to want after a call; -1: as before */
	int closed;
};

static void on_ready(struct loop_poll *poll, int events)
{
	struct watched *watched = container_of(poll, struct watched, poll);
	watched->events |= events;
	watched->calls++;
	if (watched->keep >= 0)
		loop_poll_want(poll, watched->keep);
	loop_stop(loop);
}

static void on_poll_closed(struct loop_poll *poll)
{
	container_of(poll, struct watched, poll)->closed++;
}

static void watch(struct watched *watched, int fd, int events)
{
	*watched = (struct watched){.keep = 0};
	assert_int_equal(loop_poll_init(&watched->poll, loop, fd, on_ready), 0);
	assert_int_equal(loop_poll_want(&watched->poll, events), 0);
}

static void unwatch(struct watched *watched)
{
	int calls = watched->calls;
	loop_poll_close(&watched->poll, on_poll_closed);
	assert_int_equal(watched->closed, 0);
	loop_drain(loop);
	assert_int_equal(watched->closed, 1);
	assert_int_equal(watched->calls, calls);
}

static void make_pair(int fds[2])
{
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static void expect_events(struct watched *watched, int events)
{
	watched->events = 0;
	while (watched->events == 0)
		loop_run(loop);
	assert_int_equal(watched->events, events);
}

static void stop_on_time(struct loop_timer *timer)
{
	loop_stop(loop);
}

static void poll_tells_what_is_wanted_and_there(void **state)
{
	int fds[2];
	struct watched watched;
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE | LOOP_WRITABLE);
	expect_events(&watched, LOOP_WRITABLE);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_poll_want(&watched.poll, LOOP_READABLE | LOOP_WRITABLE);
	expect_events(&watched, LOOP_READABLE | LOOP_WRITABLE);
	loop_poll_want(&watched.poll, LOOP_READABLE | LOOP_HANGUP);
	expect_events(&watched, LOOP_READABLE);
	unwatch(&watched);
	close(fds[0]);
	close(fds[1]);
}

static void poll_wanting_nothing_is_silent(void **state)
{
	int fds[2];
	struct watched watched;
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE);
	loop_poll_want(&watched.poll, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close(fds[1]);
	for (int i = 0; i < 5; i++)
		loop_turn(loop);
	assert_int_equal(watched.calls, 0);
	loop_poll_want(&watched.poll, LOOP_READABLE);
	expect_events(&watched, LOOP_READABLE);
	unwatch(&watched);
	close(fds[0]);
}

static void poll_tells_half_close_and_then_the_end(void **state)
{
	int fds[2];
	struct watched watched;
	make_pair(fds);
	watch(&watched, fds[0], LOOP_HANGUP | LOOP_GONE);
	for (int i = 0; i < 3; i++)
		loop_turn(loop);
	assert_int_equal(watched.calls, 0);
	shutdown(fds[1], SHUT_WR);
	watched.keep = LOOP_GONE;
	expect_events(&watched, LOOP_HANGUP);
	for (int i = 0; i < 3; i++)
		loop_turn(loop);
	assert_int_equal(watched.calls, 1);
	watched.keep = 0;
	close(fds[1]);
	expect_events(&watched, LOOP_GONE);
	unwatch(&watched);
	close(fds[0]);
}

/* Urgent data is not the end, and does not wake the loop again and again. */
static void poll_takes_no_urgent_data_for_the_end(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	struct watched watched;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&address, size), 0);
	int ours = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	watch(&watched, ours, LOOP_GONE);
	assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
	struct pollfd urgent = {.fd = ours, .events = POLLPRI};
	assert_int_equal(poll(&urgent, 1, 5000), 1);
	struct loop_timer timer;
	loop_timer_init(&timer, loop, stop_on_time);
	loop_timer_start(&timer, 20);
	uint64_t before = loop_wakeups(loop);
	loop_run(loop);
	assert_in_range(loop_wakeups(loop) - before, 1, 3);
	assert_int_equal(watched.calls, 0);
	loop_timer_close(&timer, NULL);
	unwatch(&watched);
	close(ours);
	close(peer);
	close(listener);
}

static void poll_tells_an_error_as_all_wanted(void **state)
{
	int fds[2];
	struct watched watched;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	watch(&watched, fds[1], LOOP_HANGUP);
	close(fds[0]);
	watched.keep = -1; /* an owner that goes on asking is told again */
	expect_events(&watched, LOOP_HANGUP);
	expect_events(&watched, LOOP_HANGUP);
	watched.keep = 0;
	loop_poll_want(&watched.poll, LOOP_WRITABLE | LOOP_GONE);
	expect_events(&watched, LOOP_WRITABLE | LOOP_GONE);
	int calls = watched.calls;
	for (int i = 0; i < 5; i++)
		loop_turn(loop);
	assert_int_equal(watched.calls, calls);
	unwatch(&watched);
	close(fds[1]);
}

static void poll_refuses_what_cannot_be_polled(void **state)
{
	struct loop_poll poll;
	struct watched watched;
	int fds[2];
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(loop_poll_init(&poll, loop, fileno(file), on_ready), -EPERM);
	assert_int_equal(loop_poll_check(loop, fileno(file)), -EPERM);
	fclose(file);
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE);
	assert_int_equal(loop_poll_init(&poll, loop, fds[0], on_ready), -EEXIST);
	assert_int_equal(loop_poll_check(loop, fds[1]), 0);
	assert_int_equal(loop_poll_check(loop, -1), -EBADF);
	unwatch(&watched);
	close(fds[0]);
	close(fds[1]);
}

/* A descriptor that is closed right after loop_poll_close() and comes back as another file. */
static void poll_survives_reuse_of_its_descriptor(void **state)
{
	for (int i = 0; i < 100; i++) {
		int fds[2], again[2];
		struct watched before, after;
		make_pair(fds);
		assert_int_equal(write(fds[1], "x", 1), 1);
		watch(&before, fds[0], LOOP_READABLE | LOOP_HANGUP);
		if (i % 2 == 0)
			loop_turn(loop); /* registered with the kernel, or not yet */
		int held = dup(fds[0]);  /* keeps the open file, which epoll is about */
		loop_poll_close(&before.poll, on_poll_closed);
		close(fds[0]);
		make_pair(again);
		assert_int_equal(again[0], fds[0]);
		watch(&after, again[0], LOOP_READABLE);
		int calls = before.calls;
		for (int turn = 0; turn < 3; turn++)
			loop_turn(loop);
		assert_int_equal(before.calls, calls);
		assert_int_equal(before.closed, 1);
		assert_int_equal(after.calls, 0);
		assert_int_equal(write(again[1], "x", 1), 1);
		expect_events(&after, LOOP_READABLE);
		unwatch(&after);
		close(again[0]);
		close(again[1]);
		close(fds[1]);
		close(held);
	}
}

static void close_in_callback(struct loop_poll *poll, int events)
{
	struct watched *watched = container_of(poll, struct watched, poll);
	watched->calls++;
	loop_poll_close(poll, on_poll_closed);
	close(poll->fd);
	loop_stop(loop);
}

static void poll_may_close_in_its_callback(void **state)
{
	int fds[2];
	struct watched watched = {0};
	make_pair(fds);
	close(fds[1]);
	assert_int_equal(loop_poll_init(&watched.poll, loop, fds[0], close_in_callback), 0);
	loop_poll_want(&watched.poll, LOOP_READABLE);
	loop_run(loop);
	loop_drain(loop);
	assert_int_equal(watched.calls, 1);
	assert_int_equal(watched.closed, 1);
}

/* ---- timers and tasks ------------------------------------------------------------------------ */

static int expired_count;
static uint64_t expired_at;

static uint64_t real_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_expired(struct loop_timer *timer)
{
	expired_count++;
	expired_at = loop_now_ms(loop);
	loop_stop(loop);
}

static void timer_expires_once(void **state)
{
	struct loop_timer timer;
	expired_count = 0;
	loop_timer_init(&timer, loop, on_expired);
	assert_false(loop_timer_is_active(&timer));
	loop_timer_start(&timer, 100000);
	assert_true(loop_timer_is_active(&timer));
	/* Time passes between turns; a timer must not be early by it. */
	uint64_t start = loop_now_ms(loop);
	while (real_ms() < start + 50)
		;
	loop_timer_start(&timer, 20);
	loop_run(loop);
	assert_int_equal(expired_count, 1);
	assert_in_range(expired_at - start, 69, 2000); /* libuv's clock may be 1 ms behind */
	while (real_ms() < expired_at + 50)
		;
	assert_in_range(loop_now_ms(loop) - expired_at, 49, 2000);
	assert_false(loop_timer_is_active(&timer));
	loop_timer_start(&timer, 1);
	loop_timer_stop(&timer);
	assert_false(loop_timer_is_active(&timer));
	loop_timer_start(&timer, 100000);
	loop_timer_close(&timer, NULL);
	loop_drain(loop);
	assert_int_equal(expired_count, 1);
}

enum { MANY = 10000 };

static void count_expired(struct loop_timer *timer)
{
	if (++expired_count == MANY)
		loop_stop(loop);
}

static int closed_count;

static void count_closed(struct loop_timer *timer)
{
	closed_count++;
}

static void many_timers(void **state)
{
	struct loop_timer *timers = calloc(MANY, sizeof(*timers));
	expired_count = closed_count = 0;
	for (int i = 0; i < MANY; i++) {
		loop_timer_init(&timers[i], loop, count_expired);
		loop_timer_start(&timers[i], (uint64_t)(i * 7919 % 50));
	}
	loop_run(loop);
	assert_int_equal(expired_count, MANY);
	for (int i = 0; i < MANY; i++)
		loop_timer_close(&timers[i], count_closed);
	assert_int_equal(closed_count, 0);
	loop_drain(loop);
	assert_int_equal(closed_count, MANY);
	free(timers);
}

struct counted_task {
	struct loop_task task;
	int runs;
	int again;
	struct loop_task *cancels;
};

static void on_task(struct loop_task *task)
{
	struct counted_task *counted = container_of(task, struct counted_task, task);
	counted->runs++;
	if (counted->cancels != NULL)
		loop_task_cancel(counted->cancels);
	if (counted->again-- > 0)
		loop_task_post(task);
	else
		loop_stop(loop);
}

static void task_runs_once_and_later(void **state)
{
	struct counted_task counted = {0}, other = {0};
	loop_task_init(&counted.task, loop, on_task);
	loop_task_init(&other.task, loop, on_task);
	loop_task_post(&counted.task);
	loop_task_post(&other.task);
	loop_task_post(&counted.task);
	assert_int_equal(counted.runs, 0);
	loop_run(loop);
	loop_turn(loop);
	assert_int_equal(counted.runs, 1);
	assert_int_equal(other.runs, 1);
	loop_task_post(&counted.task);
	loop_task_cancel(&counted.task);
	loop_task_cancel(&counted.task);
	for (int i = 0; i < 3; i++)
		loop_turn(loop);
	assert_int_equal(counted.runs, 1);
}

static void many_tasks(void **state)
{
	struct counted_task *tasks = calloc(MANY, sizeof(*tasks));
	for (int i = 0; i < MANY; i++) {
		loop_task_init(&tasks[i].task, loop, on_task);
		tasks[i].again = 1;
		/* every even one cancels its odd neighbour, which is in the same batch */
		tasks[i].cancels = i % 2 == 0 ? &tasks[i + 1].task : NULL;
		loop_task_post(&tasks[i].task);
	}
	loop_drain(loop);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(tasks[i].runs, i % 2 == 0 ? 2 : 0);
	free(tasks);
}

/* A task that posts itself for ever must not keep a descriptor waiting. */
static void task_does_not_starve_input(void **state)
{
	int fds[2];
	struct watched watched;
	struct counted_task counted = {.again = 1000000};
	make_pair(fds);
	watch(&watched, fds[0], LOOP_WRITABLE);
	loop_task_init(&counted.task, loop, on_task);
	loop_task_post(&counted.task);
	loop_run(loop);
	assert_int_equal(watched.calls, 1);
	assert_in_range(counted.runs, 1, 10);
	loop_task_cancel(&counted.task);
	unwatch(&watched);
	close(fds[0]);
	close(fds[1]);
}

struct posting_timer {
	struct loop_timer timer;
	struct counted_task counted;
};

static void post_task(struct loop_timer *timer)
{
	loop_task_post(&container_of(timer, struct posting_timer, timer)->counted.task);
}

/* libuv runs timers just before it sleeps: what they post must run before that. */
static void task_posted_by_a_timer_runs(void **state)
{
	struct posting_timer posting = {0};
	loop_task_init(&posting.counted.task, loop, on_task);
	loop_timer_init(&posting.timer, loop, post_task);
	loop_timer_start(&posting.timer, 0);
	loop_run(loop);
	assert_int_equal(posting.counted.runs, 1);
	loop_timer_close(&posting.timer, NULL);
	loop_drain(loop);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static void an_idle_loop_does_not_wake_up(void **state)
{
	int fds[2];
	struct watched watched;
	struct loop_timer timer;
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE | LOOP_HANGUP);
	expired_count = 0;
	loop_timer_init(&timer, loop, on_expired);
	loop_timer_start(&timer, 300);
	uint64_t before = loop_wakeups(loop);
	loop_run(loop);
	assert_int_equal(expired_count, 1);
	/* One for the timer; libuv may find itself up to 1 ms early once. */
	assert_in_range(loop_wakeups(loop) - before, 1, 2);
	loop_timer_close(&timer, NULL);
	unwatch(&watched);
	close(fds[0]);
	close(fds[1]);
}

static void run_ends_by_stop_only(void **state)
{
	struct loop_timer timer;
	expired_count = 0;
	loop_stop(loop);
	loop_run(loop); /* stopped before it began */
	loop_timer_init(&timer, loop, on_expired);
	loop_timer_start(&timer, 5);
	loop_run(loop);
	assert_int_equal(expired_count, 1);
	loop_timer_close(&timer, NULL);
	loop_drain(loop);
}

static void drain_gives_up_when_told(void **state)
{
	int fds[2];
	struct watched watched;
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE);
	assert_int_equal(loop_drain_within(loop, 20), -ETIMEDOUT);
	loop_poll_close(&watched.poll, on_poll_closed);
	assert_int_equal(loop_drain_within(loop, 20000), 0);
	assert_int_equal(watched.closed, 1);
	close(fds[0]);
	close(fds[1]);
}

/* ---- nested ---------------------------------------------------------------------------------- */

/* The foreign loop: waits for loop_fd() and turns; returns how often it woke up. */
static int foreign_wait(int epoll_fd, bool (*finished)(void), int limit_ms)
{
	int wakes = 0;
	while (!finished()) {
		struct epoll_event event;
		int n = epoll_wait(epoll_fd, &event, 1, limit_ms);
		if (n == 0)
			return -1;
		wakes++;
		loop_turn(loop);
	}
	return wakes;
}

static int nest(void)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int fd = loop_fd(loop);
	assert_true(fd >= 0);
	assert_int_equal(loop_fd(loop), fd);
	struct epoll_event event = {.events = EPOLLIN};
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll_fd;
}

static bool has_expired(void)
{
	return expired_count > 0;
}

static bool is_quiet(int epoll_fd)
{
	struct epoll_event event;
	return epoll_wait(epoll_fd, &event, 1, 0) == 0;
}

static void nested_timer_wakes_the_foreign_loop(void **state)
{
	struct loop_timer timer;
	int epoll_fd = nest();
	loop_timer_init(&timer, loop, on_expired);
	for (int i = 0; i < 3; i++) {
		expired_count = 0;
		uint64_t start = loop_now_ms(loop);
		loop_timer_start(&timer, 30); /* outside of a turn, and no turn follows */
		int wakes = foreign_wait(epoll_fd, has_expired, 5000);
		assert_in_range(wakes, 1, 4);
		assert_in_range(expired_at - start, 30, 2000);
		assert_true(is_quiet(epoll_fd));
	}
	/* Stopped: silent. A far one: silent for now. */
	loop_timer_start(&timer, 100000);
	loop_turn(loop);
	assert_true(is_quiet(epoll_fd));
	loop_timer_stop(&timer);
	loop_timer_close(&timer, NULL);
	loop_turn(loop);
	loop_turn(loop);
	assert_true(is_quiet(epoll_fd));
	close(epoll_fd);
}

static struct watched *nested_watched;

static bool has_event(void)
{
	return nested_watched->calls > 0;
}

static void nested_descriptor_and_task_wake_the_foreign_loop(void **state)
{
	int fds[2];
	struct watched watched;
	int epoll_fd = nest();
	loop_turn(loop);
	assert_true(is_quiet(epoll_fd));
	make_pair(fds);
	watch(&watched, fds[0], LOOP_READABLE);
	assert_false(is_quiet(epoll_fd)); /* a turn is needed to register it */
	loop_turn(loop);
	assert_true(is_quiet(epoll_fd));
	assert_int_equal(write(fds[1], "x", 1), 1);
	nested_watched = &watched;
	assert_int_equal(foreign_wait(epoll_fd, has_event, 5000), 1);
	loop_turn(loop);
	assert_true(is_quiet(epoll_fd));

	struct counted_task counted = {.again = 100};
	loop_task_init(&counted.task, loop, on_task);
	loop_task_post(&counted.task);
	assert_false(is_quiet(epoll_fd));
	while (!is_quiet(epoll_fd))
		loop_turn(loop);
	assert_int_equal(counted.runs, 101);
	unwatch(&watched);
	close(fds[0]);
	close(fds[1]);
	close(epoll_fd);
}

static void turn_in_callback(struct loop_task *task)
{
	loop_turn(loop);
	on_task(task);
}

static void turn_within_a_callback_does_nothing(void **state)
{
	struct counted_task counted = {0};
	loop_task_init(&counted.task, loop, turn_in_callback);
	loop_task_post(&counted.task);
	loop_turn(loop);
	assert_int_equal(counted.runs, 1);
}

/* ---- signals and names ----------------------------------------------------------------------- */

static int received_number;

static void on_signal(struct loop_signal *received, int number)
{
	received_number = number;
	loop_stop(loop);
}

static void signal_is_received(void **state)
{
	struct loop_signal usr1;
	assert_int_equal(loop_signal_init(&usr1, loop, SIGKILL, on_signal), -EINVAL);
	assert_int_equal(loop_signal_init(&usr1, loop, 4711, on_signal), -EINVAL);
	assert_int_equal(loop_signal_init(&usr1, loop, SIGUSR1, on_signal), 0);
	raise(SIGUSR1);
	loop_run(loop);
	assert_int_equal(received_number, SIGUSR1);
	loop_signal_close(&usr1, NULL);
	loop_drain(loop);
}

struct question {
	struct loop_resolve resolve;
	int status;
	int answers;
	int closed;
	char text[64];
};

static void on_resolved(struct loop_resolve *resolve, int status, const struct addrinfo *list)
{
	struct question *question = container_of(resolve, struct question, resolve);
	question->status = status;
	question->answers++;
	if (status == 0)
		getnameinfo(list->ai_addr, list->ai_addrlen, question->text, sizeof(question->text),
			NULL, 0, NI_NUMERICHOST);
	loop_stop(loop);
}

static void on_resolve_closed(struct loop_resolve *resolve)
{
	container_of(resolve, struct question, resolve)->closed++;
}

static const struct addrinfo passive = {
	.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
static const struct addrinfo numeric = {
	.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};

static void ask(struct question *question, const char *host, const struct addrinfo *hints)
{
	*question = (struct question){0};
	assert_int_equal(
		loop_resolve_start(&question->resolve, loop, host, "80", hints, on_resolved), 0);
}

static void names_are_resolved(void **state)
{
	static const struct {
		const char *host;
		const struct addrinfo *hints;
		const char *answer;
	} cases[] = {
		{"127.0.0.2", &numeric, "127.0.0.2"},
		{"", &passive, "0.0.0.0"},
		{NULL, &passive, "0.0.0.0"},
		{NULL, &numeric, "127.0.0.1"},
	};
	struct question question;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(&question, cases[i].host, cases[i].hints);
		loop_run(loop);
		assert_int_equal(question.status, 0);
		assert_string_equal(question.text, cases[i].answer);
	}
	ask(&question, "not a number", &numeric);
	loop_run(loop);
	assert_int_equal(question.status, EAI_NONAME);
}

static void a_cancelled_question_is_not_answered(void **state)
{
	struct question question;
	ask(&question, "127.0.0.1", &numeric);
	loop_resolve_cancel(&question.resolve, on_resolve_closed);
	assert_int_equal(question.closed, 0);
	loop_drain(loop);
	assert_int_equal(question.closed, 1);
	assert_int_equal(question.answers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			poll_tells_what_is_wanted_and_there, setup, teardown),
		cmocka_unit_test_setup_teardown(poll_wanting_nothing_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(
			poll_tells_half_close_and_then_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			poll_takes_no_urgent_data_for_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(poll_tells_an_error_as_all_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			poll_refuses_what_cannot_be_polled, setup, teardown),
		cmocka_unit_test_setup_teardown(
			poll_survives_reuse_of_its_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(poll_may_close_in_its_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(timer_expires_once, setup, teardown),
		cmocka_unit_test_setup_teardown(many_timers, setup, teardown),
		cmocka_unit_test_setup_teardown(task_runs_once_and_later, setup, teardown),
		cmocka_unit_test_setup_teardown(many_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(task_does_not_starve_input, setup, teardown),
		cmocka_unit_test_setup_teardown(task_posted_by_a_timer_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_loop_does_not_wake_up, setup, teardown),
		cmocka_unit_test_setup_teardown(run_ends_by_stop_only, setup, teardown),
		cmocka_unit_test_setup_teardown(drain_gives_up_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nested_timer_wakes_the_foreign_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nested_descriptor_and_task_wake_the_foreign_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(
			turn_within_a_callback_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(signal_is_received, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_resolved, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_cancelled_question_is_not_answered, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
