/* What the guest ports share: where their files stand, and sentences for a person. */
#ifndef CHARDEV_GUEST_PORT_H
#define CHARDEV_GUEST_PORT_H

#include "guest/guest.h"

#include <sys/types.h>

extern const struct guest_ops guest_fifo_ops;
extern const struct guest_ops guest_unix_ops;
extern const struct guest_ops guest_pty_ops;
extern const struct guest_ops guest_stdio_ops;
extern const struct guest_ops guest_process_ops;

/*
 * The port's path: that of <chardev:guest path=>, else RUNTIME/NAME/ALIAS and the suffix. It has
 * room for four more characters. -EINVAL or -ENAMETOOLONG and a sentence on failure.
 */
int guest_port_path(const struct guest_params *params, const char *suffix,
	char ret[GUEST_PATH_SIZE], struct error *err);

/* The suffixes of the paths, for guest_plan() and the ports. */
#define GUEST_UNIX_SUFFIX ".sock"
#define GUEST_PTY_SUFFIX  ".guest"

/* Whether our side makes the meeting point (unix, pty), after the defaults. */
bool guest_port_listens(const struct device_config *config);

/* For the ports that serve a VMM whether or not a peer is there. */
void guest_port_ignore_attend(struct guest_port *port, bool peers);

/*
 * Lets the pipe `fd`, the guest's output, hold 1 MiB. That may be refused, for unprivileged
 * processes may have some 60 such pipes: a line of state, not a failure.
 */
void guest_port_enlarge_pipe(const struct guest_port *port, int fd);

/* Tells the device something a person should know. */
void guest_port_state(const struct guest_port *port, int failure, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A file that a port made or took over, known by its inode: never remove what came after it. */
struct guest_file {
	bool made; /* by us; else it was there */
	dev_t device;
	ino_t inode; /* 0: none */
};

void guest_file_remove(struct guest_file *file, const char *path);

#endif
