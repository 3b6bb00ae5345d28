/* The settings of a line; see line_settings.h. Not <termios.h>: it knows only fixed speeds. */
#include "stream/line_settings.h"

#include <asm/termbits.h>
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};

static const tcflag_t parities[STREAM_PARITY_COUNT] = {
	[STREAM_PARITY_NONE] = 0,
	[STREAM_PARITY_ODD] = PARENB | PARODD,
	[STREAM_PARITY_EVEN] = PARENB,
	[STREAM_PARITY_MARK] = PARENB | PARODD | CMSPAR,
	[STREAM_PARITY_SPACE] = PARENB | CMSPAR,
};

static const tcflag_t PARITY_BITS = PARENB | PARODD | CMSPAR;

static enum stream_parity parity_of(tcflag_t flags)
{
	if ((flags & PARENB) == 0)
		return STREAM_PARITY_NONE;
	for (int i = STREAM_PARITY_ODD; i < STREAM_PARITY_COUNT; i++)
		if ((flags & PARITY_BITS) == parities[i])
			return (enum stream_parity)i;
	return STREAM_PARITY_NONE;
}

int line_settings_get(int fd, struct stream_line *ret)
{
	struct termios2 now;
	if (ioctl(fd, TCGETS2, &now) < 0)
		return -errno;
	uint8_t bits = 5;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if ((now.c_cflag & CSIZE) == sizes[i])
			bits = (uint8_t)(5 + i);
	*ret = (struct stream_line){
		.speed = now.c_ospeed,
		.bits = bits,
		.parity = parity_of(now.c_cflag),
		/* With five bits the longer stop bit is one and a half: termios cannot say so. */
		.stop = (now.c_cflag & CSTOPB) != 0 ? STREAM_STOP_2 : STREAM_STOP_1,
		.flow = STREAM_FLOW_NONE,
	};
	if ((now.c_cflag & CRTSCTS) != 0)
		ret->flow = STREAM_FLOW_RTSCTS;
	else if ((now.c_iflag & (IXON | IXOFF)) != 0)
		ret->flow = STREAM_FLOW_XONXOFF;
	return 0;
}

static void change(tcflag_t *flags, tcflag_t mask, tcflag_t value)
{
	*flags = (*flags & ~mask) | value;
}

int line_settings_set(int fd, const struct stream_line *line)
{
	struct termios2 wanted;
	if (ioctl(fd, TCGETS2, &wanted) < 0)
		return -errno;
	if (line->speed != 0) {
		change(&wanted.c_cflag, CBAUD | (CBAUD << IBSHIFT), BOTHER);
		wanted.c_ispeed = wanted.c_ospeed = line->speed;
	}
	if (line->bits >= 5 && line->bits <= 8)
		change(&wanted.c_cflag, CSIZE, sizes[line->bits - 5]);
	if (line->parity > STREAM_PARITY_UNSAID && line->parity < STREAM_PARITY_COUNT) {
		change(&wanted.c_cflag, PARITY_BITS, parities[line->parity]);
		change(&wanted.c_iflag, INPCK, line->parity == STREAM_PARITY_NONE ? 0 : INPCK);
	}
	if (line->stop != STREAM_STOP_UNSAID)
		change(&wanted.c_cflag, CSTOPB, line->stop == STREAM_STOP_1 ? 0 : CSTOPB);
	if (line->flow != STREAM_FLOW_UNSAID) {
		change(&wanted.c_cflag, CRTSCTS, line->flow == STREAM_FLOW_RTSCTS ? CRTSCTS : 0);
		change(&wanted.c_iflag, IXON | IXOFF,
			line->flow == STREAM_FLOW_XONXOFF ? IXON | IXOFF : 0);
	}
	return ioctl(fd, TCSETSW2, &wanted) < 0 ? -errno : 0;
}
