/*
 * The frames of an upgraded connection: what Attach and Log carry after their reply. Pure: bytes
 * in, frames out, and back; the same code on both sides.
 *
 *     type (1 byte) | length of the payload (3 bytes) | offset (8 bytes) | payload
 *
 * Numbers are big-endian. Payloads are at most FRAME_PAYLOAD_MAX bytes. An unknown type is skipped
 * by its length. `offset` counts in the device's history (Attach) or in its log (Log); where a
 * type has no use for it, it is 0.
 *
 * A viewer that gets DATA whose offset is not where the DATA before it ended has missed the bytes
 * between. The NOTICE of the end has the offset at which everything ends, for the same purpose.
 *
 * The payload of a NOTICE is a JSON object. It tells how things are when it is sent: of what has
 * changed several times meanwhile there is one. WHO is {"id":N,"uid":N,"pid":N}. What concerns
 * all viewers they are told within a quarter of a second.
 *
 *     {"notice":"pen","holder":WHO|null,"yours":BOOL}  who types: when that changes, and in answer
 *                                                      to each PEN
 *     {"notice":"asked","by":WHO|null}                 to the holder: who is the next to get the
 *                                                      pen; null: nobody any more
 *     {"notice":"refused","bytes":N}                   typed without the pen and thrown away: N
 *                                                      bytes so far
 *     {"notice":"guest","attached":BOOL}               the VMM came or left
 *     {"notice":"viewers","count":N}                   of the device, this one included: somebody
 *                                                      came or left
 *     {"notice":"end","code":N,"reason":TEXT}          the last frame; code: 0 or a negative errno
 *
 * So is that of a MARK. TIME is RFC 3339.
 *
 *     {"time":TIME,"what":TEXT}                        see log_reader.h
 *     {"gap":N|null}                                   N bytes before `offset` are missing; null:
 *                                                      nobody knows how many
 *
 * Whoever reads them skips members and notices that it does not know. One that still sends when
 * the server ends may find ECONNRESET behind the last frame, where the end would be.
 */
#ifndef CHARDEV_CONTROL_FRAME_H
#define CHARDEV_CONTROL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEADER_SIZE = 12, FRAME_PAYLOAD_MAX = 16 * 1024 };

enum frame_type {
	/* Both ways: output with its offset; what is typed. */
	FRAME_DATA = 'D',
	/* Both ways: the guest sent a BREAK before `offset`; a BREAK for the guest. No payload. */
	FRAME_BREAK = 'B',
	/* From the server: the pen, viewers, the VMM, the end. */
	FRAME_NOTICE = 'N',
	/* From the server, in a log: the time, or what happened, at `offset`. */
	FRAME_MARK = 'M',
	/* From the viewer: the size of its terminal, columns and rows of 2 bytes each. */
	FRAME_WINDOW = 'W',
	/* From the viewer: one byte of enum frame_pen. */
	FRAME_PEN = 'P',
};

enum frame_pen {
	FRAME_PEN_ASK = 'a',   /* politely: see chardev-control(7) */
	FRAME_PEN_FORCE = 'f', /* at once */
	FRAME_PEN_GIVE = 'g',  /* to who asks, or to nobody */
};

struct frame {
	uint8_t type;
	uint32_t length;
	uint64_t offset;
};

void frame_encode(const struct frame *frame, uint8_t ret[FRAME_HEADER_SIZE]);

/*
 * One incoming direction, cut anywhere. The payload of DATA is handed on as it comes, in pieces;
 * every other frame is collected whole first.
 */
struct frame_decoder {
	uint8_t header[FRAME_HEADER_SIZE];
	uint32_t header_size;
	struct frame frame;
	uint32_t payload_size; /* of the frame, so far */
	uint8_t payload[FRAME_PAYLOAD_MAX];
};

struct frame_sink {
	/* n > 0 bytes of a DATA frame; `offset` is that of the first of them. */
	void (*data)(void *user, uint64_t offset, const uint8_t *bytes, size_t n);
	/* Any other frame of a known type, with its whole payload. */
	void (*frame)(void *user, const struct frame *frame, const uint8_t *payload);
};

/* Touches no payload: a decoder that collects nothing costs no page. */
void frame_decoder_init(struct frame_decoder *decoder);

/*
 * How many bytes more it takes until a header or a payload is whole: at least 1. Whoever gives no
 * more than that at once gets at most one call of the sink, and if the decoder is in the payload
 * of DATA it is `data` with just these bytes.
 */
size_t frame_decoder_wants(const struct frame_decoder *decoder);
bool frame_decoder_in_data(const struct frame_decoder *decoder);

/*
 * Takes n bytes. 0, or -EPROTO when a frame is longer than FRAME_PAYLOAD_MAX: the connection is of
 * no use any more.
 */
int frame_decode(struct frame_decoder *decoder, const uint8_t *bytes, size_t n,
	const struct frame_sink *sink, void *user);

#endif
