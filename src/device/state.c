/* The state file; see state.h. */
#include "device/state.h"

#include "util/fd.h"
#include "util/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The first slot's place is the header's. */
struct state_header {
	char magic[16]; /* "chardev state\n" */
	uint32_t version;
	uint32_t slot_count;
	uint8_t reserved[104];
};

_Static_assert(sizeof(struct state_header) == sizeof(struct state_slot), "one slot's place");

static const char magic[16] = "chardev state\n";

static size_t size_of(size_t slot_count)
{
	return (slot_count + 1) * sizeof(struct state_slot);
}

static int map_state(struct state *state, int fd, size_t slot_count)
{
	size_t bytes = size_of(slot_count > STATE_MAX_SLOTS ? slot_count : STATE_MAX_SLOTS);
	if (ftruncate(fd, (off_t)size_of(slot_count)) != 0)
		return -errno;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	state->memory = memory;
	state->bytes = bytes;
	state->fd = fd;
	state->slots = (struct state_slot *)memory + 1;
	state->slot_count = slot_count;
	return 0;
}

/* Reads the header of an existing file: 0 and its slots (0: an empty file), or a failure. */
static int check_header(int fd, const char *path, size_t *ret_slots, struct error *err)
{
	struct state_header header;
	ssize_t n = pread(fd, &header, sizeof(header), 0);
	/* Nothing but zeros: its maker was killed before it wrote the header. */
	static const struct state_header none;
	if (n == 0 || (n == sizeof(header) && memcmp(&header, &none, sizeof(none)) == 0)) {
		*ret_slots = 0;
		return 0;
	}
	if (n != sizeof(header) || memcmp(header.magic, magic, sizeof(magic)) != 0)
		return error_set(
			err, -EINVAL, "%s is not a state file of chardev; remove it", path);
	if (header.version != STATE_VERSION)
		return error_set(err, -EPROTO,
			"%s has state version %" PRIu32 ", this program reads %d: run the program "
			"that wrote it, or remove the file",
			path, header.version, STATE_VERSION);
	struct stat st;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < ((uint64_t)header.slot_count + 1) *
								 sizeof(struct state_slot))
		return error_set(err, -EINVAL, "%s is cut short; remove it", path);
	*ret_slots = header.slot_count;
	return 0;
}

static int open_file(const char *path, size_t *slot_count, struct error *err)
{
	int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
			      : memfd_create("chardev-state", MFD_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot make the state file %s: %s",
			path != NULL ? path : "(anonymous)", error_text(errno));
	size_t existing = 0;
	int code = path != NULL ? check_header(fd, path, &existing, err) : 0;
	if (code < 0) {
		fd_close(fd);
		return code;
	}
	if (existing > *slot_count)
		*slot_count = existing;
	return fd;
}

int state_open(struct state *state, const char *path, size_t slot_count, struct error *err)
{
	int fd = open_file(path, &slot_count, err);
	if (fd < 0)
		return fd;
	struct state opened = {0};
	int code = map_state(&opened, fd, slot_count);
	if (code < 0) {
		fd_close(fd);
		return error_set(err, code, "cannot map the state file %s: %s",
			path != NULL ? path : "(anonymous)", error_text(code));
	}
	struct state_header *header = opened.memory;
	memcpy(header->magic, magic, sizeof(magic));
	header->version = STATE_VERSION;
	header->slot_count = (uint32_t)slot_count;
	*state = opened;
	return 0;
}

void state_close(struct state *state)
{
	if (state->memory == NULL)
		return;
	munmap(state->memory, state->bytes);
	fd_close(state->fd);
	*state = (struct state){0};
}

/* An alias as the slot stores it: whole if it fits, else a prefix and an FNV-1a hash. */
static void slot_name(const char *alias, char ret[STATE_ALIAS_SIZE])
{
	if (strlen(alias) < STATE_ALIAS_SIZE) {
		memset(ret, 0, STATE_ALIAS_SIZE);
		memcpy(ret, alias, strlen(alias));
		return;
	}
	snprintf(ret, STATE_ALIAS_SIZE, "%.30s-%016" PRIx64, alias, hash_text(HASH_INIT, alias));
}

