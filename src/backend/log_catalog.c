/* The files of a log by their places; see log_catalog.h. */
#include "backend/log_catalog.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CURRENT = -1, NUMBERS_MAX = 1000, MISSING_MAX = 3, CHANGED_TRIES = 64, PIECE = 16 * 1024 };

/* A file as it was found: enough to know it again. */
struct entry {
	int number;
	dev_t dev;
	ino_t ino;
	bool compressed;
	bool has_own_start; /* its index says it */
	bool has_start;     /* that, or by its neighbours */
	uint64_t start;
	uint64_t length;
};

struct entries {
	struct entry *list; /* the newest first */
	size_t count;
	size_t room;
};

/* ---- what is there --------------------------------------------------------------------------- */

static int prepare(struct log_catalog *catalog)
{
	static const struct log_limits no_limits = {0};
	if (!catalog->ready) {
		char *path = catalog->files.path;
		struct log_files files;
		int code = log_files_init(&files, path, &no_limits, NULL);
		if (code < 0)
			return code;
		free(path);
		catalog->files = files;
		catalog->ready = true;
	}
	return log_files_open_directory(&catalog->files);
}

int log_catalog_init(struct log_catalog *catalog, const char *path, const atomic_bool *cancelled)
{
	*catalog = (struct log_catalog){.cancelled = cancelled};
	catalog->files = (struct log_files){.dir_fd = -1, .fd = -1};
	catalog->files.path = strdup(path);
	return catalog->files.path == NULL ? -ENOMEM : 0;
}

void log_catalog_fini(struct log_catalog *catalog)
{
	log_files_fini(&catalog->files);
}

/*
 * An inode says little: that of a file that was deleted, or compressed, is soon given to another
 * one of the same log. Where the file begins is said by its index, and different for each.
 */
static bool is_same_file(const struct entry *entry, const struct log_source *source)
{
	bool is_compressed = source->inflater != NULL;
	return entry->dev == source->dev && entry->ino == source->ino &&
	       entry->compressed == is_compressed &&
	       (!entry->has_own_start || !source->has_start || entry->start == source->start);
}

