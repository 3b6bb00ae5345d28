/*
 * The guest's ports as the agent uses them. See device.h.
 */
#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* Finds the device of the virtio port of that name. */
static bool find_virtio_port(const char *name, char *path, size_t size)
{
	const char *class = "/sys/class/virtio-ports";
	DIR *dir = opendir(class);
	bool found = false;

	if (!dir)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir));) {
		char line[256] = "";
		snprintf(path, size, "%s/%s/name", class, entry->d_name);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = '\0';
			found = strcmp(line, name) == 0;
		}
		fclose(f);
		if (found)
			snprintf(path, size, "/dev/%s", entry->d_name);
	}
	closedir(dir);
	return found;
}

int device_open(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : "/dev/", name);
	if (access(path, F_OK) != 0 && !find_virtio_port(name, path, sizeof(path))) {
		errno = ENOENT;
		return -1;
	}
	/* Non-blocking only until it is open: a terminal must not wait for its carrier. */
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != EBUSY)
		fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);

	struct termios t;
	if (tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag |= CLOCAL | CREAD;
		t.c_cflag &= ~(CRTSCTS | HUPCL);
		cfsetspeed(&t, B115200);
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

/*
 * Reads at least one byte. A virtio port whose host side is closed reads 0 bytes at once; the
 * kernel sends SIGIO when that changes.
 */
ssize_t device_read(int fd, void *buf, size_t size)
{
	sigset_t set;
	ssize_t n;

	while ((n = read(fd, buf, size)) == 0) {
		struct stat st;
		if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode))
			return 0;
		sigemptyset(&set);
		sigaddset(&set, SIGIO);
		sigprocmask(SIG_BLOCK, &set, NULL);
		fcntl(fd, F_SETOWN, getpid());
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) != 0)
			return 0;
		if ((n = read(fd, buf, size)) != 0)
			break;
		if (sigwaitinfo(&set, NULL) < 0 && errno != EINTR)
			return -1;
	}
	return n;
}

int device_write(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= done;
	}
	return 0;
}
