/* Opening files for guest output; see log_file.h. */
#include "backend/log_file.h"

#include "backend/file_kind.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* 0 for a regular file; else the sentence that names what stands in its place. */
static int refuse_others(const char *path, mode_t mode, struct error *err)
{
	if (S_ISREG(mode))
		return 0;
	int code = S_ISDIR(mode) ? -EISDIR : S_ISLNK(mode) ? -ELOOP : -EINVAL;
	return error_set(err, code, "\"%s\" is %s, not a plain file; name a file to write to", path,
		file_kind(mode));
}

int log_file_failed(const char *path, int code, struct error *err)
{
	switch (code) {
	case -ENOENT:
		return error_set(err, code,
			"cannot make \"%s\": its directory does not exist; make the directory "
			"first",
			path);
	case -EACCES:
	case -EPERM:
		return error_set(err, code,
			"no permission to write \"%s\"; change its mode or owner, or its "
			"directory's",
			path);
	case -EROFS:
		return error_set(err, code,
			"cannot write \"%s\": its file system is read-only; name a file elsewhere",
			path);
	case -ELOOP:
		return refuse_others(path, S_IFLNK, err);
	case -ENAMETOOLONG:
		return error_set(err, code,
			"\"%s\" is too long a name: there must be room for the names of its "
			"rotated files; use a shorter one",
			path);
	default:
		return error_set(
			err, code, "cannot open \"%s\" for writing: %s", path, error_text(code));
	}
}

int log_file_open(
	int dir_fd, const char *name, const char *path, bool append, int *ret_fd, struct error *err)
{
	/* Looked at before it is opened: opening a device may already do something to it. */
	struct stat st;
	int r = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
			? refuse_others(path, st.st_mode, err)
			: 0;
	if (r < 0)
		return r;
	/* O_NONBLOCK: a FIFO that took its place meanwhile must not hold us up. */
	int fd = openat(dir_fd, name,
		O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0600);
	if (fd < 0)
		return log_file_failed(path, -errno, err);
	r = fstat(fd, &st) < 0 ? log_file_failed(path, -errno, err)
			       : refuse_others(path, st.st_mode, err);
	if (r == 0 && !append && ftruncate(fd, 0) < 0)
		r = log_file_failed(path, -errno, err);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

const char *log_file_trouble(int code)
{
	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
		return "its directory is gone, or has become a link; make the directory again";
	case -ELOOP:
		return "a symbolic link stands in its place, or in that of a rotated file, and is "
		       "not followed; remove the link";
	case -EINVAL:
	case -EISDIR:
	case -ENXIO:
		return "something that is no plain file stands in its place, or in that of a "
		       "rotated file; remove it";
	default:
		return error_text(code);
	}
}
