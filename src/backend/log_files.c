/* The files of one log on disk; see log_files.h. */
#include "backend/log_files.h"

#include "backend/log_compress.h"
#include "backend/log_file.h"
#include "backend/log_index.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CURRENT = -1, LONGEST_SUFFIX = sizeof(".1000.idx") };

/* ---- names and what they stand for ----------------------------------------------------------- */

struct log_limits log_limits_of(const struct extensions *said)
{
	uint64_t max_size = said->log.max_size_set ? said->log.max_size : LOG_MAX_SIZE;
	if (max_size != 0 && max_size < LOG_MIN_SIZE)
		max_size = LOG_MIN_SIZE;
	return (struct log_limits){
		.max_size = max_size,
		.max_backups = said->log.max_backups >= 0 ? (unsigned)said->log.max_backups
							  : LOG_MAX_BACKUPS,
		.compress = said->log.compress != TRISTATE_NO,
		.timestamps = said->log.timestamps != TRISTATE_NO,
	};
}

int log_files_name(
	const struct log_files *files, int number, const char *suffix, struct log_name *ret)
{
	char digits[16] = "";
	if (number >= 0)
		snprintf(digits, sizeof(digits), ".%d", number);
	int n = snprintf(ret->text, sizeof(ret->text), "%s%s%s", files->name, digits, suffix);
	return n < 0 || (size_t)n >= sizeof(ret->text) ? -ENAMETOOLONG : 0;
}

/* One number: its file (plain, or compressed, or both after a kill) and its index. */
struct slot {
	bool plain;
	bool compressed;
	bool index;
	uint64_t bytes;
	int64_t time_ms;
};

static bool has_data(const struct slot *slot)
{
	return slot->plain || slot->compressed;
}

