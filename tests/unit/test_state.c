/*
 * device/state.c: slots, versions, and the crash scheme: a process that is killed at any moment of
 * moving bytes from a FIFO into the history is continued without a byte lost or doubled.
 */
#include "test.h"

#include "device/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void slots_are_found_again(void **state)
{
	char path[] = "/tmp/chardev-state-XXXXXX";
	close(mkstemp(path));
	struct state st;
	bool found;
	assert_int_equal(state_open(&st, path, 2, NULL), 0);
	struct state_slot *slot = state_slot_for(&st, "serial0", &found);
	assert_false(found);
	uint64_t epoch = slot->epoch;
	slot->head = 77;
	assert_ptr_equal(state_slot_for(&st, "serial0", &found), slot);
	assert_true(found);
	assert_ptr_not_equal(state_slot_for(&st, "serial1", &found), slot);
	assert_null(state_slot_for(&st, "serial2", &found));
	state_close(&st);

	assert_int_equal(state_open(&st, path, 1, NULL), 0);
	slot = state_slot_for(&st, "serial0", &found);
	assert_true(found);
	assert_int_equal(slot->head, 77);
	assert_int_equal(slot->epoch, epoch);
	const char *keep[] = {"serial1"};
	state_keep_only(&st, keep, 1);
	state_slot_for(&st, "serial0", &found);
	assert_false(found);
	state_close(&st);
	unlink(path);
}

static void a_state_grows_under_its_slots(void **state)
{
	char path[] = "/tmp/chardev-state-XXXXXX";
	close(mkstemp(path));
	struct state st;
	struct error err = {0};
	bool found;
	assert_int_equal(state_open(&st, path, 1, NULL), 0);
	struct state_slot *slot = state_slot_for(&st, "serial0", &found);
	slot->head = 77;
	assert_int_equal(state_make_room(&st, 0, &err), 0);
	assert_int_equal(st.slot_count, 1);
	assert_int_equal(state_make_room(&st, 500, &err), 0);
	for (int i = 1; i <= 500; i++) {
		char alias[16];
		snprintf(alias, sizeof(alias), "serial%d", i);
		assert_non_null(state_slot_for(&st, alias, &found));
		assert_false(found);
	}
	assert_null(state_slot_for(&st, "one more", &found));
	assert_ptr_equal(state_slot_for(&st, "serial0", &found), slot);
	assert_int_equal(slot->head, 77);
	assert_int_equal(state_make_room(&st, STATE_MAX_SLOTS, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "in two steps"));
	state_close(&st);

	assert_int_equal(state_open(&st, path, 1, NULL), 0);
	assert_int_equal(st.slot_count, 501);
	state_slot_for(&st, "serial500", &found);
	assert_true(found);
	state_close(&st);
	unlink(path);
}

static void a_renewed_slot_is_another_s_history(void **state)
{
	struct state_slot slot = {.alias = "serial0", .head = 5, .delivered = 4, .log_base = 3};
	state_slot_renew(&slot);
	uint64_t epoch = slot.epoch;
	assert_string_equal(slot.alias, "serial0");
	assert_int_equal(slot.head + slot.delivered + slot.log_base, 0);
	state_slot_renew(&slot);
	assert_true(slot.epoch != epoch);
}

static void long_aliases_do_not_meet(void **state)
{
	char a[200], b[200];
	struct state st;
	bool found;
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	a[198] = 'a';
	a[199] = b[199] = '\0';
	assert_int_equal(state_open(&st, NULL, 2, NULL), 0);
	struct state_slot *slot = state_slot_for(&st, a, &found);
	assert_ptr_not_equal(state_slot_for(&st, b, &found), slot);
	assert_false(found);
	assert_ptr_equal(state_slot_for(&st, a, &found), slot);
	state_close(&st);
}

