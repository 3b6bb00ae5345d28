/* The two FIFOs of a port as files; see fifo_files.h. fifo(7). */
#include "guest/fifo_files.h"

#include "util/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PIPE_BYTES = 1 << 20 };

static void file_path(const struct fifo_files *files, const char *suffix, char *ret)
{
	snprintf(ret, GUEST_PATH_SIZE, "%.*s%s", GUEST_PATH_SIZE - 5, files->path, suffix);
}

void fifo_files_out_path(const struct fifo_files *files, char ret[GUEST_PATH_SIZE])
{
	file_path(files, ".out", ret);
}

static int refuse(const char *alias, const char *path, const struct stat *st, struct error *err)
{
	if (!S_ISFIFO(st->st_mode))
		return error_set(err, -EEXIST,
			"%s: %s is in the way and not a FIFO; move it, or give another "
			"<chardev:guest path='...'/>",
			alias, path);
	return error_set(err, -EPERM,
		"%s: the FIFO %s belongs to user %u, not to us (%u); remove it or change its owner",
		alias, path, (unsigned)st->st_uid, (unsigned)geteuid());
}

/* 0 or a negative errno: -ESTALE when `path` is no longer the file that was found there. */
static int open_checked(const char *path, int flags, const struct guest_file *file, int *ret_fd)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_ino != file->inode || st.st_dev != file->device) {
		fd_close(fd);
		return -ESTALE;
	}
	*ret_fd = fd;
	return 0;
}

static int open_one(struct guest_file *file, const char *alias, const char *path, int flags,
	int *ret_fd, struct error *err)
{
	bool made = mkfifo(path, 0600) == 0;
	if (!made && errno != EEXIST)
		return error_set(err, -errno, "%s: cannot make the FIFO %s: %s", alias, path,
			error_text(errno));
	struct stat st = {0};
	if (lstat(path, &st) < 0)
		return error_set(err, -errno, "%s: %s: %s", alias, path, error_text(errno));
	if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid())
		return refuse(alias, path, &st, err);
	*file = (struct guest_file){.made = made, .device = st.st_dev, .inode = st.st_ino};
	int rc = open_checked(path, flags, file, ret_fd);
	if (rc < 0)
		return error_set(err, rc, "%s: cannot open %s: %s", alias, path, error_text(rc));
	return 0;
}

int fifo_files_open(struct fifo_files *files, const struct guest_params *params, struct error *err)
{
	const char *alias = params->config->alias;
	char path[GUEST_PATH_SIZE];
	*files = (struct fifo_files){.in_fd = -1, .out_fd = -1};
	int rc = guest_port_path(params, "", files->path, err);
	if (rc < 0)
		return rc;
	file_path(files, ".in", path);
	rc = open_one(&files->in_file, alias, path, O_RDWR, &files->in_fd, err);
	if (rc == 0) {
		file_path(files, ".out", path);
		rc = open_one(&files->out_file, alias, path, O_RDONLY, &files->out_fd, err);
	}
	if (rc < 0)
		fifo_files_undo(files);
	return rc;
}

static void remove_both(struct fifo_files *files, bool all)
{
	char path[GUEST_PATH_SIZE];
	file_path(files, ".in", path);
	if (all || files->in_file.made)
		guest_file_remove(&files->in_file, path);
	file_path(files, ".out", path);
	if (all || files->out_file.made)
		guest_file_remove(&files->out_file, path);
}

void fifo_files_undo(struct fifo_files *files)
{
	fifo_files_close(files);
	remove_both(files, false);
}

void fifo_files_close(struct fifo_files *files)
{
	files->in_fd = fd_close(files->in_fd);
	files->out_fd = fd_close(files->out_fd);
}

void fifo_files_remove(struct fifo_files *files, const struct guest_params *params)
{
	remove_both(files, params->config->extensions.guest.path == NULL);
}

static void discard_one(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid == geteuid())
		unlink(path);
}

void fifo_files_discard(const struct guest_params *params)
{
	struct fifo_files files;
	char path[GUEST_PATH_SIZE];
	if (params->config->extensions.guest.path != NULL ||
		guest_port_path(params, "", files.path, NULL) < 0)
		return;
	file_path(&files, ".in", path);
	discard_one(path);
	file_path(&files, ".out", path);
	discard_one(path);
}

int fifo_files_open_out_anew(struct fifo_files *files)
{
	char path[GUEST_PATH_SIZE];
	file_path(files, ".out", path);
	int fd = -1;
	int rc = open_checked(path, O_RDONLY, &files->out_file, &fd);
	if (rc < 0)
		return rc;
	if (dup3(fd, files->out_fd, O_CLOEXEC) < 0)
		rc = -errno;
	fd_close(fd);
	return rc;
}

size_t fifo_files_empty_in(struct fifo_files *files)
{
	char bytes[4096];
	size_t total = 0;
	while (total < MAX_PIPE_BYTES) {
		ssize_t n = read(files->in_fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		total += (size_t)n;
	}
	return total;
}
