/* Waiting for a path; see path_wait.h. */
#include "backend/path_wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

/* IN_ATTRIB: the entry may have been there already, but not for us to open. */
enum { WAITED_FOR = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF };

static void on_changed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct path_wait *wait = container_of(watch, struct path_wait, watch);
	if (name == NULL || strcmp(name, wait->next) == 0)
		wait->changed(wait);
}

int path_wait_start(struct path_wait *wait, struct loop *loop, const char *path,
	void (*changed)(struct path_wait *wait))
{
	char directory[PATH_MAX];
	path_wait_stop(wait);
	wait->changed = changed;
	if (snprintf(directory, sizeof(directory), "%s", path) >= (int)sizeof(directory))
		return -ENAMETOOLONG;
	/* From the last component up to the first directory that is there. */
	for (;;) {
		char *slash = strrchr(directory, '/');
		const char *entry = slash != NULL ? slash + 1 : directory;
		if (strlen(entry) >= sizeof(wait->next))
			return -ENAMETOOLONG;
		strcpy(wait->next, entry);
		if (slash != NULL)
			*slash = '\0';
		const char *parent = slash == NULL ? "." : directory[0] == '\0' ? "/" : directory;
		int r = loop_watch_init(&wait->watch, loop, parent, WAITED_FOR, on_changed);
		bool at_root = slash == NULL || directory[0] == '\0';
		if (r == 0 || at_root || (r != -ENOENT && r != -ENOTDIR))
			return r;
	}
}

void path_wait_stop(struct path_wait *wait)
{
	loop_watch_fini(&wait->watch);
}