static void foreign_files_are_refused_by_name(void **state)
{
	char path[] = "/tmp/chardev-state-XXXXXX";
	struct error err;
	struct state st;
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "not ours", 8), 8);
	assert_int_equal(state_open(&st, path, 1, &err), -EINVAL);
	assert_non_null(strstr(err.message, path));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(state_open(&st, path, 1, NULL), 0);
	state_close(&st);
	uint32_t newer = STATE_VERSION + 1;
	assert_int_equal(pwrite(fd, &newer, sizeof(newer), 16), sizeof(newer));
	assert_int_equal(state_open(&st, path, 1, &err), -EPROTO);
	assert_non_null(strstr(err.message, "version 2"));
	uint32_t claims[] = {STATE_VERSION, UINT32_MAX};
	assert_int_equal(pwrite(fd, claims, sizeof(claims), 16), sizeof(claims));
	assert_int_equal(state_open(&st, path, 1, &err), -EINVAL);
	assert_non_null(strstr(err.message, "cut short"));
	close(fd);
	unlink(path);
}

static void a_file_without_its_header_is_a_fresh_one(void **state)
{
	char path[] = "/tmp/chardev-state-XXXXXX";
	struct state st;
	bool found;
	int fd = mkstemp(path);
	/* Killed between the two: the file has its size, and not its header. */
	assert_int_equal(ftruncate(fd, 3 * sizeof(struct state_slot)), 0);
	close(fd);
	assert_int_equal(state_open(&st, path, 2, NULL), 0);
	assert_non_null(state_slot_for(&st, "serial0", &found));
	assert_false(found);
	state_close(&st);
	unlink(path);
}

/* ---- the crash scheme ------------------------------------------------------------------------ */

/* In a full ring it stands where the oldest byte did. */
static void a_witness_is_not_taken_for_a_byte(void **state)
{
	char ring[] = "/dev/shm/chardev-ring-XXXXXX";
	struct state_slot slot = {0};
	struct history first, second;
	struct iovec iov[2];
	close(mkstemp(ring));
	assert_int_equal(history_open(&first, HISTORY_MIN_SIZE, ring, 0, 0, NULL), 0);
	assert_int_equal(history_space(&first, HISTORY_MIN_SIZE, iov), 1);
	memset(iov[0].iov_base, 'x', iov[0].iov_len);
	state_received(&slot, &first, iov[0].iov_len);
	state_intend(&slot, &first, 10, 'y');
	/* Killed before the read. */
	assert_int_equal(
		history_open(&second, HISTORY_MIN_SIZE, ring, slot.head, slot.capacity, NULL), 0);
	assert_int_equal(state_recover(&slot, &second), 0);
	assert_int_equal(second.oldest, 1);
	assert_int_equal(history_peek(&second, second.oldest, iov), 1);
	for (size_t i = 0; i < iov[0].iov_len; i++)
		assert_int_equal(((char *)iov[0].iov_base)[i], 'x');
	history_close(&first);
	history_close(&second);
	unlink(ring);
}

/* One pass as guest/fifo.c makes it, with a private pipe for the witness. */
static bool pass(struct history *history, struct state_slot *slot, int fifo, const int peek[2])
{
	int available = 0;
	struct iovec iov[2];
	ioctl(fifo, FIONREAD, &available);
	if (available == 0)
		return false;
	int parts = history_space(history, (size_t)available, iov);
	size_t n = iov[0].iov_len + (parts == 2 ? iov[1].iov_len : 0);
	uint8_t witness;
	if (tee(fifo, peek[1], 1, SPLICE_F_NONBLOCK) != 1 || read(peek[0], &witness, 1) != 1)
		return false;
	state_intend(slot, history, n, witness);
	ssize_t got = readv(fifo, iov, parts);
	if (got > 0)
		state_received(slot, history, (size_t)got);
	return got > 0;
}

static void read_for_ever(const char *ring, const char *state_path, int fifo)
{
	struct state st;
	struct history history;
	bool found;
	int peek[2];
	if (pipe(peek) != 0 || state_open(&st, state_path, 1, NULL) != 0)
		_exit(1);
	struct state_slot *slot = state_slot_for(&st, "serial0", &found);
	if (history_open(&history, 1 << 22, ring, slot->head, slot->capacity, NULL) != 0)
		_exit(1);
	state_recover(slot, &history);
	for (;;)
		pass(&history, slot, fifo, peek);
}

