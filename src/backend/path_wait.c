/* Waiting for a path; see path_wait.h. */
#include "backend/path_wait.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* IN_ATTRIB: the entry may have been there already, but not for us to open. */
enum { WAITED_FOR = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF };

static void on_changed(struct loop_watch *watch, uint32_t mask, const char *name)
{
	struct path_wait *wait = container_of(watch, struct path_wait, watch);
	if (name == NULL || strcmp(name, wait->next) == 0)
		wait->changed(wait);
}

/*
 * Watches the last directory on the way to `path` that is there, and notes in wait->next what is to
 * come in it. 0 or a negative errno; *ret_missing is the length of what then is still missing.
 */
static int watch_way(
	struct path_wait *wait, struct loop *loop, const char *path, size_t *ret_missing)
{
	char directory[PATH_MAX];
	*ret_missing = strlen(path);
	if (*ret_missing >= sizeof(directory))
		return -ENAMETOOLONG;
	memcpy(directory, path, *ret_missing + 1);
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
		*ret_missing = strlen(directory);
	}
}

/* A directory that came before its parent was watched would hide what then comes in it. */
static bool came_meanwhile(const char *path, size_t missing)
{
	char entry[PATH_MAX];
	memcpy(entry, path, missing);
	entry[missing] = '\0';
	return path[missing] != '\0' && access(entry, F_OK) == 0;
}

int path_wait_start(struct path_wait *wait, struct loop *loop, const char *path,
	void (*changed)(struct path_wait *wait))
{
	wait->changed = changed;
	for (;;) {
		size_t missing;
		path_wait_stop(wait);
		int r = watch_way(wait, loop, path, &missing);
		if (r < 0 || !came_meanwhile(path, missing))
			return r;
	}
}

void path_wait_stop(struct path_wait *wait)
{
	loop_watch_fini(&wait->watch);
}
