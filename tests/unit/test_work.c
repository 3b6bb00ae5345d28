/* loop/work.c: jobs on threads, and what hangs there. */
#include "test.h"

#include "fail.h"
#include "loop/loop.h"
#include "util/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct loop *loop;
static int done_count;

struct counted_job {
	struct loop_job job;
	pthread_t ran_on;
	sigset_t blocked;
	int done;
	int order;
	int again;
};

static int setup(void **state)
{
	fail_reset();
	done_count = 0;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	loop = loop_free(loop);
	return 0;
}

static void look_around(struct loop_job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);
	counted->ran_on = pthread_self();
	pthread_sigmask(SIG_BLOCK, NULL, &counted->blocked);
}

static void on_done(struct loop_job *job)
{
	struct counted_job *counted = container_of(job, struct counted_job, job);
	counted->done++;
	counted->order = done_count++;
	if (counted->again-- > 0)
		assert_int_equal(loop_job_submit(job, loop, look_around, on_done), 0);
	loop_stop(loop);
}

static void submit(struct counted_job *counted)
{
	*counted = (struct counted_job){.again = counted->again};
	assert_int_equal(loop_job_submit(&counted->job, loop, look_around, on_done), 0);
}

static void wait_done(const struct counted_job *counted, int n)
{
	while (counted->done < n)
		loop_run(loop);
}

static void a_job_runs_elsewhere_and_ends_here(void **state)
{
	struct counted_job job = {.again = 2};
	submit(&job);
	assert_int_equal(job.done, 0);
	wait_done(&job, 3);
	assert_false(pthread_equal(job.ran_on, pthread_self()));
	for (int number = 1; number < SIGRTMAX; number++) {
		if (number != SIGKILL && number != SIGSTOP && (number < 32 || number >= SIGRTMIN))
			assert_int_equal(sigismember(&job.blocked, number), 1);
	}
	/* Our own signals are as they were. */
	sigset_t here;
	pthread_sigmask(SIG_BLOCK, NULL, &here);
	assert_int_equal(sigismember(&here, SIGTERM), 0);
	assert_int_equal(fail_count(FAIL_PTHREAD_CREATE), 1);
}

static void an_idle_thread_is_used_and_then_ends(void **state)
{
	struct counted_job job = {0};
	submit(&job);
	wait_done(&job, 1);
	assert_int_equal(fail_count(FAIL_PTHREAD_CREATE), 1);
	fail_from(FAIL_PTHREAD_COND_CLOCKWAIT, 1, ETIMEDOUT); /* the idle time is over at once */
	submit(&job);
	wait_done(&job, 1);
	assert_int_equal(fail_count(FAIL_PTHREAD_CREATE), 1);
	submit(&job);
	wait_done(&job, 1);
	assert_int_equal(fail_count(FAIL_PTHREAD_CREATE), 2);
}

enum { MANY = 10000 };

static void many_jobs(void **state)
{
	struct counted_job *jobs = calloc(MANY, sizeof(*jobs));
	for (int i = 0; i < MANY; i++)
		submit(&jobs[i]);
	loop_drain(loop);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(jobs[i].done, 1);
	assert_in_range(fail_count(FAIL_PTHREAD_CREATE), 1, LOOP_MAX_THREADS);
	free(jobs);
}

/* ---- jobs that hang: a write to a full pipe -------------------------------------------------- */

static int full_pipe[2];

static void fill_again(void)
{
	static char bytes[4096];
	fcntl(full_pipe[1], F_SETFL, O_NONBLOCK);
	while (write(full_pipe[1], bytes, sizeof(bytes)) > 0)
		;
	fcntl(full_pipe[1], F_SETFL, 0);
}

