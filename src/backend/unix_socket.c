/* The file of a UNIX server's socket; see unix_socket.h. */
#include "backend/unix_socket.h"

#include "backend/address.h"
#include "util/fd.h"
#include "util/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what stands in the way ------------------------------------------------------------------ */

static int path_error(const char *path, int code, struct error *err)
{
	switch (-code) {
	case ENOENT:
		return error_set(err, code,
			"cannot make the socket %s: its directory does not exist; make the "
			"directory "
			"first",
			path);
	case ENOTDIR:
		return error_set(err, code,
			"cannot make the socket %s: a part of its path is no directory", path);
	case EACCES:
	case EPERM:
		return error_set(err, code,
			"no permission to make the socket %s; change its directory's mode or "
			"owner, "
			"or choose another path",
			path);
	case EROFS:
		return error_set(err, code,
			"cannot make the socket %s: its file system is read-only; choose another "
			"path",
			path);
	default:
		return error_set(
			err, code, "cannot make the socket %s: %s", path, error_text(code));
	}
}

/* Whoever listens is named, if the kernel tells. */
static int in_use_error(const char *path, int connected_fd, struct error *err)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	char by[40] = "another program";
	if (connected_fd >= 0 &&
		getsockopt(connected_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		peer.pid > 0)
		snprintf(by, sizeof(by), "process %d", (int)peer.pid);
	return error_set(err, -EADDRINUSE,
		"the socket %s is in use by %s; end that, or choose another path", path, by);
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/*
 * 0 when `pinned`, an O_PATH descriptor of what stands at `path`, is a socket without a listener.
 * The descriptor keeps the inode, so that it stays the same thing whatever happens to the name.
 */
static int check_dead(const char *path, int pinned, struct error *err)
{
	struct stat st;
	if (fstat(pinned, &st) < 0)
		return path_error(path, -errno, err);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST,
			"%s exists and is no socket; it is not replaced: choose another path, or "
			"remove it",
			path);
	int fd = new_socket();
	if (fd < 0)
		return path_error(path, fd, err);
	struct sockaddr_un self = {.sun_family = AF_UNIX};
	snprintf(self.sun_path, sizeof(self.sun_path), "/proc/self/fd/%d", pinned);
	int code = connect(fd, (struct sockaddr *)&self, sizeof(self)) < 0 ? -errno : 0;
	int rc = 0;
	if (code == 0 || code == -EAGAIN)
		rc = in_use_error(path, code == 0 ? fd : -1, err);
	else if (code != -ECONNREFUSED)
		rc = error_set(err, -EADDRINUSE,
			"cannot tell whether the socket %s is in use (%s), so it is not replaced; "
			"remove it, or choose another path",
			path, error_text(code));
	fd_close(fd);
	return rc;
}

/* Moves the name aside, looks whether it was the dead one, and if not puts it back. */
static int remove_dead(const char *path, int pinned)
{
	char aside[ADDRESS_PATH_MAX + 40];
	struct stat dead, moved;
	snprintf(aside, sizeof(aside), "%s.dead-%d", path, (int)getpid());
	if (rename(path, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(pinned, &dead) == 0 && lstat(aside, &moved) == 0 && dead.st_ino == moved.st_ino &&
		dead.st_dev == moved.st_dev)
		return unlink(aside) < 0 ? -errno : 0;
	if (renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		return -errno;
	return -EADDRINUSE;
}

static int make_room(const char *path, struct error *err)
{
	int pinned = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (pinned < 0)
		return errno == ENOENT ? 0 : path_error(path, -errno, err);
	int rc = check_dead(path, pinned, err);
	if (rc == 0) {
		rc = remove_dead(path, pinned);
		if (rc == -EADDRINUSE)
			in_use_error(path, -1, err);
		else if (rc < 0)
			path_error(path, rc, err);
	}
	fd_close(pinned);
	return rc;
}

/* ---- one of us at a time --------------------------------------------------------------------- */

/* The lock's descriptor, or a negative errno with a sentence. */
static int lock_name(const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char directory[ADDRESS_PATH_MAX + 2] = ".";
	struct stat st;
	if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path) + 1, path);
	if (stat(directory, &st) < 0)
		return path_error(path, -errno, err);
	int fd = new_socket();
	if (fd < 0)
		return path_error(path, fd, err);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "chardev/%llx/%llx/%s",
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		slash != NULL ? slash + 1 : path);
	if (length > (int)sizeof(name.sun_path) - 1)
		length = (int)sizeof(name.sun_path) - 1;
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)length;
	if (bind(fd, (struct sockaddr *)&name, size) == 0)
		return fd;
	int code = -errno;
	fd_close(fd);
	if (code == -EADDRINUSE)
		return error_set(err, code,
			"another chardev is making the socket %s at this very moment; give each "
			"its "
			"own path",
			path);
	return path_error(path, code, err);
}

