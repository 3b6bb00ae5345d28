/* Numbers of bytes as people write them: "64KiB", "2MB", "4096". */
#ifndef CHARDEV_UTIL_SIZE_H
#define CHARDEV_UTIL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Digits and B, KiB, MiB, GiB, kB, KB, MB, GB or nothing. False: it is none, or beyond 64 bits. */
bool size_parse(const char *text, uint64_t *ret);

#endif
