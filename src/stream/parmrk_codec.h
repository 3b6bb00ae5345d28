/*
 * What a Linux tty delivers under PARMRK, see termios(3): 377 377 is one byte 377, 377 0 X is a
 * byte X that came with a framing or parity error, and 377 0 0 is a BREAK (or a NUL with an error,
 * which cannot be told from it). Pure: bytes in, bytes and BREAKs out; pieces may end anywhere.
 */
#ifndef CHARDEV_STREAM_PARMRK_CODEC_H
#define CHARDEV_STREAM_PARMRK_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parmrk_decoder {
	uint8_t marks; /* how much of a mark was seen: 0, 1 (377) or 2 (377 0) */
};

struct parmrk_result {
	size_t taken;  /* bytes of the input that are done with */
	size_t size;   /* bytes put out */
	bool is_break; /* and after them, a BREAK */
};

/* Decodes until the input ends, the output is full, or a BREAK. */
struct parmrk_result parmrk_decode(struct parmrk_decoder *decoder, const uint8_t *in,
	size_t in_size, uint8_t *out, size_t out_size);

#endif