/* ---- mode and group -------------------------------------------------------------------------- */

static int find_group(const char *name, gid_t *ret, struct error *err)
{
	int code = group_find(name, ret);
	if (code < 0)
		error_set(err, code,
			"no group \"%s\" on this host; name one of /etc/group for the socket",
			name);
	return code;
}

/*
 * The file was made with `mode` less the umask, by this process: it is pinned, and what the umask
 * took away is given back after the group is right, so that nobody ever has more than he should.
 */
static int set_access(const char *path, mode_t mode, const char *group, struct unix_socket *made,
	struct error *err)
{
	struct stat st;
	gid_t gid = 0;
	int rc = 0;
	int pinned = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (pinned < 0)
		return path_error(path, -errno, err);
	if (fstat(pinned, &st) < 0) {
		rc = path_error(path, -errno, err);
	} else {
		made->device = st.st_dev;
		made->inode = st.st_ino;
	}
	if (rc == 0 && group != NULL) {
		rc = find_group(group, &gid, err);
		if (rc == 0 && fchownat(pinned, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0)
			rc = error_set(err, -errno,
				"cannot give the socket %s to group \"%s\": %s; run as root or as "
				"a "
				"member of that group",
				path, group, error_text(errno));
	}
	if (rc == 0 && (group != NULL || (st.st_mode & 07777) != mode)) {
		char self[40];
		snprintf(self, sizeof(self), "/proc/self/fd/%d", pinned);
		if (chmod(self, mode) < 0)
			rc = path_error(path, -errno, err);
	}
	fd_close(pinned);
	return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int bind_name(int fd, const char *path, const struct address *address, struct error *err)
{
	if (bind(fd, &address->u.any, address->length) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return path_error(path, -errno, err);
	int rc = make_room(path, err);
	if (rc < 0)
		return rc;
	if (bind(fd, &address->u.any, address->length) == 0)
		return 0;
	return errno == EADDRINUSE ? in_use_error(path, -1, err) : path_error(path, -errno, err);
}

/* With the lock held. */
static int make(const char *path, const struct address *address, mode_t mode, const char *group,
	int backlog, struct unix_socket *ret, struct error *err)
{
	struct unix_socket made = {.fd = new_socket()};
	if (made.fd < 0)
		return path_error(path, made.fd, err);
	/* On Linux the file gets its mode from the socket's. Nothing for the group before chown. */
	fchmod(made.fd, group != NULL ? mode & 0700 : mode);
	int rc = bind_name(made.fd, path, address, err);
	if (rc < 0) {
		fd_close(made.fd);
		return rc;
	}
	rc = set_access(path, mode, group, &made, err);
	if (rc == 0 && listen(made.fd, backlog) < 0)
		rc = path_error(path, -errno, err);
	if (rc < 0) {
		unix_socket_unlink(&made, path);
		fd_close(made.fd);
		return rc;
	}
	*ret = made;
	return 0;
}

int unix_socket_listen(const char *path, int mode, const char *group, int backlog,
	struct unix_socket *ret, struct error *err)
{
	struct address address;
	int rc = address_of_path(path, &address, err);
	if (rc < 0)
		return rc;
	int lock = lock_name(path, err);
	if (lock < 0)
		return lock;
	rc = make(path, &address, mode >= 0 ? (mode_t)mode : UNIX_SOCKET_MODE_DEFAULT, group,
		backlog, ret, err);
	fd_close(lock);
	return rc;
}

void unix_socket_unlink(const struct unix_socket *made, const char *path)
{
	struct stat st;
	if (made->inode != 0 && lstat(path, &st) == 0 && st.st_ino == made->inode &&
		st.st_dev == made->device)
		unlink(path);
}
