/* A file that one process at a time holds; see lock_file.h. */
#include "util/lock_file.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t read_holder(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	long pid = strtol(text, NULL, 10);
	return pid > 0 ? (pid_t)pid : 0;
}

/* The file may have been removed by its last holder after it was opened here. */
static int check_named(int fd, const char *path)
{
	struct stat locked, named;
	if (fstat(fd, &locked) < 0 || stat(path, &named) < 0 || locked.st_ino != named.st_ino ||
		locked.st_dev != named.st_dev)
		return -ENOENT;
	return 0;
}

int lock_file_take(const char *path, int *ret_fd, pid_t *ret_holder)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	int code = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : check_named(fd, path);
	if (code == -EWOULDBLOCK)
		*ret_holder = read_holder(fd);
	if (code < 0) {
		fd_close(fd);
		return code;
	}
	/* The pid is for people; the lock holds without it, so a full disk is no failure. */
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%d\n", (int)getpid());
	*ret_fd = fd;
	return 0;
}

int lock_file_release(const char *path, int fd)
{
	unlink(path);
	return fd_close(fd);
}
