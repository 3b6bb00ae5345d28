/* How many bytes a TCP peer's kernel has acknowledged. */
#ifndef CHARDEV_STREAM_TCP_ACKED_H
#define CHARDEV_STREAM_TCP_ACKED_H

#include <stdint.h>

/*
 * Counted since the connection began, the handshake's sequence number included: compare two values.
 * Works after a reset, too. 0 or a negative errno.
 */
int tcp_acked(int fd, uint64_t *ret);

#endif
