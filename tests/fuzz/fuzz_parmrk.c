/*
 * Any bytes from a tty: decoded whole and in small pieces they are the same, and never more than
 * came in.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "stream/parmrk_codec.h"

/* Decodes in pieces; a BREAK is written down as a byte of its own, after an escape. */
static size_t decode(const uint8_t *in, size_t size, size_t in_step, size_t out_step, uint8_t *out)
{
	struct parmrk_decoder decoder = {0};
	size_t at = 0, put = 0;
	while (at < size) {
		size_t n = size - at < in_step ? size - at : in_step;
		uint8_t piece[64];
		struct parmrk_result r = parmrk_decode(&decoder, in + at, n, piece, out_step);
		assert(r.taken <= n && r.size <= out_step);
		assert(r.taken > 0 || r.size > 0);
		for (size_t i = 0; i < r.size; i++) {
			out[put++] = piece[i];
			if (piece[i] == '\\')
				out[put++] = '\\';
		}
		if (r.is_break) {
			out[put++] = '\\';
			out[put++] = 'B';
		}
		at += r.taken;
	}
	return put;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *whole = malloc(2 * size + 1);
	uint8_t *pieces = malloc(2 * size + 1);
	size_t n = decode(data, size, 64, 64, whole);
	for (size_t step = 1; step < 8; step++) {
		assert(decode(data, size, step, 1 + step % 3, pieces) == n);
		assert(memcmp(whole, pieces, n) == 0);
	}
	free(pieces);
	free(whole);
	return 0;
}
