/*
 * Reading a pipe so that a SIGKILL at any moment neither loses nor doubles a byte.
 *
 * read(2) may move the bytes and die before the count is noted. So the reader first looks at the
 * next byte without taking it (tee(2) into a private pipe), lets the consumer note what it is about
 * to do (`intent`: where, how many, and that byte, the witness), and then reads exactly that many.
 * The consumer, restarted, sees from its own memory whether the read took place.
 *
 * The private pipe serves any number of ports of one loop, one after the other.
 */
#ifndef CHARDEV_GUEST_WITNESS_H
#define CHARDEV_GUEST_WITNESS_H

#include "stream/stream.h"

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: not made yet. */
struct guest_witness {
	bool made;
	int read_fd;
	int write_fd;
};

/* Makes the pipe unless it is there. 0 or a negative errno. */
int guest_witness_make(struct guest_witness *witness);
void guest_witness_fini(struct guest_witness *witness);

enum witness_finding {
	WITNESS_BYTES,  /* *ret_byte is the next one */
	WITNESS_WRITER, /* empty, and somebody holds the other end open for writing */
	WITNESS_NOBODY, /* empty, and nobody does */
};

/*
 * Looks into the pipe `fd` and takes nothing; ret_byte may be NULL. A finding or a negative errno.
 * The only way to learn whether a FIFO has a writer: poll(2) tells of one that left, not of one
 * that is there.
 */
int guest_witness_look(struct guest_witness *witness, int fd, uint8_t *ret_byte);

/*
 * One pass: reads from the pipe `fd` what is there and what the consumer has space for. Returns how
 * much came, -EAGAIN when the pipe was empty, -ENOBUFS when the consumer gave no space, or another
 * negative errno. The consumer may have closed the stream meanwhile: look at stream->closing.
 */
ssize_t guest_witness_read(struct guest_witness *witness, int fd, struct stream *stream);

#endif
