/* Directories; see dir.h. */
#include "util/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int make_last(const char *path, mode_t mode, bool *ret_made)
{
	struct stat st;
	if (mkdir(path, mode) == 0) {
		if (ret_made != NULL)
			*ret_made = true;
		return 0;
	}
	if (errno != EEXIST || stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(const char *path, mode_t mode, bool *ret_made)
{
	char *part = strdup(path);
	if (part == NULL)
		return -ENOMEM;
	int code = 0;
	for (char *slash = part; code == 0 && (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			code = -errno;
		*slash = '/';
	}
	free(part);
	return code < 0 ? code : make_last(path, mode, ret_made);
}
