/*
 * Any bytes from the other end of an attached connection: decoded whole, in small pieces and from
 * boundary to boundary they are the same, and a frame that is told encodes to the bytes that came.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control/frame.h"
#include "fuzz.h"

/* What was told: every byte of DATA with its offset, every other frame with its payload. */
struct told {
	uint8_t *bytes;
	size_t size;
	unsigned calls;
};

static void put(struct told *told, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(told->bytes + told->size, bytes, n);
	told->size += n;
}

static void on_data(void *user, uint64_t offset, const uint8_t *bytes, size_t n)
{
	struct told *told = user;
	assert(n > 0);
	told->calls++;
	for (size_t i = 0; i < n; i++, offset++) {
		put(told, &offset, sizeof(offset));
		put(told, bytes + i, 1);
	}
}

static void on_frame(void *user, const struct frame *frame, const uint8_t *payload)
{
	struct told *told = user;
	uint8_t header[FRAME_HEADER_SIZE];
	assert(frame->type != FRAME_DATA && frame->length <= FRAME_PAYLOAD_MAX);
	told->calls++;
	frame_encode(frame, header);
	put(told, header, sizeof(header));
	put(told, payload, frame->length);
}

static const struct frame_sink sink = {.data = on_data, .frame = on_frame};

/* step 0: from boundary to boundary. */
static int decode(const uint8_t *data, size_t size, size_t step, struct told *told)
{
	struct frame_decoder *decoder = malloc(sizeof(*decoder));
	int rc = 0;
	frame_decoder_init(decoder);
	told->size = 0;
	for (size_t at = 0; at < size && rc == 0;) {
		size_t wanted = frame_decoder_wants(decoder);
		assert(wanted > 0 && wanted <= FRAME_PAYLOAD_MAX);
		size_t n = step == 0 ? wanted : step;
		if (n > size - at)
			n = size - at;
		told->calls = 0;
		rc = frame_decode(decoder, data + at, n, &sink, told);
		assert(step != 0 || told->calls <= 1);
		at += n;
	}
	free(decoder);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told whole = {.bytes = malloc(9 * size + 1)};
	struct told pieces = {.bytes = malloc(9 * size + 1)};
	int rc = decode(data, size, size, &whole);
	for (size_t step = 0; step < 5; step++) {
		assert(decode(data, size, step, &pieces) == rc);
		assert(pieces.size == whole.size);
		assert(memcmp(pieces.bytes, whole.bytes, whole.size) == 0);
	}
	free(pieces.bytes);
	free(whole.bytes);
	return 0;
}
