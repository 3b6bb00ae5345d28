/* Groups of the host by name. */
#ifndef CHARDEV_UTIL_GROUP_H
#define CHARDEV_UTIL_GROUP_H

#include <sys/types.h>

/*
 * The group of that name, or of that number, which need not be in the host's table. 0, -ENOENT
 * when there is none of that name, or another negative errno. May ask the network (NSS).
 */
int group_find(const char *name, gid_t *ret);

#endif
