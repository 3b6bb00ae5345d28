/* The frames of an upgraded connection; see frame.h. */
#include "control/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { LENGTH_AT = 1, OFFSET_AT = 4 };

void frame_encode(const struct frame *frame, uint8_t ret[FRAME_HEADER_SIZE])
{
	ret[0] = frame->type;
	for (int i = 0; i < 3; i++)
		ret[LENGTH_AT + i] = (uint8_t)(frame->length >> (16 - 8 * i));
	for (int i = 0; i < 8; i++)
		ret[OFFSET_AT + i] = (uint8_t)(frame->offset >> (56 - 8 * i));
}

static void decode_header(const uint8_t *header, struct frame *ret)
{
	*ret = (struct frame){.type = header[0]};
	for (int i = 0; i < 3; i++)
		ret->length = ret->length << 8 | header[LENGTH_AT + i];
	for (int i = 0; i < 8; i++)
		ret->offset = ret->offset << 8 | header[OFFSET_AT + i];
}

void frame_decoder_init(struct frame_decoder *decoder)
{
	decoder->header_size = 0;
	decoder->payload_size = 0;
}

bool frame_decoder_in_data(const struct frame_decoder *decoder)
{
	return decoder->header_size == FRAME_HEADER_SIZE && decoder->frame.type == FRAME_DATA;
}

size_t frame_decoder_wants(const struct frame_decoder *decoder)
{
	if (decoder->header_size < FRAME_HEADER_SIZE)
		return FRAME_HEADER_SIZE - decoder->header_size;
	return decoder->frame.length - decoder->payload_size;
}

static bool is_collected(uint8_t type)
{
	switch (type) {
	case FRAME_BREAK:
	case FRAME_NOTICE:
	case FRAME_MARK:
	case FRAME_WINDOW:
	case FRAME_PEN:
		return true;
	default:
		return false;
	}
}

static void take_payload(struct frame_decoder *decoder, const uint8_t *bytes, size_t n,
	const struct frame_sink *sink, void *user)
{
	const struct frame *frame = &decoder->frame;
	uint64_t offset = frame->offset + decoder->payload_size;
	if (is_collected(frame->type))
		memcpy(decoder->payload + decoder->payload_size, bytes, n);
	decoder->payload_size += (uint32_t)n;
	if (frame->type == FRAME_DATA)
		sink->data(user, offset, bytes, n);
}

static void end_frame(struct frame_decoder *decoder, const struct frame_sink *sink, void *user)
{
	const struct frame frame = decoder->frame;
	frame_decoder_init(decoder);
	if (is_collected(frame.type))
		sink->frame(user, &frame, decoder->payload);
}

int frame_decode(struct frame_decoder *decoder, const uint8_t *bytes, size_t n,
	const struct frame_sink *sink, void *user)
{
	while (n > 0) {
		size_t wanted = frame_decoder_wants(decoder);
		size_t piece = wanted < n ? wanted : n;
		if (decoder->header_size == FRAME_HEADER_SIZE) {
			take_payload(decoder, bytes, piece, sink, user);
		} else {
			memcpy(decoder->header + decoder->header_size, bytes, piece);
			decoder->header_size += (uint32_t)piece;
			if (decoder->header_size == FRAME_HEADER_SIZE)
				decode_header(decoder->header, &decoder->frame);
		}
		bytes += piece;
		n -= piece;
		if (decoder->header_size < FRAME_HEADER_SIZE)
			continue;
		if (decoder->frame.length > FRAME_PAYLOAD_MAX)
			return -EPROTO;
		if (frame_decoder_wants(decoder) == 0)
			end_frame(decoder, sink, user);
	}
	return 0;
}
