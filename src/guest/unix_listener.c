/* A UNIX listening socket for one VMM; see unix_listener.h. */
#include "guest/unix_listener.h"

#include "util/fd.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4 };

int unix_listener_address(
	const char *alias, const char *path, struct sockaddr_un *ret, struct error *err)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof(ret->sun_path))
		return error_set(err, -ENAMETOOLONG,
			"%s: the socket path %s is longer than %zu bytes; give a shorter one with "
			"<chardev:guest path='...'/>",
			alias, path, sizeof(ret->sun_path) - 1);
	memcpy(ret->sun_path, path, n + 1);
	return 0;
}

int unix_listener_connect(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* To a UNIX socket it succeeds or fails at once: EAGAIN when the backlog is full. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		int failure = -errno;
		fd_close(fd);
		return failure;
	}
	return fd;
}

/* 0 when what stands in the way was a dead socket, and is gone. */
static int clear_way(
	const char *alias, const char *path, const struct sockaddr_un *address, struct error *err)
{
	struct stat st = {0};
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST,
			"%s: %s is in the way and not a socket; move it, or give another "
			"<chardev:guest path='...'/>",
			alias, path);
	int fd = unix_listener_connect(address);
	if (fd != -ECONNREFUSED) {
		if (fd >= 0)
			fd_close(fd);
		return error_set(err, -EADDRINUSE,
			"%s: another process listens on %s; end it, or give another "
			"<chardev:guest path='...'/>",
			alias, path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, -errno, "%s: cannot remove the dead socket %s: %s", alias,
			path, error_text(errno));
	return 0;
}

/* The mode is set before anybody can connect: before listen(2). */
static int start_listening(int fd, const char *path, struct guest_file *file)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return -errno;
	*file = (struct guest_file){.made = true, .device = st.st_dev, .inode = st.st_ino};
	if (chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

int unix_listener_open(const char *alias, const char *path, struct guest_file *file, int *ret_fd,
	struct error *err)
{
	struct sockaddr_un address;
	int rc = unix_listener_address(alias, path, &address, err);
	if (rc < 0)
		return rc;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(
			err, -errno, "%s: cannot make a socket: %s", alias, error_text(errno));
	int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	if (bound < 0 && errno == EADDRINUSE) {
		rc = clear_way(alias, path, &address, err);
		if (rc < 0) {
			fd_close(fd);
			return rc;
		}
		bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
	}
	rc = bound < 0 ? -errno : start_listening(fd, path, file);
	if (rc < 0) {
		fd_close(fd);
		guest_file_remove(file, path);
		return error_set(
			err, rc, "%s: cannot listen on %s: %s", alias, path, error_text(rc));
	}
	*ret_fd = fd;
	return 0;
}
