/*
 * Waiting, without polling, for something to appear at a path that is missing now, be it with the
 * directories that lead there (/dev/serial/by-id goes with its last device). It tells of changes,
 * not of success: the owner looks, and waits again.
 */
#ifndef CHARDEV_BACKEND_PATH_WAIT_H
#define CHARDEV_BACKEND_PATH_WAIT_H

#include "loop/loop.h"

#include <limits.h>

struct path_wait {
	struct loop_watch watch;
	char next[NAME_MAX + 1]; /* the entry to come in the directory that is watched */
	void (*changed)(struct path_wait *wait);
};

/*
 * Begins, or begins anew. Look at the path after it returned: what came before is not told.
 * `changed` may end or begin it anew. 0 or a negative errno.
 */
int path_wait_start(struct path_wait *wait, struct loop *loop, const char *path,
	void (*changed)(struct path_wait *wait));
/* Synchronous; a zeroed one is ignored. */
void path_wait_stop(struct path_wait *wait);

#endif
