/*
 * The guest's ports as the agent uses them: found by name, opened raw, read and written whole.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Opens a name under /dev, a path, or a virtio port by its name, for reading and writing if it can.
 * A terminal is made raw. Returns a descriptor, or -1 with errno.
 */
int device_open(const char *name);

/* Reads at least one byte, waiting for the host to open its side of a virtio port. 0 is an end. */
ssize_t device_read(int fd, void *buf, size_t size);

/* Writes all of it: 0, or -1 with errno. */
int device_write(int fd, const uint8_t *p, size_t n);

#endif
