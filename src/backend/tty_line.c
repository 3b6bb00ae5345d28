/* The settings of a serial line; see tty_line.h. */
#include "backend/tty_line.h"

#include <asm/termbits.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(struct termios2) <= sizeof(struct tty_settings), "termios2 has grown");

enum { DEFAULT_SPEED = 115200 };

static const tcflag_t FRAMING = CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS;

static tcflag_t framing_of(const struct device_config *config)
{
	static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
	unsigned bits = config->extensions.line.bits;
	tcflag_t flags = bits >= 5 && bits <= 8 ? sizes[bits - 5] : CS8;
	if (config->extensions.line.parity == PARITY_EVEN)
		flags |= PARENB;
	if (config->extensions.line.parity == PARITY_ODD)
		flags |= PARENB | PARODD;
	if (config->extensions.line.stop == 2)
		flags |= CSTOPB;
	if (config->extensions.line.flow == FLOW_RTSCTS)
		flags |= CRTSCTS;
	return flags;
}

/* "9600 7E1" */
static void name_settings(const struct termios2 *settings, char *ret, size_t size)
{
	tcflag_t flags = settings->c_cflag;
	tcflag_t bits = flags & CSIZE;
	snprintf(ret, size, "%u %c%c%c%s", settings->c_ospeed,
		bits == CS5   ? '5'
		: bits == CS6 ? '6'
		: bits == CS7 ? '7'
			      : '8',
		(flags & PARENB) == 0   ? 'N'
		: (flags & PARODD) != 0 ? 'O'
					: 'E',
		(flags & CSTOPB) != 0 ? '2' : '1', (flags & CRTSCTS) != 0 ? " with RTS/CTS" : "");
}

/* A UART divides its clock: what it makes of a speed may be off by what receivers tolerate. */
static int check_result(int fd, const struct termios2 *wanted, struct error *err)
{
	struct termios2 now;
	if (ioctl(fd, TCGETS2, &now) < 0)
		return error_set(
			err, -errno, "cannot read the line's settings back: %s", error_text(errno));
	uint64_t speed = wanted->c_ospeed, got = now.c_ospeed;
	uint64_t off = speed > got ? speed - got : got - speed;
	if ((now.c_cflag & FRAMING) == (wanted->c_cflag & FRAMING) && off * 100 <= speed * 3)
		return 0;
	char asked[48], made[48];
	name_settings(wanted, asked, sizeof(asked));
	name_settings(&now, made, sizeof(made));
	return error_set(err, -EINVAL,
		"its driver cannot do %s (it made %s of it); change <chardev:line>", asked, made);
}

int tty_line_configure(int fd, const struct device_config *config, struct tty_settings *ret_before,
	struct error *err)
{
	struct termios2 before, wanted;
	if (ioctl(fd, TCGETS2, &before) < 0)
		return error_set(
			err, -errno, "cannot read the line's settings: %s", error_text(errno));
	wanted = before;
	bool parity = config->extensions.line.parity == PARITY_EVEN ||
		      config->extensions.line.parity == PARITY_ODD;
	bool software_flow = config->extensions.line.flow == FLOW_XONXOFF;
	unsigned speed = config->extensions.line.speed;
	wanted.c_iflag = PARMRK | (parity ? INPCK : 0) | (software_flow ? IXON | IXOFF : 0);
	wanted.c_oflag = 0;
	wanted.c_lflag = 0;
	wanted.c_cflag = framing_of(config) | CREAD | CLOCAL | BOTHER | (before.c_cflag & HUPCL);
	wanted.c_ispeed = wanted.c_ospeed = speed != 0 ? speed : DEFAULT_SPEED;
	wanted.c_cc[VMIN] = 1;
	wanted.c_cc[VTIME] = 0;
	int r = 0;
	if (ioctl(fd, TCSETS2, &wanted) < 0)
		r = error_set(err, -errno, "cannot set the line: %s", error_text(errno));
	else
		r = check_result(fd, &wanted, err);
	if (r < 0) {
		ioctl(fd, TCSETS2, &before);
		return r;
	}
	/* Not every tty has modem lines; those that have none fail here and work nevertheless. */
	int raised = TIOCM_DTR | TIOCM_RTS;
	ioctl(fd, TIOCMBIS, &raised);
	memcpy(ret_before, &before, sizeof(before));
	return 0;
}

void tty_line_restore(int fd, const struct tty_settings *before)
{
	struct termios2 settings;
	memcpy(&settings, before, sizeof(settings));
	ioctl(fd, TCSETS2, &settings);
}
