/*
 * Anything from a telnet peer. The first byte says which side we are; what follows gives the same
 * bytes, events and answers whole and in pieces, and never more than came in. As output, the same
 * bytes come out of the other side's decoder as they went in.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "stream/telnet_codec.h"

enum { WIRE_SIZE = 4096 };

struct trace {
	uint8_t *bytes; /* what was put out, events as numbers after a 0xff */
	size_t size;
	uint8_t *wire;
	size_t wire_size;
};

static void note(struct trace *trace, const struct telnet_result *r, const uint8_t *out)
{
	for (size_t i = 0; i < r->size; i++) {
		trace->bytes[trace->size++] = out[i];
		if (out[i] == 0xff)
			trace->bytes[trace->size++] = 0xff;
	}
	if (r->event == TELNET_EVENT_NONE)
		return;
	trace->bytes[trace->size++] = 0xff;
	trace->bytes[trace->size++] = (uint8_t)r->event;
	if (r->payload_size > 0)
		memcpy(trace->bytes + trace->size, r->payload, r->payload_size);
	trace->size += r->payload_size;
}

static void empty_wire(struct trace *trace, struct telnet_wire *wire)
{
	memcpy(trace->wire + trace->wire_size, wire->bytes, wire->end);
	trace->wire_size += wire->end;
	wire->end = 0;
}

static struct trace decode(
	const uint8_t *in, size_t size, bool is_server, size_t in_step, size_t out_step)
{
	static uint8_t wire_bytes[WIRE_SIZE];
	struct telnet_wire wire = {wire_bytes, sizeof(wire_bytes), 0};
	struct telnet_codec codec;
	/* The longest answer to the shortest question is AYT's, of 9 bytes to 2. */
	struct trace trace = {
		.bytes = malloc(4 * size + 64), .wire = malloc(WIRE_SIZE + 16 * size)};
	if (trace.bytes == NULL || trace.wire == NULL ||
		telnet_codec_init(&codec, is_server, &wire) < 0)
		abort();
	for (size_t at = 0; at < size;) {
		size_t n = size - at < in_step ? size - at : in_step;
		uint8_t out[64];
		struct telnet_result r = telnet_codec_decode(&codec, in + at, n, out, out_step);
		assert(r.taken <= n && r.size <= out_step && r.size <= r.taken);
		assert(r.taken > 0 || wire.end > sizeof(wire_bytes) - TELNET_ANSWER_MAX);
		note(&trace, &r, out);
		at += r.taken;
		if (r.taken == 0 || in_step == 1)
			empty_wire(&trace, &wire);
	}
	empty_wire(&trace, &wire);
	telnet_codec_fini(&codec);
	return trace;
}

static void free_trace(struct trace *trace)
{
	free(trace->bytes);
	free(trace->wire);
}

/* In binary mode what one side encodes the other decodes. */
static void pass_through(const uint8_t *data, size_t size)
{
	static uint8_t wire_bytes[WIRE_SIZE], back_bytes[WIRE_SIZE];
	struct telnet_wire wire = {wire_bytes, sizeof(wire_bytes), 0};
	struct telnet_wire back = {back_bytes, sizeof(back_bytes), 0};
	struct telnet_codec from, to;
	if (telnet_codec_init(&from, false, &wire) < 0 || telnet_codec_init(&to, true, &back) < 0)
		abort();
	for (size_t at = 0; at < size;) {
		size_t n = telnet_codec_encode(&from, data + at, size - at);
		assert(n > 0);
		for (size_t sent = 0; sent < wire.end;) {
			uint8_t out[64];
			struct telnet_result r = telnet_codec_decode(
				&to, wire.bytes + sent, wire.end - sent, out, sizeof(out));
			assert(r.taken > 0 && at + r.size <= size);
			assert(r.size == 0 || memcmp(out, data + at, r.size) == 0);
			sent += r.taken;
			at += r.size;
			n -= r.size;
		}
		assert(n == 0);
		wire.end = 0;
	}
	telnet_codec_fini(&from);
	telnet_codec_fini(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	bool is_server = data[0] & 1;
	struct trace whole = decode(data + 1, size - 1, is_server, size, 64);
	for (size_t step = 1; step < 6; step++) {
		struct trace pieces = decode(data + 1, size - 1, is_server, step, 1 + step % 3);
		assert(pieces.size == whole.size && pieces.wire_size == whole.wire_size);
		assert(memcmp(pieces.bytes, whole.bytes, whole.size) == 0);
		assert(memcmp(pieces.wire, whole.wire, whole.wire_size) == 0);
		free_trace(&pieces);
	}
	free_trace(&whole);
	pass_through(data + 1, size - 1);
	return 0;
}
