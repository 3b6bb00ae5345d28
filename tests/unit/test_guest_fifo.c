/* guest/fifo: a pair of FIFOs and VMMs that open both read-write, die and come back. */
#include "fake_guest_device.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* The VMM, in this process, as QEMU opens it. */
struct vmm {
	int in;
	int out;
};

static struct vmm vmm_start(struct fake_device *device)
{
	struct vmm vmm;
	vmm.in = open(fake_path(device, "serial0.in"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	vmm.out = open(fake_path(device, "serial0.out"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(vmm.in >= 0 && vmm.out >= 0);
	return vmm;
}

static void vmm_stop(struct vmm *vmm)
{
	close(vmm->in);
	close(vmm->out);
}

static void vmm_says(struct vmm *vmm, const char *text)
{
	assert_int_equal(write(vmm->out, text, strlen(text)), strlen(text));
}

static void assert_vmm_reads(struct vmm *vmm, const char *text)
{
	char bytes[256];
	assert_int_equal(read(vmm->in, bytes, sizeof(bytes)), strlen(text));
	assert_memory_equal(bytes, text, strlen(text));
	assert_int_equal(read(vmm->in, bytes, sizeof(bytes)), -1);
	assert_int_equal(errno, EAGAIN);
}

static void bytes_flow_both_ways(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	fake_until(device, device->streams == 1);
	struct stat st;
	assert_int_equal(stat(fake_path(device, "serial0.in"), &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	assert_int_equal(stat(fake_path(device, "serial0.out"), &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);

	assert_int_equal(fake_type(device, "early "), 6); /* kept for the VMM that comes */
	struct vmm vmm = vmm_start(device);
	fake_until(device, device->present); /* without a byte */
	assert_int_equal(fcntl(vmm.out, F_GETPIPE_SZ), 1 << 20);
	assert_int_equal(fcntl(vmm.in, F_GETPIPE_SZ), 1 << 16);
	vmm_says(&vmm, "hello");
	fake_until(device, device->received == 5);
	assert_memory_equal(device->kept, "hello", 5);
	assert_int_equal(fake_type(device, "root\n"), 5);
	assert_vmm_reads(&vmm, "early root\n");
	struct stream_signal signal = {STREAM_SIGNAL_BREAK};
	assert_int_equal(stream_signal(device->stream, &signal), -EOPNOTSUPP);
	vmm_stop(&vmm);
	fake_until(device, !device->present);
	assert_int_equal(device->states, 0);
	fake_free(device);
}

static void the_witness_is_the_first_byte(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	uint8_t bytes[5000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 3);
	size_t sent = 0;
	for (size_t n = 1; n < 60; n++) {
		assert_int_equal(write(vmm.out, bytes + sent, n), n);
		sent += n;
		if (n % 4 == 0)
			fake_until(device, device->received == sent);
	}
	device->room = 7; /* less than there is: the intent is cut to it */
	assert_int_equal(write(vmm.out, bytes + sent, 100), 100);
	sent += 100;
	fake_until(device, device->received == sent);
	assert_memory_equal(device->kept, bytes, sent);
	assert_true(device->intents >= 14 + 100 / 7);
	assert_int_equal(device->broken_intents, 0);
	vmm_stop(&vmm);
	fake_free(device);
}

static void nothing_happens_while_idle(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	fake_until(device, device->streams == 1);
	fake_assert_idle(device);
	for (unsigned i = 1; i <= 2; i++) {
		struct vmm vmm = vmm_start(device);
		fake_until(device, device->arrivals == i);
		vmm_says(&vmm, "x");
		fake_until(device, device->received == i);
		fake_assert_idle(device);
		stream_read_stop(device->stream);
		vmm_says(&vmm, "y"); /* unread, and still no wake-up */
		fake_assert_idle(device);
		vmm_stop(&vmm);
		fake_assert_idle(device); /* the hang-up stays, too */
		assert_int_equal(device->departures, i - 1);
		fake_forget(device);
		stream_read_start(device->stream);
		fake_until(device, device->departures == i);
		assert_int_equal(device->received, 1);
		device->received = i;
		fake_assert_idle(device);
	}
	/* Came and went before we looked, without a byte. */
	struct vmm vmm = vmm_start(device);
	vmm_stop(&vmm);
	fake_assert_idle(device);
	assert_false(device->present);
	fake_free(device);
}

static void what_a_dead_vmm_did_not_read_is_dropped(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	fake_until(device, device->present);
	assert_int_equal(fake_type(device, "rm -rf /\n"), 9);
	stream_read_stop(device->stream);
	vmm_says(&vmm, "last words");
	vmm_stop(&vmm);
	fake_assert_idle(device);
	/* Its output is unread yet, so the device was not told; what it types now is not taken. */
	assert_true(device->present);
	assert_int_equal(fake_type(device, "more"), 0);
	fake_assert_idle(device);
	assert_int_equal(device->writables, 0);
	stream_read_start(device->stream);
	fake_until(device, !device->present);
	assert_int_equal(device->received, 10);
	fake_until(device, device->writables == 1);
	struct guest_description description;
	device->port->ops->describe(device->port, &description);
	assert_int_equal(description.input_dropped, 9);
	assert_string_equal(description.path, fake_path(device, "serial0"));

	vmm = vmm_start(device);
	fake_until(device, device->present);
	assert_int_equal(fake_type(device, "login\n"), 6);
	assert_vmm_reads(&vmm, "login\n");
	vmm_stop(&vmm);
	fake_free(device);
}

/* The next VMM starts while the former one's output is still being held up by a reader. */
static void the_next_vmm_comes_before_the_old_one_is_read(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	fake_until(device, device->present);
	stream_read_stop(device->stream);
	vmm_says(&vmm, "old ");
	vmm_stop(&vmm);
	fake_assert_idle(device);
	vmm = vmm_start(device);
	vmm_says(&vmm, "new");
	fake_assert_idle(device);
	stream_read_start(device->stream);
	fake_until(device, device->departures == 1 && device->arrivals == 2);
	assert_int_equal(device->received, 7);
	assert_memory_equal(device->kept, "old new", 7);
	vmm_stop(&vmm);
	fake_until(device, device->departures == 2);
	fake_assert_idle(device);
	fake_free(device);
}

static void input_waits_for_the_vmm(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	fake_until(device, device->present);
	char bytes[5000];
	memset(bytes, 'i', sizeof(bytes));
	struct iovec iov = {bytes, sizeof(bytes)};
	size_t sent = 0;
	ssize_t n;
	while ((n = stream_write(device->stream, &iov, 1)) > 0)
		sent += (size_t)n;
	assert_int_equal(n, 0);
	assert_in_range(sent, 4096, 65536); /* bounded: what the FIFO holds */
	fake_assert_idle(device);
	assert_int_equal(device->writables, 0);
	assert_int_equal(read(vmm.in, bytes, sizeof(bytes)), sizeof(bytes));
	fake_until(device, device->writables == 1);
	fake_assert_idle(device);
	assert_true(fake_type(device, "more") == 4);
	vmm_stop(&vmm);
	fake_free(device);
}

/* ---- what is in the way ---------------------------------------------------------------------- */

static void assert_refused(struct fake_device *device, int code, const char *name)
{
	struct error err = {0};
	assert_int_equal(
		guest_ops_for(GUEST_PORT_FIFO)->open(&device->params, &device->port, &err), code);
	if (strstr(err.message, name) == NULL)
		fail_msg("%s is not named: %s", name, err.message);
	device->port = NULL;
}

static void a_file_in_the_way_is_refused_and_stays(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	const char *path = fake_path(device, "serial0.out");
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "mine", 4), 4);
	close(fd);
	assert_refused(device, -EEXIST, path);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(unlink(path), 0);
	/* The FIFO that was made before the refusal is gone again: fake_free() looks. */

	path = fake_path(device, "serial0.in");
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_refused(device, -EEXIST, path);
	assert_int_equal(unlink(path), 0);

	if (geteuid() == 0) {
		assert_int_equal(mkfifo(path, 0666), 0);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_refused(device, -EPERM, path);
		assert_int_equal(unlink(path), 0);
	} else {
		print_message("# another user's FIFO: skipped, only root can make one\n");
	}

	device->params.runtime_dir = "/nonexistent/chardev";
	assert_refused(device, -ENOENT, "/nonexistent/chardev/serial0.in");
	device->params.runtime_dir = NULL;
	assert_refused(device, -EINVAL, "runtime directory");
	char longer[GUEST_PATH_SIZE + 1];
	memset(longer, 'l', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	device->params.runtime_dir = longer;
	assert_refused(device, -ENAMETOOLONG, "serial0");
	device->params.runtime_dir = device->dir;
	device->config.alias = (char *)"../serial0";
	assert_refused(device, -EINVAL, "../serial0");
	fake_free(device);
}

/* A FIFO at a path that the user chose was there before us and stays after us. */
static void a_path_of_the_users_choice(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	char base[80], in[90], out[90];
	snprintf(base, sizeof(base), "%s/com1", device->dir);
	snprintf(in, sizeof(in), "%s.in", base);
	snprintf(out, sizeof(out), "%s.out", base);
	assert_int_equal(mkfifo(in, 0660), 0);
	device->config.extensions.guest.path = base;
	fake_open(device, GUEST_PORT_FIFO);
	assert_int_equal(access(out, F_OK), 0);
	fake_close_port(device);
	assert_int_equal(access(out, F_OK), -1);
	assert_int_equal(unlink(in), 0);
	fake_free(device);
}

/* A process that goes leaves the FIFOs, and the VMM's bytes, to the one that comes after it. */
static void bytes_wait_for_the_next_process(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	device->keep = true;
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	vmm_says(&vmm, "one ");
	fake_until(device, device->received == 4);
	stream_read_stop(device->stream);
	vmm_says(&vmm, "two ");
	fake_close_port(device);
	vmm_says(&vmm, "three");
	device->keep = false;
	device->present = false;
	fake_open(device, GUEST_PORT_FIFO);
	fake_until(device, device->present);
	fake_until(device, device->received == 13);
	assert_memory_equal(device->kept, "one two three", 13);
	vmm_stop(&vmm);
	fake_until(device, !device->present);
	/* Somebody else's file of that name is not ours to remove. */
	assert_int_equal(unlink(fake_path(device, "serial0.in")), 0);
	assert_int_equal(mkfifo(fake_path(device, "serial0.in"), 0600), 0);
	fake_close_port(device);
	assert_int_equal(unlink(fake_path(device, "serial0.in")), 0);
	fake_free(device);
}

/* Bytes without their writer, and no hang-up to tell: somebody else kept the FIFO open. */
static void a_writer_that_left_before_we_came_is_gone(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	const char *path = fake_path(device, "serial0.out");
	assert_int_equal(mkfifo(path, 0600), 0);
	int holder = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write(writer, "left", 4), 4);
	close(writer);
	fake_open(device, GUEST_PORT_FIFO);
	fake_until(device, device->departures == 1);
	assert_int_equal(device->received, 4);
	close(holder);
	fake_assert_idle(device);
	fake_free(device);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* In a process without privilege whose user holds as many large pipes as one may. */
static int run_with_full_quota(struct fake_device *device)
{
	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 77;
	int fds[2], pipes = 0;
	while (pipes < 400 && pipe2(fds, O_CLOEXEC) == 0 &&
		fcntl(fds[0], F_SETPIPE_SZ, 1 << 20) >= 0)
		pipes++;
	if (pipes == 400)
		return 77;
	fake_open(device, GUEST_PORT_FIFO);
	struct vmm vmm = vmm_start(device);
	vmm_says(&vmm, "x");
	fake_until(device, device->received == 1);
	bool told = device->states == 1 && device->failure == 0 &&
		    strstr(device->reason, "not enlarged") != NULL;
	fake_assert_idle(device);
	return told ? 0 : 1;
}

static void a_refused_pipe_size_is_told_and_survived(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	assert_int_equal(chmod(device->dir, 0777), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(run_with_full_quota(device));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	unlink(fake_path(device, "serial0.in"));
	unlink(fake_path(device, "serial0.out"));
	fake_free(device);
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: this system does not limit an ordinary user's pipes\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- VMMs that are killed -------------------------------------------------------------------- */

enum { ROUNDS = 200, RECORDS_PER_WRITE = 32 };

struct record {
	uint32_t round;
	uint32_t index;
};

struct tally {
	uint32_t *acknowledged; /* shared: records whose write returned, per round */
	uint32_t next_index;
	uint32_t round;
	uint32_t counts[ROUNDS];
	struct record record; /* being put together */
	size_t have;
	unsigned faults;
};

static void take_record(struct tally *tally)
{
	struct record *record = &tally->record;
	if (record->round != tally->round) {
		/* Rounds follow one another; a killed one may have said nothing. */
		if (record->round < tally->round || record->round >= ROUNDS)
			tally->faults++;
		tally->round = record->round < ROUNDS ? record->round : 0;
		tally->next_index = 0;
	}
	if (record->index != tally->next_index)
		tally->faults++;
	tally->next_index = record->index + 1;
	tally->counts[tally->round]++;
}

static void check_records(struct fake_device *device, const uint8_t *bytes, size_t n)
{
	struct tally *tally = device->user;
	for (size_t i = 0; i < n; i++) {
		((uint8_t *)&tally->record)[tally->have++] = bytes[i];
		if (tally->have == sizeof(struct record)) {
			tally->have = 0;
			take_record(tally);
		}
	}
}

static void write_until_killed(struct fake_device *device, struct tally *tally, uint32_t round)
{
	struct vmm vmm = vmm_start(device);
	struct record records[RECORDS_PER_WRITE];
	for (uint32_t index = 0;;) {
		for (uint32_t i = 0; i < RECORDS_PER_WRITE; i++)
			records[i] = (struct record){round, index + i};
		ssize_t n = write(vmm.out, records, sizeof(records));
		if (n == (ssize_t)sizeof(records)) {
			index += RECORDS_PER_WRITE;
			__atomic_store_n(&tally->acknowledged[round], index, __ATOMIC_SEQ_CST);
		} else {
			struct pollfd wait = {vmm.out, POLLOUT, 0};
			poll(&wait, 1, -1);
		}
	}
}

static void killed_vmms_lose_and_double_nothing(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	struct tally tally = {0};
	tally.acknowledged = mmap(NULL, ROUNDS * sizeof(uint32_t), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(tally.acknowledged != MAP_FAILED);
	device->check = check_records;
	device->user = &tally;
	fake_open(device, GUEST_PORT_FIFO);
	fake_until(device, device->streams == 1);
	uint32_t random = 12345;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		random = random * 1664525 + 1013904223;
		size_t enough = device->received + 1 + (random >> 8) % 100000;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_until_killed(device, &tally, round);
		fake_until(device, device->received >= enough);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		/* Every other one is followed by the next before we had a look. */
		if (round % 2 == 0)
			fake_until(device, !device->present);
	}
	fake_until(device, !device->present);
	assert_int_equal(tally.faults, 0);
	assert_int_equal(tally.have, 0);
	assert_int_equal(device->broken_intents, 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* At most the one write that the kill cut off from its acknowledgement. */
		assert_in_range(tally.counts[round], tally.acknowledged[round],
			tally.acknowledged[round] + RECORDS_PER_WRITE);
	}
	assert_true(device->departures >= ROUNDS / 2);
	munmap(tally.acknowledged, ROUNDS * sizeof(uint32_t));
	fake_assert_idle(device);
	fake_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_flow_both_ways),
		cmocka_unit_test(the_witness_is_the_first_byte),
		cmocka_unit_test(nothing_happens_while_idle),
		cmocka_unit_test(what_a_dead_vmm_did_not_read_is_dropped),
		cmocka_unit_test(the_next_vmm_comes_before_the_old_one_is_read),
		cmocka_unit_test(input_waits_for_the_vmm),
		cmocka_unit_test(a_file_in_the_way_is_refused_and_stays),
		cmocka_unit_test(a_path_of_the_users_choice),
		cmocka_unit_test(bytes_wait_for_the_next_process),
		cmocka_unit_test(a_writer_that_left_before_we_came_is_gone),
		cmocka_unit_test(a_refused_pipe_size_is_told_and_survived),
		cmocka_unit_test(killed_vmms_lose_and_double_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