/*
 * The stream: a table of a prime length, over and over, so that it costs nothing to make and any
 * loss, of whole pages too, shifts what follows.
 */
enum { PERIOD = 65521 };

static unsigned char table[2 * PERIOD];

static void fill_table(void)
{
	for (size_t i = 0; i < sizeof(table); i++)
		table[i] = (unsigned char)((i % PERIOD * 2654435761U) >> 11);
}

static void write_for_ever(int fifo)
{
	for (uint64_t offset = 0;;) {
		ssize_t n = write(fifo, table + offset % PERIOD, PERIOD);
		if (n <= 0)
			_exit(1);
		offset += (uint64_t)n;
	}
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static unsigned rounds(void)
{
	const char *said = getenv("CHARDEV_CRASH_ROUNDS");
	return said != NULL ? (unsigned)atoi(said) : 200;
}

static void no_byte_is_lost_or_doubled_by_kills(void **state)
{
	char dir[] = "/dev/shm/chardev-state-XXXXXX";
	char ring[64], state_path[64];
	int fifo[2];
	assert_non_null(mkdtemp(dir));
	snprintf(ring, sizeof(ring), "%s/ring", dir);
	snprintf(state_path, sizeof(state_path), "%s/state", dir);
	fill_table();
	assert_int_equal(pipe(fifo), 0);
	assert_true(fcntl(fifo[0], F_SETPIPE_SZ, 1 << 20) > 0);
	pid_t writer = fork();
	if (writer == 0)
		write_for_ever(fifo[1]);
	unsigned seed = (unsigned)time(NULL);
	print_message("# seed %u\n", seed);
	for (unsigned i = 0; i < rounds(); i++) {
		pid_t reader = fork();
		if (reader == 0)
			read_for_ever(ring, state_path, fifo[0]);
		struct timespec moment = {.tv_nsec = 500000 + rand_r(&seed) % 3000000};
		nanosleep(&moment, NULL); /* the moment of the kill, not a wait for anything */
		kill_child(reader);
	}
	kill_child(writer);

	/* The successor finds what the last one left, and the FIFO has the rest in order. */
	struct state st;
	struct history history;
	bool found;
	assert_int_equal(state_open(&st, state_path, 1, NULL), 0);
	struct state_slot *slot = state_slot_for(&st, "serial0", &found);
	assert_true(found);
	assert_int_equal(
		history_open(&history, 1 << 22, ring, slot->head, slot->capacity, NULL), 0);
	state_recover(slot, &history);
	int peek[2];
	assert_int_equal(pipe(peek), 0);
	while (pass(&history, slot, fifo[0], peek))
		;
	assert_true(history.head > rounds());
	struct iovec iov[2];
	uint64_t offset = history.oldest;
	int parts = history_peek(&history, offset, iov);
	for (int i = 0; i < parts; i++) {
		const unsigned char *bytes = iov[i].iov_base;
		for (size_t j = 0; j < iov[i].iov_len; j++)
			assert_int_equal(bytes[j], table[offset++ % PERIOD]);
	}
	print_message("# %u kills, %" PRIu64 " bytes, 0 lost, 0 doubled\n", rounds(), history.head);
	history_close(&history);
	state_close(&st);
	for (int i = 0; i < 2; i++) {
		close(fifo[i]);
		close(peek[i]);
	}
	unlink(ring);
	unlink(state_path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_found_again),
		cmocka_unit_test(a_state_grows_under_its_slots),
		cmocka_unit_test(a_renewed_slot_is_another_s_history),
		cmocka_unit_test(long_aliases_do_not_meet),
		cmocka_unit_test(foreign_files_are_refused_by_name),
		cmocka_unit_test(a_file_without_its_header_is_a_fresh_one),
		cmocka_unit_test(a_witness_is_not_taken_for_a_byte),
		cmocka_unit_test(no_byte_is_lost_or_doubled_by_kills),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
