/* guest/stdio: programs whose standard input and output are the port. */
#include "fake_guest_device.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

static pid_t start(struct fake_device *device, const char *command)
{
	int in, out;
	guest_stdio_child_ends(device->port, &in, &out);
	assert_true(in >= 0 && out >= 0);
	assert_int_equal(fcntl(in, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(out, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(in, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(out, F_GETFL) & O_NONBLOCK, 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(in, 0);
		dup2(out, 1);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	guest_stdio_child_started(device->port);
	return pid;
}

static void reap(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct fake_device *opened(void)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	device->params.runtime_dir = NULL;
	fake_open(device, GUEST_PORT_STDIO);
	fake_assert_idle(device);
	assert_int_equal(device->streams, 0); /* none before a child runs */
	return device;
}

static void bytes_flow_and_children_follow_one_another(void **state)
{
	struct fake_device *device = opened();
	for (unsigned i = 1; i <= 20; i++) {
		int in, out;
		pid_t pid = start(device, "exec cat");
		fake_until(device, device->arrivals == i);
		assert_int_equal(device->streams, i);
		guest_stdio_child_ends(device->port, &in, &out);
		assert_int_equal(in, -1);
		assert_int_equal(out, -1);
		assert_int_equal(fake_type(device, "hello"), 5);
		fake_until(device, device->received == 5);
		assert_memory_equal(device->kept, "hello", 5);
		if (i == 1)
			fake_assert_idle(device);
		kill(pid, SIGKILL);
		reap(pid);
		fake_until(device, device->departures == i);
		assert_int_equal(device->gones, i);
		fake_forget(device);
	}
	fake_assert_idle(device);
	fake_free(device);
}

static void all_output_comes_before_the_end(void **state)
{
	struct fake_device *device = opened();
	device->no_start = true;
	pid_t pid = start(device, "head -c 900000 /dev/zero; echo end");
	fake_until(device, device->present);
	reap(pid); /* it has written all of it: the pipe holds 1 MiB */
	fake_assert_idle(device);
	assert_true(device->present);
	stream_read_start(device->stream);
	fake_until(device, !device->present);
	assert_int_equal(device->received, 900004);
	assert_memory_equal(device->kept + 900000, "end\n", 4);
	fake_free(device);
}

/* SIGPIPE keeps its default action here: a raised one would end this process. */
static void a_child_that_closed_its_input_raises_no_signal(void **state)
{
	struct fake_device *device = opened();
	pid_t pid = start(device, "exec 0<&-; echo ready; exec sleep 1000");
	fake_until(device, device->received == 6);
	assert_int_equal(fake_type(device, "x"), -EPIPE);
	stream_read_stop(device->stream);
	fake_assert_idle(device);
	stream_read_start(device->stream);
	assert_true(device->present); /* its output goes on */
	kill(pid, SIGKILL);
	reap(pid);
	fake_until(device, !device->present);
	fake_free(device);
}

static void a_port_is_closed_in_every_state(void **state)
{
	struct fake_device *device = opened();
	fake_close_port(device); /* never started */
	fake_open(device, GUEST_PORT_STDIO);
	pid_t pid = start(device, "exec cat");
	fake_close_port(device); /* started, not handed out */
	reap(pid);               /* cat met the end of its input */
	fake_open(device, GUEST_PORT_STDIO);
	pid = start(device, "exec cat");
	fake_until(device, device->present);
	fake_close_port(device);
	reap(pid);
	fake_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_flow_and_children_follow_one_another),
		cmocka_unit_test(all_output_comes_before_the_end),
		cmocka_unit_test(a_child_that_closed_its_input_raises_no_signal),
		cmocka_unit_test(a_port_is_closed_in_every_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
