/*
 * How many bytes of the consumer's are in how many of TLS's: the stream below can only tell how
 * many bytes of TLS did not reach the other side, and its consumer wants its own.
 *
 * What was sent is remembered as marks of at least TLS_SENT_GRAIN bytes each, the last ones only:
 * more than any socket holds. Within a mark the answer is in proportion.
 */
#ifndef CHARDEV_STREAM_TLS_SENT_H
#define CHARDEV_STREAM_TLS_SENT_H

#include <stddef.h>
#include <stdint.h>

enum { TLS_SENT_GRAIN = 8 * 1024, TLS_SENT_MARKS = 512 };

/* So many bytes of the consumer's were sent when so many of TLS's had been made. */
struct tls_sent_mark {
	uint64_t made;
	uint64_t plain;
};

struct tls_sent {
	uint64_t made; /* at the last record */
	uint64_t plain;
	uint64_t count; /* of all marks; number i is at i % TLS_SENT_MARKS */
	struct tls_sent_mark marks[TLS_SENT_MARKS];
};

/* A record with n bytes, from one number of TLS's bytes to another. */
void tls_sent_add(struct tls_sent *sent, uint64_t from, uint64_t to, size_t n);

/* How many bytes are missing where only the first `reached` bytes of TLS have come. */
uint64_t tls_sent_missing(const struct tls_sent *sent, uint64_t reached);

#endif
