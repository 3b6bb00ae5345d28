/* FNV-1a, 64 bits: tells texts apart; not against people who choose them with care. */
#ifndef CHARDEV_UTIL_HASH_H
#define CHARDEV_UTIL_HASH_H

#include <stdint.h>

#define HASH_INIT 0xcbf29ce484222325U

/* Adds a text with its end, so that "ab", "c" and "a", "bc" differ. */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
	while (*text++ != '\0');
	return hash;
}

#endif
