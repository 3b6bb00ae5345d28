/* Compressing rotated files; see log_compress.h. */
#include "backend/log_compress.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3, PIECE = 64 * 1024 };

/* ---- on a thread ----------------------------------------------------------------------------- */

struct transfer {
	ZSTD_CCtx *context;
	char in[PIECE];
	char out[PIECE];
};

static ssize_t read_piece(int fd, char *bytes, size_t n)
{
	ssize_t got;
	do
		got = read(fd, bytes, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What `in` has, and, at the end, what the compressor has kept. */
static int compress_piece(struct transfer *t, int fd, size_t n)
{
	ZSTD_inBuffer in = {t->in, n, 0};
	size_t left;
	do {
		ZSTD_outBuffer out = {t->out, sizeof(t->out), 0};
		left = ZSTD_compressStream2(
			t->context, &out, &in, n == 0 ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return -EIO;
		int code = fd_write_all(fd, t->out, out.pos);
		if (code < 0)
			return code;
	} while (n == 0 ? left > 0 : in.pos < in.size);
	return 0;
}

static int transfer_all(struct log_compress *self, struct transfer *t, int from, int to)
{
	for (;;) {
		ssize_t n = read_piece(from, t->in, sizeof(t->in));
		int code = n < 0 ? (int)n : compress_piece(t, to, (size_t)n);
		if (code == 0 && atomic_load(&self->cancelled))
			code = -ECANCELED;
		if (code < 0 || n == 0)
			return code;
	}
}

static int compress_file(struct log_compress *self, int from, int to)
{
	struct stat st;
	if (fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	self->dev = st.st_dev;
	self->ino = st.st_ino;
	struct transfer *t = malloc(sizeof(*t));
	if (t == NULL || (t->context = ZSTD_createCCtx()) == NULL) {
		free(t);
		return -ENOMEM;
	}
	ZSTD_CCtx_setParameter(t->context, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(t->context, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setPledgedSrcSize(t->context, (unsigned long long)st.st_size);
	int code = transfer_all(self, t, from, to);
	ZSTD_freeCCtx(t->context);
	free(t);
	const struct timespec times[2] = {st.st_mtim, st.st_mtim};
	if (code == 0 && (futimens(to, times) < 0 || fdatasync(to) < 0))
		code = -errno;
	return code;
}

static void compress(struct loop_job *job)
{
	struct log_compress *self = container_of(job, struct log_compress, job);
	enum { COMMON = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };
	int from = openat(self->dir_fd, self->source.text, O_RDONLY | COMMON);
	if (from < 0) {
		self->failure = -errno;
		return;
	}
	int to = openat(self->dir_fd, self->part.text, O_WRONLY | O_CREAT | O_EXCL | COMMON, 0600);
	self->failure = to < 0 ? -errno : compress_file(self, from, to);
	if (to >= 0 && self->failure < 0)
		unlinkat(self->dir_fd, self->part.text, 0);
	fd_close(to);
	fd_close(from);
}

/* ---- on the loop ----------------------------------------------------------------------------- */

static void on_compressed(struct loop_job *job)
{
	struct log_compress *self = container_of(job, struct log_compress, job);
	self->dir_fd = fd_close(self->dir_fd);
	self->running = false;
	self->done(self);
}

int log_compress_start(struct log_compress *self, struct loop *loop, const struct log_files *files,
	int number, void (*done)(struct log_compress *compress))
{
	self->done = done;
	self->failure = 0;
	atomic_init(&self->cancelled, false);
	int code = log_files_name(files, number, "", &self->source);
	if (code == 0)
		code = log_files_name(files, -1, ".part", &self->part);
	if (code < 0)
		return code;
	/* Its own: the log may open its directory anew meanwhile. */
	self->dir_fd = fcntl(files->dir_fd, F_DUPFD_CLOEXEC, 0);
	code = self->dir_fd < 0 ? -errno
				: loop_job_submit(&self->job, loop, compress, on_compressed);
	if (code < 0)
		self->dir_fd = fd_close(self->dir_fd);
	self->running = code == 0;
	return code;
}

void log_compress_cancel(struct log_compress *self)
{
	atomic_store(&self->cancelled, true);
}

/* ---- the rest, on the log's thread ----------------------------------------------------------- */

/* The number that what was compressed has by now; -1: it is gone. */
static int find_source(const struct log_compress *self, const struct log_files *files)
{
	for (int i = 0; i < (int)files->limits.max_backups; i++) {
		struct log_name name;
		struct stat st;
		if (log_files_name(files, i, "", &name) == 0 &&
			fstatat(files->dir_fd, name.text, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_dev == self->dev && st.st_ino == self->ino)
			return i;
	}
	return -1;
}

int log_compress_commit(const struct log_compress *self, const struct log_files *files)
{
	struct log_name plain, compressed;
	int number = find_source(self, files);
	if (number < 0)
		return log_compress_sweep(files);
	int code = log_files_name(files, number, "", &plain);
	if (code == 0)
		code = log_files_name(files, number, ".zst", &compressed);
	if (code == 0 &&
		renameat(files->dir_fd, self->part.text, files->dir_fd, compressed.text) < 0)
		code = -errno;
	if (code == 0 && unlinkat(files->dir_fd, plain.text, 0) < 0)
		code = -errno;
	return code;
}

int log_compress_sweep(const struct log_files *files)
{
	struct log_name part;
	int code = log_files_name(files, -1, ".part", &part);
	if (code == 0 && unlinkat(files->dir_fd, part.text, 0) < 0 && errno != ENOENT)
		code = -errno;
	return code;
}

int log_compress_content(int fd, uint64_t *ret)
{
	char header[18]; /* ZSTD_FRAMEHEADERSIZE_MAX, which is not in the stable interface */
	ssize_t n;
	do
		n = pread(fd, header, sizeof(header), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	unsigned long long size = ZSTD_getFrameContentSize(header, (size_t)n);
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR)
		return -EBADMSG;
	*ret = size;
	return 0;
}

int log_compress_length(const struct log_files *files, int number, uint64_t *ret)
{
	struct log_name plain, compressed;
	struct stat st;
	int code = log_files_name(files, number, "", &plain);
	if (code == 0)
		code = log_files_name(files, number, ".zst", &compressed);
	if (code < 0)
		return code;
	if (fstatat(files->dir_fd, plain.text, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret = (uint64_t)st.st_size;
		return 0;
	}
	int fd = openat(files->dir_fd, compressed.text,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	code = log_compress_content(fd, ret);
	fd_close(fd);
	return code;
}
