/*
 * The lock files by which programs that use serial lines (minicom, picocom, cu, uucp, pppd) keep
 * out of each other's way: /var/lock/LCK..ttyS0 with the holder's process id, ten columns wide
 * ("HDB").
 */
#ifndef CHARDEV_BACKEND_UUCP_LOCK_H
#define CHARDEV_BACKEND_UUCP_LOCK_H

#include "util/error.h"

#include <limits.h>
#include <stdbool.h>

struct uucp_lock {
	char path[PATH_MAX];
	bool held;
};

/*
 * Locks a device by its path, symbolic links followed. The lock of a process that is no more is
 * replaced. 0; -EBUSY with a sentence when somebody has it; another negative errno with a sentence
 * when locks cannot be written here.
 */
int uucp_lock_take(struct uucp_lock *lock, const char *device, struct error *err);

/* Removes the file if it is still ours; nothing if the lock is not held. */
void uucp_lock_release(struct uucp_lock *lock);

#endif
