/* Groups of the host by name; see group.h. */
#include "util/group.h"

#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_BUFFER_SIZE = 16 * 1024 };

/* The last one is (gid_t)-1: "none" to chown(2). */
static int read_number(const char *text, gid_t *ret)
{
	errno = 0;
	unsigned long number = strtoul(text, NULL, 10);
	if (errno != 0 || number >= UINT32_MAX)
		return -ENOENT;
	*ret = (gid_t)number;
	return 0;
}

int group_find(const char *name, gid_t *ret)
{
	if (name[0] != '\0' && name[strspn(name, "0123456789")] == '\0')
		return read_number(name, ret);
	char *buffer = malloc(GROUP_BUFFER_SIZE);
	if (buffer == NULL)
		return -ENOMEM;
	struct group entry, *found = NULL;
	int code = getgrnam_r(name, &entry, buffer, GROUP_BUFFER_SIZE, &found);
	if (found != NULL)
		*ret = found->gr_gid;
	free(buffer);
	if (found != NULL)
		return 0;
	return code != 0 ? -code : -ENOENT;
}
