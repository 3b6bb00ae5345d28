/*
 * Any bytes as the state file and the ring that a killed process left: refused, or taken over
 * within their bounds.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/state.h"
#include "fuzz.h"

static void take_over(struct state_slot *slot, const char *ring)
{
	struct history history;
	struct iovec iov[2];
	if (history_open(
		    &history, HISTORY_MIN_SIZE, ring, slot->head, (size_t)slot->capacity, NULL) < 0)
		return;
	state_recover(slot, &history);
	assert(history.head - history.oldest <= history.capacity);
	int parts = history_peek(&history, history.oldest, iov);
	for (int i = 0; i < parts; i++)
		for (size_t j = 0; j < iov[i].iov_len; j++)
			(void)((volatile char *)iov[i].iov_base)[j];
	parts = history_space(&history, 100, iov);
	for (int i = 0; i < parts; i++)
		memset(iov[i].iov_base, 'x', iov[i].iov_len);
	history_close(&history);
}

static void write_file(char *path, const uint8_t *data, size_t size)
{
	int fd = mkstemp(path);
	assert(fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/chardev-fuzz-XXXXXX";
	char ring[] = "/dev/shm/chardev-fuzz-XXXXXX";
	struct state state;
	bool found;
	if (size > 1 << 16)
		return -1;
	write_file(path, data, size);
	write_file(ring, data, size);
	if (state_open(&state, path, 2, NULL) == 0) {
		struct state_slot *slot = state_slot_for(&state, "serial0", &found);
		if (slot != NULL)
			take_over(slot, ring);
		state_close(&state);
	}
	unlink(path);
	unlink(ring);
	return 0;
}
