/* The two sides of the pty port: pty.c makes the terminal, pty_client.c opens the VMM's. */
#ifndef CHARDEV_GUEST_PTY_H
#define CHARDEV_GUEST_PTY_H

#include "guest/port.h"

int guest_pty_client_open(
	const struct guest_params *params, struct guest_port **ret, struct error *err);

#endif
