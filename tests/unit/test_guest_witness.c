/*
 * guest/witness: a reader that is killed with SIGKILL at any moment neither loses nor doubles a
 * byte. The consumer here notes its intents in shared memory as the device does in its files.
 */
#include "test.h"

#include "guest/witness.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RING = 4 * 1024 * 1024, CHUNK = 32 * 1024, ROUNDS = 200 };

struct shared {
	uint64_t head;
	uint64_t intent_head;
	uint64_t intent_n;
	uint8_t intent_byte;
	uint8_t intent_valid;
	uint64_t floor; /* what the test has looked at: free space again */
	uint8_t ring[RING];
};

static uint8_t pattern(uint64_t offset)
{
	return (uint8_t)((offset * 2654435761u) >> 13);
}

static int space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct shared *shared = consumer;
	size_t room = RING - (size_t)(shared->head - shared->floor);
	if (room > CHUNK)
		room = CHUNK; /* long enough to be hit while it reads, short enough to be many */
	size_t at = shared->head % RING;
	size_t first = room < RING - at ? room : RING - at;
	iov[0] = (struct iovec){shared->ring + at, first};
	iov[1] = (struct iovec){shared->ring, room - first};
	return room == 0 ? 0 : 2;
}

static void intent(void *consumer, size_t n, uint8_t witness)
{
	struct shared *shared = consumer;
	shared->ring[shared->head % RING] = (uint8_t)~witness;
	shared->intent_head = shared->head;
	shared->intent_n = n;
	shared->intent_byte = witness;
	__atomic_store_n(&shared->intent_valid, 1, __ATOMIC_SEQ_CST);
}

static void received(void *consumer, size_t n)
{
	struct shared *shared = consumer;
	__atomic_store_n(&shared->head, shared->head + n, __ATOMIC_SEQ_CST);
	__atomic_store_n(&shared->intent_valid, 0, __ATOMIC_SEQ_CST);
}

static const struct stream_sink sink = {.space = space, .intent = intent, .received = received};

/* What a restarted reader does first. True: the read had happened, uncounted. */
static bool recover(struct shared *shared)
{
	bool happened = shared->intent_valid && shared->intent_head == shared->head &&
			shared->ring[shared->head % RING] == shared->intent_byte;
	if (happened)
		shared->head += shared->intent_n;
	shared->intent_valid = 0;
	return happened;
}

static void read_until_killed(struct shared *shared, int fd)
{
	struct guest_witness witness = {0};
	struct stream stream = {.sink = &sink, .consumer = shared};
	if (guest_witness_make(&witness) < 0)
		_exit(1);
	for (;;) {
		ssize_t n = guest_witness_read(&witness, fd, &stream);
		if (n == -ENOBUFS)
			pause();
		else if (n < 0 && n != -EAGAIN)
			_exit(1);
	}
}

/* Writes the pattern as the guest would, until the reader has come so far. */
static void feed(int fd, uint64_t *written, const struct shared *shared, uint64_t target)
{
	uint8_t bytes[CHUNK];
	while (__atomic_load_n(&shared->head, __ATOMIC_SEQ_CST) < target) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = pattern(*written + i);
		ssize_t n = write(fd, bytes, 1 + *written * 31 % sizeof(bytes));
		if (n > 0)
			*written += (uint64_t)n;
		else
			sched_yield();
	}
}

static void kills_lose_and_double_nothing(void **state)
{
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	for (size_t i = 0; i < RING; i++)
		shared->ring[i] = 1; /* prefaulted: a page fault would cut the read short */
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 18) > 0);
	uint64_t written = 0;
	uint32_t random = 4711;
	unsigned recovered = 0;
	for (int round = 0; round < ROUNDS; round++) {
		random = random * 1664525 + 1013904223;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			read_until_killed(shared, fds[0]);
		feed(fds[1], &written, shared, shared->floor + 1 + (random >> 8) % 500000);
		for (volatile uint32_t spin = (random >> 4) % 4096; spin > 0; spin--)
			;
		kill(pid, SIGKILL);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		recovered += recover(shared);
		for (uint64_t at = shared->floor; at < shared->head; at++) {
			if (shared->ring[at % RING] != pattern(at))
				fail_msg("round %d: byte %llu is wrong", round,
					(unsigned long long)at);
		}
		shared->floor = shared->head;
	}
	print_message("# %u of %d kills fell between the read and its count\n", recovered, ROUNDS);
	close(fds[0]);
	close(fds[1]);
	munmap(shared, sizeof(*shared));
}

static void looking_takes_nothing(void **state)
{
	struct guest_witness witness = {0};
	uint8_t byte = 0;
	char text[8];
	int fds[2];
	guest_witness_fini(&witness);
	assert_int_equal(guest_witness_make(&witness), 0);
	assert_int_equal(guest_witness_make(&witness), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(guest_witness_look(&witness, fds[0], NULL), WITNESS_WRITER);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	for (int i = 0; i < 100; i++) /* more often than a pipe has slots */
		assert_int_equal(guest_witness_look(&witness, fds[0], &byte), WITNESS_BYTES);
	assert_int_equal(byte, 'a');
	close(fds[1]);
	assert_int_equal(guest_witness_look(&witness, fds[0], &byte), WITNESS_BYTES);
	assert_int_equal(read(fds[0], text, sizeof(text)), 3);
	assert_memory_equal(text, "abc", 3);
	assert_int_equal(guest_witness_look(&witness, fds[0], NULL), WITNESS_NOBODY);
	close(fds[0]);
	assert_int_equal(guest_witness_look(&witness, fds[0], NULL), -EBADF);
	guest_witness_fini(&witness);
}

struct plain {
	uint8_t bytes[100];
	size_t room;
	size_t received;
	unsigned times;
};

static int plain_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct plain *plain = consumer;
	iov[0] = (struct iovec){plain->bytes, plain->room};
	return plain->room > 0;
}

static void plain_received(void *consumer, size_t n)
{
	struct plain *plain = consumer;
	plain->received += n;
	plain->times++;
}

/* A writer may have made its end a packet pipe: one read(2) then ends at each write's end. */
static void a_packet_pipe_is_read_whole(void **state)
{
	static const struct stream_sink plain_sink = {
		.space = plain_space, .received = plain_received};
	struct guest_witness witness = {0};
	struct plain plain = {0};
	struct stream stream = {.sink = &plain_sink, .consumer = &plain};
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK | O_DIRECT), 0);
	assert_int_equal(guest_witness_read(&witness, fds[0], &stream), -EAGAIN);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	assert_int_equal(write(fds[1], "defg", 4), 4);
	assert_int_equal(guest_witness_read(&witness, fds[0], &stream), -ENOBUFS);
	plain.room = sizeof(plain.bytes);
	assert_int_equal(guest_witness_read(&witness, fds[0], &stream), 7);
	assert_int_equal(plain.times, 1);
	assert_memory_equal(plain.bytes, "abcdefg", 7);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looking_takes_nothing),
		cmocka_unit_test(a_packet_pipe_is_read_whole),
		cmocka_unit_test(kills_lose_and_double_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
