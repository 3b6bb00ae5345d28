/*
 * The settings of a real serial line: speed (any, not only the historical ones), framing, flow
 * control and modem lines. Through the kernel's termios2, see ioctl_tty(2); not <termios.h>, which
 * knows only fixed speeds.
 */
#ifndef CHARDEV_BACKEND_TTY_LINE_H
#define CHARDEV_BACKEND_TTY_LINE_H

#include "model/domain.h"
#include "util/error.h"

#include <stdint.h>

/* Settings as they were; opaque. */
struct tty_settings {
	uint32_t words[16];
};

/*
 * Makes the line raw with what the device's XML says (default 115200 8N1, no flow control), BREAK
 * and errors marked in the input (parmrk_codec.h), and raises DTR and RTS. Refused with a sentence
 * when the driver does not do what was asked. On success *ret_before is for tty_line_restore().
 */
int tty_line_configure(int fd, const struct device_config *config, struct tty_settings *ret_before,
	struct error *err);

/* The earlier settings decide by their HUPCL whether closing lowers DTR and RTS. */
void tty_line_restore(int fd, const struct tty_settings *before);

#endif
