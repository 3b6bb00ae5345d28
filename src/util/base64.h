/* base64 (RFC 4648, section 4), strictly: padded, without line ends or any other character. */
#ifndef CHARDEV_UTIL_BASE64_H
#define CHARDEV_UTIL_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* The most bytes that a text of n characters stands for. */
#define BASE64_DECODED_MAX(n) ((n) / 4 * 3)

/* Fills ret, which has room for BASE64_DECODED_MAX(n) bytes. 0, or -EINVAL: it is not base64. */
int base64_decode(const char *text, size_t n, uint8_t *ret, size_t *ret_n);

/* The characters that n bytes become. */
#define BASE64_ENCODED_SIZE(n) (((n) + 2) / 3 * 4)

/* Fills ret, which has room for BASE64_ENCODED_SIZE(n) characters and the NUL after them. */
void base64_encode(const uint8_t *bytes, size_t n, char *ret);

#endif
