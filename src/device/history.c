/*
 * The history ring; see history.h. Positions in memory are offset modulo capacity: while the ring
 * still grows no offset has reached the capacity, so growing never moves a byte.
 */
#include "device/history.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t round_size(uint64_t size)
{
	uint64_t rounded = HISTORY_MIN_SIZE;
	while (rounded < size && rounded < HISTORY_MAX_SIZE)
		rounded *= 2;
	return (size_t)rounded;
}

static char *map_ring(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

/*
 * Pages that are there are mapped writable now: a read(2) that faulted half-way could be killed
 * with only a part of its bytes moved, and no witness could tell. Kernels before 5.14 do not know
 * the advice: there the first touch maps the page.
 */
static void map_pages(char *memory, size_t size)
{
	if (size > 0)
		madvise(memory, size, MADV_POPULATE_WRITE);
}

static int open_memory(const char *path, bool take_over, struct error *err)
{
	if (path == NULL) {
		int fd = memfd_create("chardev-history", MFD_CLOEXEC);
		if (fd < 0)
			return error_set(
				err, -errno, "cannot make a history ring: %s", error_text(errno));
		return fd;
	}
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (take_over ? 0 : O_TRUNC);
	int fd = open(path, flags, 0600);
	if (fd < 0)
		return error_set(err, -errno, "cannot make the history ring %s: %s", path,
			error_text(errno));
	return fd;
}

/* The file of an earlier process must really hold the capacity that its state speaks of. */
static bool holds_capacity(int fd, size_t capacity)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size >= capacity;
}

int history_open(struct history *history, uint64_t size, const char *path, uint64_t head,
	size_t capacity, struct error *err)
{
	size_t rounded = round_size(size);
	if (capacity > rounded || (capacity & (capacity - 1)) != 0) {
		/* The configured size changed since: what an older ring held cannot be kept. */
		capacity = 0;
	}
	bool take_over = capacity != 0;
	int fd = open_memory(path, take_over, err);
	if (fd < 0)
		return fd;
	if (take_over && !holds_capacity(fd, capacity))
		capacity = 0;
	char *memory = map_ring(fd, rounded);
	if (memory == NULL) {
		int code = -errno;
		fd_close(fd);
		return error_set(err, code, "cannot map a history ring of %zu bytes: %s", rounded,
			error_text(code));
	}
	*history = (struct history){
		.memory = memory,
		.size = rounded,
		.capacity = capacity,
		.head = head,
		.oldest = head > capacity ? head - capacity : 0,
		.fixed = head > capacity && capacity != 0,
		.fd = fd,
	};
	if (capacity == 0)
		history->oldest = head;
	map_pages(memory, capacity);
	return 0;
}

void history_close(struct history *history)
{
	if (history->memory == NULL)
		return;
	munmap(history->memory, history->size);
	fd_close(history->fd);
	*history = (struct history){.fd = -1};
}

/* A signal would end it, and the ring would stay small for good: they have to wait. */
static int make_pages(int fd, size_t at, size_t size)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = posix_fallocate(fd, (off_t)at, (off_t)size);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code != 0 ? -ENOSPC : 0;
}

static int allocate(struct history *history, size_t capacity)
{
	size_t more = capacity - history->capacity;
	int code = make_pages(history->fd, history->capacity, more);
	if (code < 0)
		return code;
	map_pages(history->memory + history->capacity, more);
	history->capacity = capacity;
	return 0;
}

static void grow(struct history *history)
{
	size_t next = history->capacity * 2;
	if (history->capacity == 0) {
		next = history->size < HISTORY_FIRST_SIZE ? history->size : HISTORY_FIRST_SIZE;
		/* A ring that lost its bytes goes on at its head: full size, and no offset moves.
		 */
		if (history->head != 0)
			next = history->size;
	}
	int failure = allocate(history, next);
	if (failure == 0)
		return;
	if (history->capacity == 0 && allocate(history, HISTORY_MIN_SIZE) != 0)
		history->capacity = 0;
	history->growth_failure = failure;
	history->fixed = history->capacity != 0;
}

int history_space(struct history *history, size_t limit, struct iovec iov[2])
{
	if (limit == 0)
		return 0;
	bool full = history->capacity == 0 || history->head >= history->capacity;
	if (!history->fixed && full) {
		if (history->capacity < history->size)
			grow(history);
		if (history->head >= history->capacity)
			history->fixed = history->capacity != 0;
	}
	if (history->capacity == 0)
		return 0;
	if (limit > history->capacity)
		limit = history->capacity;
	int parts = iov_of_ring(history->memory, history->capacity, history->head, limit, iov);
	/* Before the first wrap there may be room to grow: end here, and grow at the next call. */
	return history->fixed ? parts : 1;
}

void history_commit(struct history *history, size_t n)
{
	history->head += n;
	if (history->head - history->oldest > history->capacity)
		history->oldest = history->head - history->capacity;
}

int history_peek(const struct history *history, uint64_t offset, struct iovec iov[2])
{
	size_t n = (size_t)(history->head - offset);
	return iov_of_ring(history->memory, history->capacity, offset, n, iov);
}

unsigned char *history_at(struct history *history, uint64_t offset)
{
	if (history->capacity == 0)
		return NULL;
	return (unsigned char *)history->memory + (offset & (history->capacity - 1));
}

int history_abandon_memory(struct history *history, char **ret_old)
{
	char *fresh = map_ring(history->fd, history->size);
	if (fresh == NULL)
		return -errno;
	char *copy = mmap(NULL, history->size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED) {
		int code = -errno;
		munmap(fresh, history->size);
		return code;
	}
	map_pages(fresh, history->capacity);
	memcpy(copy, fresh, history->capacity);
	/* One step for whoever reads there right now: the old address never goes unmapped. */
	char *old = history->memory;
	if (mremap(copy, history->size, history->size, MREMAP_MAYMOVE | MREMAP_FIXED, old) ==
		MAP_FAILED) {
		int code = -errno;
		munmap(copy, history->size);
		munmap(fresh, history->size);
		return code;
	}
	history->memory = fresh;
	*ret_old = old;
	return 0;
}
