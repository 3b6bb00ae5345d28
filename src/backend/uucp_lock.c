/* Lock files of serial lines; see uucp_lock.h. */
#include "backend/uucp_lock.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char DIRECTORY[] = "/var/lock";

enum { LOCK_TEXT_SIZE = 12, ATTEMPTS = 3 };

/* "/dev/ttyS0" is "ttyS0", "/dev/pts/3" is "pts_3". */
static int name_lock(struct uucp_lock *lock, const char *device, struct error *err)
{
	char *real = realpath(device, NULL);
	if (real == NULL)
		return error_set(err, -errno, "cannot find \"%s\": %s", device, error_text(errno));
	char *name = real;
	if (strncmp(real, "/dev/", 5) == 0)
		name = real + 5;
	else if (strrchr(real, '/') != NULL)
		name = strrchr(real, '/') + 1;
	for (char *at = name; *at != '\0'; at++) {
		if (*at == '/')
			*at = '_';
	}
	int n = snprintf(lock->path, sizeof(lock->path), "%s/LCK..%s", DIRECTORY, name);
	free(real);
	return n < PATH_MAX ? 0 : error_set(err, -ENAMETOOLONG, "\"%s\" is too long", device);
}

/* The process that holds the lock; 0 when that cannot be read, or a negative errno. */
static int read_holder(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	fd_close(fd);
	int pid = 0;
	if (n == sizeof(pid))
		memcpy(&pid, text, sizeof(pid)); /* the older, binary form */
	else
		pid = atoi(text);
	return pid > 0 ? pid : 0;
}

/* Written beside and linked into place: nobody ever sees a lock without its holder. */
static int write_lock(const char *path)
{
	char temporary[PATH_MAX + 24], text[LOCK_TEXT_SIZE];
	snprintf(temporary, sizeof(temporary), "%s/LTMP.%d", DIRECTORY, (int)getpid());
	unlink(temporary);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int n = snprintf(text, sizeof(text), "%10d\n", (int)getpid());
	int r = fd_write_all(fd, text, (size_t)n);
	fchmod(fd, 0644); /* others must read it, whatever our umask */
	fd_close(fd);
	if (r == 0 && link(temporary, path) < 0)
		r = -errno;
	unlink(temporary);
	return r;
}

static int refuse(const char *device, const struct uucp_lock *lock, int holder, struct error *err)
{
	if (holder > 0)
		return error_set(err, -EBUSY,
			"\"%s\" is in use by process %d, says %s; end it first", device, holder,
			lock->path);
	return error_set(err, -EBUSY, "\"%s\" is locked by %s, which names no process; remove that",
		device, lock->path);
}

int uucp_lock_take(struct uucp_lock *lock, const char *device, struct error *err)
{
	lock->held = false;
	int r = name_lock(lock, device, err);
	for (int attempt = 0; r == 0 && attempt < ATTEMPTS; attempt++) {
		int w = write_lock(lock->path);
		lock->held = w == 0;
		if (lock->held)
			return 0;
		if (w != -EEXIST)
			return error_set(err, w, "cannot write the lock file %s: %s", lock->path,
				error_text(w));
		int holder = read_holder(lock->path);
		bool dead = holder > 0 && kill(holder, 0) < 0 && errno == ESRCH;
		if (!dead && holder != -ENOENT)
			return refuse(device, lock, holder, err);
		if (dead && unlink(lock->path) < 0 && errno != ENOENT)
			return error_set(err, -EBUSY,
				"\"%s\" has a stale lock that cannot be removed: %s", device,
				lock->path);
	}
	return r < 0 ? r : refuse(device, lock, 0, err);
}

void uucp_lock_release(struct uucp_lock *lock)
{
	if (lock->held && read_holder(lock->path) == (int)getpid())
		unlink(lock->path);
	lock->held = false;
}
