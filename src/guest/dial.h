/*
 * Waiting for what a VMM makes (a socket, a terminal) to appear at a path, and trying it: at once,
 * when something changes in its directory, and, where the directory cannot tell (a socket that is
 * bound but not yet listened on, one that is busy), after 20 ms, 40 ms ... 1 s.
 *
 * No polling for what is simply not there: then only the directory's change counts.
 */
#ifndef CHARDEV_GUEST_DIAL_H
#define CHARDEV_GUEST_DIAL_H

#include "loop/loop.h"

struct guest_dial {
	struct loop *loop;
	const char *path; /* borrowed */
	/* 0: done, the dial stops; else a negative errno: it goes on. Called from the loop. */
	int (*attempt)(struct guest_dial *dial);
	struct loop_task task;
	struct loop_timer timer;
	struct loop_watch watch;
	bool active;
	bool watching;
	uint64_t delay_ms;
	uint64_t succeeded_ms; /* when the last attempt did */
	void (*closed)(struct guest_dial *dial);
};

void guest_dial_init(struct guest_dial *dial, struct loop *loop, const char *path,
	int (*attempt)(struct guest_dial *dial));
/* A start shortly after a success (the peer hung up at once) begins with a pause. */
void guest_dial_start(struct guest_dial *dial);
/* Also forgets the last success: the next start begins at once. */
void guest_dial_stop(struct guest_dial *dial);
/* `closed` comes on a later turn. */
void guest_dial_close(struct guest_dial *dial, void (*closed)(struct guest_dial *dial));

#endif
