/* Pseudo terminals; see pty.h. */
#include "util/pty.h"

#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int pty_open_slave(int master)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return slave < 0 ? -errno : slave;
}

int pty_make_raw(int fd)
{
	struct termios now;
	if (tcgetattr(fd, &now) < 0)
		return -errno;
	struct termios raw = now;
	cfmakeraw(&raw);
	raw.c_cflag |= CREAD | CLOCAL;
	bool same = raw.c_iflag == now.c_iflag && raw.c_oflag == now.c_oflag &&
		    raw.c_cflag == now.c_cflag && raw.c_lflag == now.c_lflag;
	return same || tcsetattr(fd, TCSANOW, &raw) == 0 ? 0 : -errno;
}

int pty_watch_settings(int master)
{
	static const int on = 1, off;
	struct termios now;
	if (tcgetattr(master, &now) < 0)
		return -errno;
	if ((now.c_lflag & EXTPROC) != 0)
		return ioctl(master, TIOCPKT, &on) < 0 ? -errno : 0;
	/* Off first: this change is not to be told. */
	now.c_lflag |= EXTPROC;
	if (ioctl(master, TIOCPKT, &off) < 0 || tcsetattr(master, TCSANOW, &now) < 0 ||
		ioctl(master, TIOCPKT, &on) < 0)
		return -errno;
	return 0;
}

uint64_t pty_take_back_unread(int master)
{
	uint64_t unread = 0;
	char scratch[4096];
	int slave = pty_open_slave(master);
	if (slave < 0)
		return 0;
	pty_make_raw(slave); /* half a line cannot be read in canonical mode */
	for (ssize_t n; (n = read(slave, scratch, sizeof(scratch))) > 0;)
		unread += (uint64_t)n;
	fd_close(slave);
	return unread;
}
