/*
 * A client of QEMU's monitor protocol (docs/interop/qmp-spec.txt of QEMU), as far as serial ports
 * need it: BREAK.
 *
 * It connects when there is something to say and hangs up when all is answered: a monitor serves
 * one client at a time, an idle one costs no wake-ups, and a QEMU that was started anew is found
 * without looking for it. Commands go one after the other, in the order in which they were given.
 */
#ifndef CHARDEV_VMM_QMP_H
#define CHARDEV_VMM_QMP_H

#include "loop/loop.h"

enum {
	QMP_MAX_CALLS = 16,       /* waiting at a time */
	QMP_MAX_LINE = 64 * 1024, /* of what QEMU says */
	QMP_DEADLINE_MS = 5000,   /* from the start of a command to its answer */
};

struct qmp;

/* `path` is copied: the socket on which QEMU listens, now or later. 0 or a negative errno. */
int qmp_new(struct loop *loop, const char *path, struct qmp **ret);

/*
 * Sends a BREAK to the front end of a chardev; QEMU's guest has it when `done` comes with status 0.
 * Otherwise status is a negative errno (-ENOENT, -ECONNREFUSED: there is no QEMU; -ETIMEDOUT;
 * -EPROTO: QEMU refused) and `reason` one clause, valid during the call. `done` comes once, never
 * on this stack; `chardev_id` is borrowed until then. -EBUSY: too many are waiting.
 */
int qmp_send_break(struct qmp *qmp, const char *chardev_id,
	void (*done)(void *user, int status, const char *reason), void *user);

/* After this no `done` comes; `closed` does once, later, with everything freed. */
void qmp_close(struct qmp *qmp, void (*closed)(void *user), void *user);

#endif