/* Whether a regular file of that name is there; adds it up. */
static int look(
	const struct log_files *files, int number, const char *suffix, struct slot *slot, bool *ret)
{
	struct log_name name;
	struct stat st;
	int code = log_files_name(files, number, suffix, &name);
	if (code < 0)
		return code;
	*ret = fstatat(files->dir_fd, name.text, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EINVAL;
	slot->bytes += (uint64_t)st.st_size;
	slot->time_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return 0;
}

static int look_at_slot(const struct log_files *files, int number, struct slot *ret)
{
	*ret = (struct slot){0};
	int code = look(files, number, ".idx", ret, &ret->index);
	if (code == 0 && number != CURRENT)
		code = look(files, number, ".zst", ret, &ret->compressed);
	if (code == 0)
		code = look(files, number, "", ret, &ret->plain);
	return code;
}

static int rename_in(const struct log_files *files, int from, int to, const char *suffix)
{
	struct log_name old, new;
	int code = log_files_name(files, from, suffix, &old);
	if (code == 0)
		code = log_files_name(files, to, suffix, &new);
	if (code == 0 && renameat(files->dir_fd, old.text, files->dir_fd, new.text) < 0)
		code = -errno;
	return code;
}

static int remove_in(const struct log_files *files, int number, const char *suffix)
{
	struct log_name name;
	int code = log_files_name(files, number, suffix, &name);
	if (code == 0 && unlinkat(files->dir_fd, name.text, 0) < 0 && errno != ENOENT)
		code = -errno;
	return code;
}

/* The index first, in both: a file without one is less of a harm than one with another's. */
static int move_slot(const struct log_files *files, int from, const struct slot *slot, int to)
{
	int code = slot->index ? rename_in(files, from, to, ".idx") : remove_in(files, to, ".idx");
	if (code == 0 && slot->compressed)
		code = rename_in(files, from, to, ".zst");
	if (code == 0 && slot->plain)
		code = rename_in(files, from, to, "");
	return code;
}

static int remove_slot(const struct log_files *files, int number)
{
	int code = remove_in(files, number, ".idx");
	if (code == 0)
		code = remove_in(files, number, "");
	if (code == 0 && number != CURRENT)
		code = remove_in(files, number, ".zst");
	return code;
}

int log_files_scan(struct log_files *files)
{
	struct log_rotated found = {.oldest = -1, .plain = -1};
	for (int i = 0; i < (int)files->limits.max_backups; i++) {
		struct slot slot;
		int code = look_at_slot(files, i, &slot);
		if (code < 0)
			return code;
		found.bytes += slot.bytes;
		if (!has_data(&slot))
			continue;
		found.files++;
		found.oldest = i;
		found.oldest_ms = slot.time_ms;
		if (slot.plain && found.plain < 0)
			found.plain = i;
	}
	files->rotated = found;
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

int log_files_init(struct log_files *files, const char *path, const struct log_limits *limits,
	struct error *err)
{
	*files = (struct log_files){.limits = *limits, .dir_fd = -1, .fd = -1};
	files->path = strdup(path);
	char *parent = strdup(path);
	if (files->path == NULL || parent == NULL) {
		free(parent);
		log_files_fini(files);
		return error_set(err, -ENOMEM, "out of memory");
	}
	char *slash = strrchr(parent, '/');
	files->name = slash != NULL ? files->path + (slash + 1 - parent) : files->path;
	if (slash != NULL)
		slash[slash == parent ? 1 : 0] = '\0';
	files->directory = realpath(slash != NULL ? parent : ".", NULL);
	int code = files->directory == NULL ? -errno : 0;
	if (code == 0 && strlen(files->name) + LONGEST_SUFFIX > NAME_MAX)
		code = -ENAMETOOLONG;
	free(parent);
	if (code < 0) {
		log_file_failed(path, code, err);
		log_files_fini(files);
	}
	return code;
}

static void close_all(struct log_files *files)
{
	files->fd = fd_close(files->fd);
	files->dir_fd = fd_close(files->dir_fd);
}

void log_files_fini(struct log_files *files)
{
	close_all(files);
	free(files->directory);
	free(files->path);
	files->directory = files->path = NULL;
}

/* Component by component: whoever has put a link in the way since is not followed. */
int log_files_open_directory(struct log_files *files)
{
	enum { FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	char *rest = strdup(files->directory), *all = rest;
	if (all == NULL)
		return -ENOMEM;
	int fd = open("/", FLAGS);
	const char *component;
	while (fd >= 0 && (component = strsep(&rest, "/")) != NULL) {
		if (component[0] == '\0')
			continue;
		int next = openat(fd, component, FLAGS);
		fd_close(fd);
		fd = next;
	}
	int code = fd < 0 ? -errno : 0;
	free(all);
	fd_close(files->dir_fd);
	files->dir_fd = fd;
	return code;
}

/* What a kill or a failure in between left. */
static int mend(const struct log_files *files)
{
	struct slot slot, next;
	int code = look_at_slot(files, CURRENT, &slot);
	for (int i = CURRENT; code == 0 && i < (int)files->limits.max_backups; i++, slot = next) {
		if (slot.plain && slot.compressed)
			code = remove_in(files, i, "");
		if (code == 0)
			code = look_at_slot(files, i + 1, &next);
		if (code == 0 && has_data(&slot) && !slot.index && next.index && !has_data(&next)) {
			code = rename_in(files, i + 1, i, ".idx");
			next.index = false;
		}
	}
	return code;
}

/* Where FILE begins, by the newest rotated file; 0 where that cannot be told. */
static uint64_t end_of_rotated(const struct log_files *files)
{
	struct log_index_ends ends;
	struct log_name name;
	uint64_t length;
	if (files->limits.max_backups == 0 || log_files_name(files, 0, ".idx", &name) < 0 ||
		log_index_read_ends(files->dir_fd, name.text, &ends) < 0 ||
		log_compress_length(files, 0, &length) < 0)
		return 0;
	return ends.position + length;
}

/* FILE's place in the log, from its index if that is FILE's. */
static int find_place(struct log_files *files, const struct stat *st)
{
	uint64_t end = files->start + files->size, size = (uint64_t)st->st_size;
	bool is_same = files->known && files->dev == st->st_dev && files->ino == st->st_ino;
	struct log_index_ends ends;
	struct log_name name;
	log_files_name(files, CURRENT, ".idx", &name);
	int code = log_index_read_ends(files->dir_fd, name.text, &ends);
	if (code < 0 && code != -ENODATA && code != -ENOENT)
		return code;
	bool is_its_own = code == 0 && ends.last <= size;
	bool was_cut = is_same && size < files->size;
	if (is_its_own && !was_cut && (is_same || !files->known)) {
		files->start = ends.position;
		files->index_size = ends.size;
	} else {
		/* At once: whoever reads it must not take it for this file's. */
		if (unlinkat(files->dir_fd, name.text, 0) < 0 && errno != ENOENT)
			return -errno;
		files->index_size = 0;
		if (was_cut)
			files->start = end - size;
		else if (!is_same)
			files->start = files->known ? end : end_of_rotated(files);
	}
	files->size = size;
	files->dev = st->st_dev;
	files->ino = st->st_ino;
	files->known = true;
	return 0;
}

static int open_current(struct log_files *files, bool append, struct error *err)
{
	struct stat st;
	int fd;
	int code = log_file_open(files->dir_fd, files->name, files->path, append, &fd, err);
	if (code < 0)
		return code;
	code = fstat(fd, &st) < 0 ? -errno : mend(files);
	if (code == 0)
		code = find_place(files, &st);
	if (code == 0)
		code = log_files_scan(files);
	if (code < 0) {
		fd_close(fd);
		return error_set(
			err, code, "cannot write \"%s\": %s", files->path, log_file_trouble(code));
	}
	fd_close(files->fd);
	files->fd = fd;
	return 0;
}

int log_files_open(struct log_files *files, bool append, struct error *err)
{
	int code = log_files_open_directory(files);
	if (code == 0 && !files->known)
		code = log_compress_sweep(files);
	if (code < 0)
		log_file_failed(files->path, code, err);
	else
		code = open_current(files, append, err);
	if (code < 0)
		close_all(files);
	return code;
}

/* ---- writing --------------------------------------------------------------------------------- */

int log_files_check(const struct log_files *files)
{
	struct stat st;
	if (fstat(files->fd, &st) < 0)
		return -errno;
	return st.st_nlink == 0 || (uint64_t)st.st_size != files->size ? -ESTALE : 0;
}

bool log_files_is_full(const struct log_files *files)
{
	return files->limits.max_size != 0 &&
	       files->size + files->index_size >= files->limits.max_size;
}

uint64_t log_files_room(const struct log_files *files)
{
	if (files->limits.max_size == 0)
		return UINT64_MAX;
	return log_files_is_full(files) ? 1
					: files->limits.max_size - files->size - files->index_size;
}

int log_files_write(struct log_files *files, const struct iovec *parts, int count, size_t *ret_done)
{
	struct iovec iov[8];
	memcpy(iov, parts, (size_t)count * sizeof(*iov));
	count = iov_skip(iov, count, 0);
	*ret_done = 0;
	while (count > 0) {
		ssize_t n = writev(files->fd, iov, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		*ret_done += (size_t)n;
		files->size += (uint64_t)n;
		count = iov_skip(iov, count, (size_t)n);
	}
	return 0;
}

int log_files_add_marks(struct log_files *files, const char *text, size_t n)
{
	struct log_name name;
	log_files_name(files, CURRENT, ".idx", &name);
	int code = log_index_add(files->dir_fd, name.text, files->index_size, text, n);
	if (code == 0)
		files->index_size += n;
	return code;
}

/* FILE may have been begun since. */
int log_files_missed(const struct log_files *files, uint64_t history, uint64_t *ret)
{
	struct log_name name;
	uint64_t length, before = 0;
	log_files_name(files, CURRENT, ".idx", &name);
	int code = log_index_missed(files->dir_fd, name.text, files->size, history, ret);
	if (code < 0 || files->size > 0 || files->rotated.oldest < 0)
		return code;
	code = log_compress_length(files, 0, &length);
	if (code == 0)
		code = log_files_name(files, 0, ".idx", &name);
	if (code == 0)
		code = log_index_missed(files->dir_fd, name.text, length, history, &before);
	*ret += before;
	return code == -ENOENT ? 0 : code;
}

/* ---- rotation -------------------------------------------------------------------------------- */

/* FILE is ours only as long as the name leads to what is open. */
static bool is_in_place(const struct log_files *files)
{
	struct stat st;
	return fstatat(files->dir_fd, files->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       files->dev == st.st_dev && files->ino == st.st_ino;
}

/* Makes number 0 free: up to the first number that is missing everything moves by one. */
static int shift(const struct log_files *files)
{
	int last = (int)files->limits.max_backups - 1, at = 0;
	struct slot slot;
	int code;
	while ((code = look_at_slot(files, at, &slot)) == 0 && has_data(&slot) && at < last)
		at++;
	if (code == 0 && has_data(&slot))
		code = remove_slot(files, at);
	for (; code == 0 && at > 0; at--) {
		code = look_at_slot(files, at - 1, &slot);
		if (code == 0)
			code = move_slot(files, at - 1, &slot, at);
	}
	return code;
}

/* FILE has left its name: a new one, whatever stands there by now. */
static int begin_anew(struct log_files *files)
{
	files->fd = fd_close(files->fd);
	int code = open_current(files, true, NULL);
	if (code < 0)
		close_all(files);
	return code;
}

int log_files_rotate(struct log_files *files)
{
	struct slot slot;
	int code = mend(files);
	if (code == 0 && is_in_place(files)) {
		if (files->limits.max_backups == 0)
			code = remove_slot(files, CURRENT);
		else if ((code = shift(files)) == 0 &&
			 (code = look_at_slot(files, CURRENT, &slot)) == 0)
			code = move_slot(files, CURRENT, &slot, 0);
	}
	return code < 0 ? code : begin_anew(files);
}

int log_files_drop(struct log_files *files)
{
	if (files->rotated.oldest >= 0) {
		int code = remove_slot(files, files->rotated.oldest);
		return code < 0 ? code : log_files_scan(files);
	}
	int code = is_in_place(files) ? remove_slot(files, CURRENT) : 0;
	return code < 0 ? code : begin_anew(files);
}