static void fill_pipe(void)
{
	assert_int_equal(pipe2(full_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	fill_again();
}

static void empty_pipe(void)
{
	char bytes[4096];
	while (read(full_pipe[0], bytes, sizeof(bytes)) > 0)
		;
}

static atomic_int began;

static void hang(struct loop_job *job)
{
	static const char page[4096];
	began++;
	while (write(full_pipe[1], page, sizeof(page)) < 0 && errno == EINTR)
		;
}

static void submit_hanging(struct counted_job *counted)
{
	*counted = (struct counted_job){0};
	assert_int_equal(loop_job_submit(&counted->job, loop, hang, on_done), 0);
}

static void wait_for_hanging(int n)
{
	while (began < n)
		sched_yield();
}

static void a_job_that_hangs_stops_no_other(void **state)
{
	enum { HANGING = LOOP_MAX_THREADS - 1 };
	struct counted_job hanging[HANGING], job = {0}, last = {0};
	began = 0;
	fill_pipe();
	for (int i = 0; i < HANGING; i++)
		submit_hanging(&hanging[i]);
	wait_for_hanging(HANGING);
	for (int i = 0; i < 10; i++) {
		submit(&job);
		wait_done(&job, 1);
	}
	assert_int_equal(done_count, 10);

	/* With no thread left, a job waits for one of those that hang. */
	struct counted_job one_more;
	submit_hanging(&one_more);
	wait_for_hanging(HANGING + 1);
	submit(&last);
	assert_int_equal(loop_drain_within(loop, 20), -ETIMEDOUT);
	assert_int_equal(fail_count(FAIL_PTHREAD_CREATE), LOOP_MAX_THREADS);
	assert_int_equal(last.done, 0);
	while (last.done == 0 || done_count < 10 + LOOP_MAX_THREADS + 1) {
		empty_pipe();
		loop_turn(loop);
	}
	close(full_pipe[0]);
	close(full_pipe[1]);
}

/* Idle threads that are spoken for by jobs that will hang: the next job needs another. */
static void an_idle_thread_is_not_promised_twice(void **state)
{
	enum { HANGING = 20 };
	struct counted_job hanging[HANGING], job = {0};
	submit(&job);
	wait_done(&job, 1);
	fill_pipe();
	for (int i = 0; i < HANGING; i++)
		submit_hanging(&hanging[i]);
	submit(&job);
	wait_done(&job, 1);
	assert_int_equal(done_count, 2);
	for (int i = 0; i < HANGING; i++) {
		while (hanging[i].done == 0) {
			empty_pipe();
			loop_turn(loop);
		}
	}
	close(full_pipe[0]);
	close(full_pipe[1]);
}

static void the_process_ends_while_a_job_hangs(void **state)
{
	fill_pipe();
	for (int with_free = 0; with_free < 2; with_free++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			static struct counted_job hanging;
			alarm(20); /* a child that does not end is ended by this, and seen */
			began = 0;
			struct loop *own;
			if (loop_new(&own) < 0)
				_exit(2);
			if (loop_job_submit(&hanging.job, own, hang, on_done) < 0)
				_exit(3);
			wait_for_hanging(1);
			if (loop_drain_within(own, 1) != -ETIMEDOUT)
				_exit(4);
			if (with_free)
				loop_free(own);
			exit(0);
		}
		int status = -1;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	close(full_pipe[0]);
	close(full_pipe[1]);
}

static int count_threads(void)
{
	int threads = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
		threads += entry->d_name[0] != '.';
	closedir(tasks);
	return threads;
}

static int threads_at_start; /* a sanitizer may have its own */

static void wait_for_end_of_threads(void)
{
	while (count_threads() > threads_at_start)
		sched_yield();
}

static void a_thread_may_end_after_its_loop(void **state)
{
	static struct counted_job hanging;
	struct counted_job job = {0};
	began = 0;
	fill_pipe();
	submit_hanging(&hanging);
	wait_for_hanging(1);
	submit(&job);
	wait_done(&job, 1);
	struct loop *own = loop;
	loop = NULL;
	loop_free(own); /* also ends the idle thread, but not the one that hangs */
	empty_pipe();
	wait_for_end_of_threads(); /* the last frees the pool, as LeakSanitizer sees */
	assert_int_equal(hanging.done, 0);
	close(full_pipe[0]);
	close(full_pipe[1]);
	assert_int_equal(loop_new(&loop), 0);
}

/* ---- a name server that is silent ------------------------------------------------------------ */

/* Stands in for the C library's. */
int getaddrinfo(const char *restrict host, const char *restrict service,
	const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
	hang(NULL);
	return EAI_AGAIN;
}

static int answers, closings;

static void on_resolved(struct loop_resolve *resolve, int status, const struct addrinfo *list)
{
	assert_int_equal(status, EAI_AGAIN);
	assert_null(list);
	answers++;
	loop_stop(loop);
}

static void on_resolve_closed(struct loop_resolve *resolve)
{
	closings++;
	loop_stop(loop);
}

static void a_silent_name_server_holds_up_nobody(void **state)
{
	struct loop_resolve resolve, patient;
	answers = closings = 0;
	began = 0;
	fill_pipe();
	assert_int_equal(
		loop_resolve_start(&resolve, loop, "example.net", "1", NULL, on_resolved), 0);
	wait_for_hanging(1);
	loop_resolve_cancel(&resolve, on_resolve_closed);
	loop_drain(loop);
	assert_int_equal(closings, 1);
	/* Its memory is free for another question, whose answer comes. */
	assert_int_equal(
		loop_resolve_start(&resolve, loop, "example.net", "1", NULL, on_resolved), 0);
	assert_int_equal(
		loop_resolve_start(&patient, loop, "example.net", "1", NULL, on_resolved), 0);
	wait_for_hanging(3);
	while (answers < 2) {
		empty_pipe();
		loop_turn(loop);
	}
	/* And a loop may end while a question hangs. */
	fill_again();
	assert_int_equal(
		loop_resolve_start(&resolve, loop, "example.net", "1", NULL, on_resolved), 0);
	wait_for_hanging(4);
	loop_resolve_cancel(&resolve, on_resolve_closed);
	loop_drain(loop);
	loop = loop_free(loop);
	empty_pipe();
	wait_for_end_of_threads();
	assert_int_equal(answers, 2);
	close(full_pipe[0]);
	close(full_pipe[1]);
}

/* ---- no threads ------------------------------------------------------------------------------ */

static void without_threads_a_job_is_refused(void **state)
{
	struct counted_job job = {0};
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	assert_int_equal(loop_job_submit(&job.job, loop, look_around, on_done), -EAGAIN);
	loop_drain(loop);
	assert_int_equal(job.done, 0);
	submit(&job);
	wait_done(&job, 1);

	struct loop_resolve resolve;
	fail_from(FAIL_PTHREAD_COND_CLOCKWAIT, 1, ETIMEDOUT);
	submit(&job);
	wait_done(&job, 1);
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	assert_int_equal(loop_resolve_start(&resolve, loop, "127.0.0.1", "1", NULL, NULL), -EAGAIN);
}

static void without_another_thread_a_job_waits(void **state)
{
	struct counted_job hanging, job = {0};
	began = 0;
	fill_pipe();
	submit_hanging(&hanging);
	wait_for_hanging(1);
	fail_nth(FAIL_PTHREAD_CREATE, 1, EAGAIN);
	submit(&job);
	assert_int_equal(loop_drain_within(loop, 5), -ETIMEDOUT);
	assert_int_equal(job.done, 0);
	empty_pipe();
	loop_drain(loop);
	assert_int_equal(job.done, 1);
	assert_int_equal(hanging.done, 1);
	close(full_pipe[0]);
	close(full_pipe[1]);
}

static void making_a_loop_may_fail(void **state)
{
	struct loop *other = NULL;
	for (int n = 1; n <= 2; n++) {
		fail_nth(FAIL_CALLOC, n, ENOMEM);
		assert_int_equal(loop_new(&other), -ENOMEM);
		assert_null(other);
	}
	fail_reset();
	fail_nth(FAIL_TIMERFD_CREATE, 1, EMFILE);
	assert_int_equal(loop_fd(loop), -EMFILE);
	fail_nth(FAIL_EPOLL_CREATE1, 1, EMFILE);
	assert_int_equal(loop_fd(loop), -EMFILE);
	assert_true(loop_fd(loop) >= 0);
}

#define work_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	threads_at_start = count_threads();
	const struct CMUnitTest tests[] = {
		work_test(a_job_runs_elsewhere_and_ends_here),
		work_test(an_idle_thread_is_used_and_then_ends),
		work_test(many_jobs),
		work_test(a_job_that_hangs_stops_no_other),
		work_test(an_idle_thread_is_not_promised_twice),
		work_test(the_process_ends_while_a_job_hangs),
		work_test(a_thread_may_end_after_its_loop),
		work_test(a_silent_name_server_holds_up_nobody),
		work_test(without_threads_a_job_is_refused),
		work_test(without_another_thread_a_job_waits),
		work_test(making_a_loop_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