static int add_entry(struct entries *entries, const struct log_source *source)
{
	assert(entries->list != NULL || entries->count == 0);
	if (entries->list == NULL || entries->count == entries->room) {
		size_t room = entries->room != 0 ? 2 * entries->room : 8;
		struct entry *list = realloc(entries->list, room * sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		entries->list = list;
		entries->room = room;
	}
	struct entry *last = entries->count > 0 ? &entries->list[entries->count - 1] : NULL;
	/* It was moved on while we looked: seen once is enough. */
	if (last != NULL && is_same_file(last, source)) {
		last->number = source->number;
		if (source->has_start) {
			last->start = source->start;
			last->has_own_start = last->has_start = true;
		}
		return 0;
	}
	entries->list[entries->count++] = (struct entry){
		.number = source->number,
		.dev = source->dev,
		.ino = source->ino,
		.compressed = source->inflater != NULL,
		.has_own_start = source->has_start,
		.has_start = source->has_start,
		.start = source->start,
		.length = source->length,
	};
	return 0;
}

/* Only an index: that of the file before, which is about to follow it. */
static void adopt_index(struct log_catalog *catalog, int number, struct entries *entries)
{
	struct log_index_ends ends;
	struct log_name name;
	if (entries->count == 0 || log_files_name(&catalog->files, number, ".idx", &name) < 0)
		return;
	struct entry *last = &entries->list[entries->count - 1];
	if (last->has_start || last->number != number - 1 ||
		log_index_read_ends(catalog->files.dir_fd, name.text, &ends) < 0)
		return;
	last->start = ends.position;
	last->has_start = true;
}

/* Those that do not say where they begin stand behind those before or before those behind them. */
static void place_others(struct entries *entries)
{
	struct entry *list = entries->list;
	for (size_t i = 1; i < entries->count; i++) {
		if (list[i].has_start || !list[i - 1].has_start)
			continue;
		list[i].start =
			list[i - 1].start > list[i].length ? list[i - 1].start - list[i].length : 0;
		list[i].has_start = true;
	}
	for (size_t i = entries->count; i-- > 0;) {
		if (list[i].has_start)
			continue;
		list[i].start = i + 1 < entries->count ? list[i + 1].start + list[i + 1].length : 0;
		list[i].has_start = true;
	}
}

/* From the newest on: a rotation at the same time moves files ahead of us, never behind us. */
static int list_files(struct log_catalog *catalog, struct entries *ret)
{
	*ret = (struct entries){0};
	int missing = 0, code = prepare(catalog);
	for (int i = CURRENT; code == 0 && i < NUMBERS_MAX && missing < MISSING_MAX; i++) {
		struct log_source source;
		code = log_source_open(&source, &catalog->files, i);
		if (code == -ENOENT) {
			missing += i != CURRENT;
			adopt_index(catalog, i, ret);
			code = 0;
			continue;
		}
		if (code < 0)
			break;
		missing = 0;
		code = add_entry(ret, &source);
		log_source_close(&source);
	}
	if (code == -ENOENT || (code == 0 && ret->count == 0)) {
		free(ret->list);
		return -ENOENT;
	}
	if (code < 0)
		free(ret->list);
	else
		place_others(ret);
	return code;
}

/*
 * Opens what was found, unless it was moved on meanwhile, or begins elsewhere than its neighbours
 * made us believe: -EAGAIN.
 */
static int open_entry(
	struct log_catalog *catalog, const struct entry *entry, struct log_source *source)
{
	int code = log_source_open(source, &catalog->files, entry->number);
	if (code < 0)
		return code == -ENOENT ? -EAGAIN : code;
	if (!is_same_file(entry, source) || (source->has_start && source->start != entry->start)) {
		log_source_close(source);
		return -EAGAIN;
	}
	source->start = entry->start;
	return 0;
}

/* ---- by place -------------------------------------------------------------------------------- */

/* The oldest that has something at or after the place; else the newest. */
static const struct entry *choose(const struct entries *entries, uint64_t place)
{
	const struct entry *best = &entries->list[0];
	for (size_t i = 1; i < entries->count; i++)
		if (entries->list[i].start + entries->list[i].length > place)
			best = &entries->list[i];
	return best;
}

static int open_once(struct log_catalog *catalog, uint64_t place, struct log_source *source)
{
	struct entries entries;
	int code = list_files(catalog, &entries);
	if (code < 0)
		return code;
	const struct entry *entry = choose(&entries, place);
	code = open_entry(catalog, entry, source);
	if (code == 0 && place > source->start) {
		uint64_t offset = place - source->start;
		code = log_source_seek(source, offset < source->length ? offset : source->length);
		if (code < 0)
			log_source_close(source);
	}
	free(entries.list);
	return code;
}

int log_catalog_open(struct log_catalog *catalog, uint64_t place, struct log_source *source)
{
	int code = -EAGAIN;
	for (int tries = 0; tries < CHANGED_TRIES && code == -EAGAIN; tries++)
		code = open_once(catalog, place, source);
	return code;
}

bool log_catalog_has_current(const struct log_catalog *catalog)
{
	struct stat st;
	return fstatat(catalog->files.dir_fd, catalog->files.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- by lines -------------------------------------------------------------------------------- */

static bool is_cancelled(const struct log_catalog *catalog)
{
	return atomic_load(catalog->cancelled);
}

/*
 * Counts newlines from the source's beginning on, until `stop` of them (0: to the end). The place
 * after the last one counted is source->offset less what was read beyond it: *ret_at.
 */
static int count_lines(struct log_catalog *catalog, struct log_source *source, uint64_t stop,
	uint64_t *ret_count, uint64_t *ret_at, char *ret_last)
{
	char bytes[PIECE];
	uint64_t count = 0;
	int code = log_source_seek(source, 0);
	*ret_at = 0;
	while (code == 0) {
		ssize_t n = log_source_read(source, bytes, sizeof(bytes));
		if (n <= 0) {
			code = (int)n;
			break;
		}
		*ret_last = bytes[n - 1];
		for (const char *at = bytes, *end = bytes + n;
			(at = memchr(at, '\n', (size_t)(end - at))) != NULL;) {
			at++;
			count++;
			*ret_at = source->offset - (uint64_t)(end - at);
			if (count == stop)
				goto done;
		}
		if (is_cancelled(catalog))
			code = -ECANCELED;
	}
done:
	*ret_count = count;
	return code;
}

/* What is still to be found, from the end of the log back. */
struct tail {
	uint64_t lines;
	uint64_t newlines; /* to be seen before the first line begins */
	bool has_end;      /* the last byte was seen */
	uint64_t place;
};

static int tail_in(
	struct log_catalog *catalog, struct log_source *source, struct tail *tail, bool *ret_found)
{
	uint64_t count, at;
	char last = '\n';
	int code = count_lines(catalog, source, 0, &count, &at, &last);
	if (code < 0)
		return code;
	if (!tail->has_end && source->offset > 0) {
		tail->has_end = true;
		tail->newlines = tail->lines + (last == '\n' ? 1 : 0);
	}
	tail->place = source->start;
	*ret_found = tail->has_end && count >= tail->newlines;
	if (!*ret_found) {
		tail->newlines -= tail->has_end ? count : 0;
		return 0;
	}
	uint64_t wanted = count - tail->newlines + 1;
	code = count_lines(catalog, source, wanted, &count, &at, &last);
	tail->place += at;
	return code;
}

static int tail_once(struct log_catalog *catalog, struct tail *tail)
{
	struct entries entries;
	int code = list_files(catalog, &entries);
	if (code < 0)
		return code;
	bool found = tail->lines == 0;
	tail->place = entries.list[0].start + (found ? entries.list[0].length : 0);
	for (size_t i = 0; code == 0 && i < entries.count && !found; i++) {
		struct log_source source;
		code = open_entry(catalog, &entries.list[i], &source);
		if (code == 0) {
			code = tail_in(catalog, &source, tail, &found);
			log_source_close(&source);
		}
	}
	free(entries.list);
	return code;
}

int log_catalog_tail(struct log_catalog *catalog, uint64_t lines, uint64_t *ret)
{
	int code = -EAGAIN;
	for (int tries = 0; tries < CHANGED_TRIES && code == -EAGAIN; tries++) {
		struct tail tail = {.lines = lines};
		code = tail_once(catalog, &tail);
		*ret = tail.place;
	}
	return code;
}

/* ---- by time --------------------------------------------------------------------------------- */

enum answer { ALL_OF_IT, FROM_HERE, NOTHING };

/* What of the source came at that time or later. */
static enum answer since_in(struct log_source *source, int64_t time_ms, uint64_t *ret_offset)
{
	struct log_mark mark;
	bool is_first = true;
	if (!log_source_mark(source, &mark))
		return source->time_ms < time_ms ? NOTHING : ALL_OF_IT;
	do {
		if (mark.time_ms >= time_ms) {
			*ret_offset = mark.offset;
			return is_first ? ALL_OF_IT : FROM_HERE;
		}
		is_first = false;
		log_source_pass_mark(source);
	} while (log_source_mark(source, &mark));
	return NOTHING;
}

static int since_once(struct log_catalog *catalog, int64_t time_ms, uint64_t *ret)
{
	struct entries entries;
	int code = list_files(catalog, &entries);
	if (code < 0)
		return code;
	enum answer answer = ALL_OF_IT;
	*ret = entries.list[0].start + entries.list[0].length;
	for (size_t i = 0; code == 0 && i < entries.count && answer == ALL_OF_IT; i++) {
		struct log_source source;
		uint64_t offset = 0;
		code = open_entry(catalog, &entries.list[i], &source);
		if (code < 0)
			break;
		answer = since_in(&source, time_ms, &offset);
		if (answer != NOTHING)
			*ret = source.start + (answer == FROM_HERE ? offset : 0);
		if (is_cancelled(catalog))
			code = -ECANCELED;
		log_source_close(&source);
	}
	free(entries.list);
	return code;
}

int log_catalog_since(struct log_catalog *catalog, int64_t time_ms, uint64_t *ret)
{
	int code = -EAGAIN;
	for (int tries = 0; tries < CHANGED_TRIES && code == -EAGAIN; tries++)
		code = since_once(catalog, time_ms, ret);
	return code;
}
