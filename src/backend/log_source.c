/* One file of a log, open for reading; see log_source.h. */
#include "backend/log_source.h"

#include "backend/log_compress.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum {
	OPEN_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	INPUT_PIECE = 16 * 1024,
	WINDOW_LOG_MAX = 23, /* 8 MiB of memory, whatever the file asks for */
	RENAMED_TRIES = 16,  /* while it is being rotated */
	NUMBERS_MAX = 1000,
};

struct log_inflater {
	ZSTD_DCtx *context;
	ZSTD_inBuffer in;
	bool ended;
	char input[INPUT_PIECE];
};

/* ---- opening --------------------------------------------------------------------------------- */

static struct log_inflater *free_inflater(struct log_inflater *inflater)
{
	if (inflater != NULL)
		ZSTD_freeDCtx(inflater->context);
	free(inflater);
	return NULL;
}

static int new_inflater(struct log_inflater **ret)
{
	struct log_inflater *inflater = calloc(1, sizeof(*inflater));
	if (inflater == NULL || (inflater->context = ZSTD_createDCtx()) == NULL) {
		free(inflater);
		return -ENOMEM;
	}
	ZSTD_DCtx_setParameter(inflater->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	inflater->in.src = inflater->input;
	*ret = inflater;
	return 0;
}

void log_source_close(struct log_source *source)
{
	source->fd = fd_close(source->fd);
	source->index_fd = fd_close(source->index_fd);
	source->inflater = free_inflater(source->inflater);
}

/* The plain file first: where both are, and where it is about to be compressed, it is whole. */
static int open_content(struct log_source *source, const struct log_files *files, int number)
{
	static const char *const suffixes[] = {"", ".zst"};
	for (int i = 0; i < (number < 0 ? 1 : 2) && source->fd < 0; i++) {
		struct log_name name;
		int code = log_files_name(files, number, suffixes[i], &name);
		if (code < 0)
			return code;
		source->fd = openat(files->dir_fd, name.text, OPEN_FLAGS);
		if (source->fd < 0 && errno != ENOENT)
			return -errno;
		if (source->fd >= 0 && i == 1 && (code = new_inflater(&source->inflater)) < 0)
			return code;
	}
	return source->fd < 0 ? -ENOENT : 0;
}

static int look_at_content(struct log_source *source)
{
	struct stat st;
	if (fstat(source->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	source->dev = st.st_dev;
	source->ino = st.st_ino;
	source->time_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	source->length = (uint64_t)st.st_size;
	return source->inflater != NULL ? log_compress_content(source->fd, &source->length) : 0;
}

static void open_index(struct log_source *source, const struct log_files *files, int number)
{
	struct log_index_ends ends;
	struct log_name name;
	if (log_files_name(files, number, ".idx", &name) < 0 ||
		log_index_read_ends(files->dir_fd, name.text, &ends) < 0)
		return;
	source->index_fd = openat(files->dir_fd, name.text, OPEN_FLAGS);
	if (source->index_fd < 0)
		return;
	source->start = ends.position;
	source->has_start = true;
}

static bool has_number(const struct log_source *source, const struct log_files *files, int number)
{
	struct log_name name;
	struct stat st;
	return log_files_name(files, number, source->inflater != NULL ? ".zst" : "", &name) == 0 &&
	       fstatat(files->dir_fd, name.text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == source->dev && st.st_ino == source->ino;
}

int log_source_open(struct log_source *source, const struct log_files *files, int number)
{
	for (int tries = 0; tries < RENAMED_TRIES; tries++) {
		*source = (struct log_source){.number = number, .fd = -1, .index_fd = -1};
		int code = open_content(source, files, number);
		if (code == 0)
			code = look_at_content(source);
		if (code == 0)
			open_index(source, files, number);
		/* An index moves just before its file, and none takes its place before that. */
		if (code == 0 && has_number(source, files, number))
			return 0;
		log_source_close(source);
		if (code < 0)
			return code;
	}
	return -EAGAIN;
}

bool log_source_is_current(const struct log_source *source, const struct log_files *files)
{
	return source->inflater == NULL && has_number(source, files, -1);
}

void log_source_find_index(struct log_source *source, const struct log_files *files)
{
	uint64_t start = source->start;
	for (int i = -1; i < NUMBERS_MAX && source->index_fd < 0; i++) {
		if (!has_number(source, files, i))
			continue;
		open_index(source, files, i);
		if (!has_number(source, files, i))
			source->index_fd = fd_close(source->index_fd);
		break;
	}
	source->start = start;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static ssize_t read_some(int fd, char *bytes, size_t n)
{
	ssize_t got;
	do
		got = read(fd, bytes, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t inflate(struct log_source *source, void *bytes, size_t n)
{
	struct log_inflater *inflater = source->inflater;
	ZSTD_outBuffer out = {bytes, n, 0};
	while (out.pos == 0 && !inflater->ended) {
		if (inflater->in.pos == inflater->in.size) {
			ssize_t got = read_some(source->fd, inflater->input, INPUT_PIECE);
			if (got <= 0)
				return got < 0 ? got : -EBADMSG; /* it is cut off */
			inflater->in.size = (size_t)got;
			inflater->in.pos = 0;
		}
		size_t left = ZSTD_decompressStream(inflater->context, &out, &inflater->in);
		if (ZSTD_isError(left))
			return -EBADMSG;
		inflater->ended = left == 0;
	}
	return (ssize_t)out.pos;
}

ssize_t log_source_read(struct log_source *source, char *bytes, size_t n)
{
	ssize_t got = source->inflater != NULL ? inflate(source, bytes, n)
					       : read_some(source->fd, bytes, n);
	if (got > 0)
		source->offset += (uint64_t)got;
	return got;
}

static int rewind_source(struct log_source *source)
{
	if (lseek(source->fd, 0, SEEK_SET) < 0)
		return -errno;
	source->offset = 0;
	source->inflater = free_inflater(source->inflater);
	return new_inflater(&source->inflater);
}

int log_source_seek(struct log_source *source, uint64_t offset)
{
	char bytes[4096];
	if (source->inflater == NULL) {
		source->offset = offset;
		return lseek(source->fd, (off_t)offset, SEEK_SET) < 0 ? -errno : 0;
	}
	int code = offset < source->offset ? rewind_source(source) : 0;
	while (code == 0 && source->offset < offset) {
		uint64_t left = offset - source->offset;
		ssize_t n = log_source_read(
			source, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes));
		if (n <= 0)
			code = n < 0 ? (int)n : -EBADMSG;
	}
	return code;
}

int log_source_refresh(struct log_source *source)
{
	struct stat st;
	if (source->inflater != NULL)
		return 0;
	if (fstat(source->fd, &st) < 0)
		return -errno;
	source->length = (uint64_t)st.st_size;
	return 0;
}

/* ---- marks ----------------------------------------------------------------------------------- */

/* Reads on; false: there is nothing more now. */
static bool fill_index(struct log_source *source)
{
	size_t room = sizeof(source->index_text) - source->index_held;
	if (source->index_fd < 0 || room == 0)
		return false;
	ssize_t n;
	do
		n = pread(source->index_fd, source->index_text + source->index_held, room,
			(off_t)(source->index_at + source->index_held));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	source->index_held += (size_t)n;
	return true;
}

static void drop_index(struct log_source *source, size_t n)
{
	source->index_at += n;
	source->index_held -= n;
	memmove(source->index_text, source->index_text + n, source->index_held);
}

void log_source_pass_mark(struct log_source *source)
{
	const char *end = memchr(source->index_text, '\n', source->index_held);
	if (end != NULL)
		drop_index(source, (size_t)(end + 1 - source->index_text));
}

bool log_source_mark(struct log_source *source, struct log_mark *ret)
{
	for (;;) {
		const char *text = source->index_text;
		const char *end = memchr(text, '\n', source->index_held);
		if (end != NULL && log_mark_parse(text, (size_t)(end - text), ret))
			return true;
		if (end != NULL)
			log_source_pass_mark(source); /* none of ours */
		else if (source->index_held == sizeof(source->index_text))
			drop_index(source, source->index_held);
		else if (!fill_index(source))
			return false;
	}
}
