/* Names for what stands at a path; see file_kind.h. */
#include "backend/file_kind.h"

#include <stddef.h>

const char *file_kind(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *name;
	} kinds[] = {
		{S_IFREG, "a plain file"},
		{S_IFDIR, "a directory"},
		{S_IFIFO, "a FIFO"},
		{S_IFSOCK, "a socket"},
		{S_IFCHR, "a device"},
		{S_IFBLK, "a block device"},
		{S_IFLNK, "a symbolic link"},
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((mode & S_IFMT) == kinds[i].type)
			return kinds[i].name;
	}
	return "something unknown";
}
