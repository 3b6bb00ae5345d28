/* Decoding the marks of a tty's input; see parmrk_codec.h. */
#include "stream/parmrk_codec.h"

enum { MARK = 0xff };

struct parmrk_result parmrk_decode(struct parmrk_decoder *decoder, const uint8_t *in,
	size_t in_size, uint8_t *out, size_t out_size)
{
	struct parmrk_result r = {0};
	while (r.taken < in_size && r.size < out_size) {
		uint8_t byte = in[r.taken];
		if (decoder->marks == 0 && byte == MARK) {
			decoder->marks = 1;
		} else if (decoder->marks == 1 && byte == 0) {
			decoder->marks = 2;
		} else if (decoder->marks == 1) {
			/* A mark that announces nothing was a byte; what follows stands for itself.
			 */
			decoder->marks = 0;
			out[r.size++] = MARK;
			if (byte != MARK)
				continue;
		} else if (decoder->marks == 2 && byte == 0) {
			decoder->marks = 0;
			r.taken++;
			r.is_break = true;
			return r;
		} else {
			decoder->marks = 0;
			out[r.size++] = byte;
		}
		r.taken++;
	}
	return r;
}