int state_make_room(struct state *state, size_t count, struct error *err)
{
	struct state_header *header = state->memory;
	size_t used = 0;
	for (size_t i = 0; i < state->slot_count; i++)
		used += state->slots[i].alias[0] != '\0';
	if (used + count <= state->slot_count)
		return 0;
	if (used + count > STATE_MAX_SLOTS)
		return error_set(err, -ENOSPC,
			"the state file has room for %d devices, those that leave included; make "
			"the change in two steps, or stop the domain first",
			STATE_MAX_SLOTS);
	if (ftruncate(state->fd, (off_t)size_of(used + count)) < 0)
		return error_set(
			err, -errno, "cannot enlarge the state file: %s", error_text(errno));
	state->slot_count = used + count;
	header->slot_count = (uint32_t)state->slot_count;
	return 0;
}

bool state_is_continued(const struct state *state)
{
	for (size_t i = 0; i < state->slot_count; i++)
		if (state->slots[i].alias[0] != '\0')
			return true;
	return false;
}

void state_keep_only(struct state *state, const char *const *aliases, size_t count)
{
	for (size_t i = 0; i < state->slot_count; i++) {
		struct state_slot *slot = &state->slots[i];
		bool keep = false;
		for (size_t j = 0; j < count && !keep && slot->alias[0] != '\0'; j++) {
			char name[STATE_ALIAS_SIZE];
			slot_name(aliases[j], name);
			keep = strncmp(slot->alias, name, STATE_ALIAS_SIZE) == 0;
		}
		if (!keep)
			*slot = (struct state_slot){0};
	}
}

struct state_slot *state_slot_for(struct state *state, const char *alias, bool *ret_found)
{
	char name[STATE_ALIAS_SIZE];
	slot_name(alias, name);
	struct state_slot *unused = NULL;
	for (size_t i = 0; i < state->slot_count; i++) {
		struct state_slot *slot = &state->slots[i];
		if (strncmp(slot->alias, name, STATE_ALIAS_SIZE) == 0) {
			*ret_found = true;
			return slot;
		}
		if (unused == NULL && slot->alias[0] == '\0')
			unused = slot;
	}
	if (unused == NULL)
		return NULL;
	memcpy(unused->alias, name, STATE_ALIAS_SIZE);
	state_slot_renew(unused);
	*ret_found = false;
	return unused;
}

static uint64_t epoch_by_the_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec << 30 | (uint64_t)now.tv_nsec;
}

/* An epoch only has to differ from others. */
static uint64_t new_epoch(void)
{
	uint64_t epoch = 0;
	if (getrandom(&epoch, sizeof(epoch), GRND_NONBLOCK) < 0)
		epoch = epoch_by_the_clock();
	return epoch;
}

void state_slot_renew(struct state_slot *slot)
{
	struct state_slot fresh = {.epoch = new_epoch()};
	memcpy(fresh.alias, slot->alias, sizeof(fresh.alias));
	*slot = fresh;
}

/*
 * The order of the stores is the scheme. One process writes them, and a successor reads them after
 * that process is gone, so the compiler alone must keep the order.
 */
static void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

void state_intend(struct state_slot *slot, struct history *history, size_t n, uint8_t witness)
{
	slot->capacity = history->capacity;
	slot->witness = witness;
	/* In a full ring the witness's place is the oldest byte's, even if the read then fails. */
	if (history->head - history->oldest == history->capacity)
		history->oldest++;
	*history_at(history, history->head) = (unsigned char)~witness;
	in_order();
	slot->intent = (uint32_t)n;
	in_order();
}

void state_received(struct state_slot *slot, struct history *history, size_t n)
{
	history_commit(history, n);
	in_order();
	slot->capacity = history->capacity;
	slot->head = history->head;
	in_order();
	slot->intent = 0;
	in_order();
}

size_t state_recover(struct state_slot *slot, struct history *history)
{
	size_t n = slot->intent;
	unsigned char *place = history_at(history, history->head);
	bool happened =
		n != 0 && n <= history->capacity && place != NULL && *place == slot->witness;
	if (happened)
		state_received(slot, history, n);
	else if (n != 0 && place != NULL && history->head - history->oldest == history->capacity)
		history->oldest++; /* the witness stands in its place */
	slot->intent = 0;
	return happened ? n : 0;
}
