/*
 * Anything inside of COM-PORT-OPTION. The first byte says which side we are; then each payload is
 * preceded by its length. Answers and signals stay within their bounds.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "stream/rfc2217_codec.h"

static void check_messages(const struct rfc2217 *port, const struct rfc2217_messages *messages)
{
	size_t size = 0;
	assert(messages->count <= RFC2217_MESSAGES_MAX);
	for (size_t i = 0; i < messages->count; i++) {
		const struct rfc2217_message *message = &messages->message[i];
		assert(message->size >= 1 && message->size <= RFC2217_PAYLOAD_MAX);
		assert(message->bytes[0] <= 12 || (message->bytes[0] >= 100 && port->is_server));
		size += 5 + message->size;
		for (size_t j = 0; j < message->size; j++)
			size += message->bytes[j] == 0xff ? 1 : 0;
	}
	assert(size <= RFC2217_MESSAGES_SIZE_MAX);
}

static void check_line(const struct stream_line *line)
{
	assert(line->bits == 0 || (line->bits >= 5 && line->bits <= 8));
	assert(line->parity < STREAM_PARITY_COUNT && line->stop < STREAM_STOP_COUNT);
	assert(line->flow < STREAM_FLOW_COUNT);
}

static void check_signal(const struct stream_signal *signal)
{
	switch (signal->type) {
	case STREAM_SIGNAL_LINE:
		check_line(&signal->u.line);
		break;
	case STREAM_SIGNAL_MODEM:
		assert((signal->u.modem.on & ~signal->u.modem.which) == 0);
		break;
	case STREAM_SIGNAL_PURGE:
		assert(signal->u.purge >= 1 && signal->u.purge <= 3);
		break;
	default:
		assert(signal->type == STREAM_SIGNAL_BREAK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rfc2217 port, other;
	struct rfc2217_messages messages;
	struct stream_signal signal;
	if (size == 0)
		return 0;
	rfc2217_init(&port, data[0] & 1);
	rfc2217_init(&other, !(data[0] & 1));
	for (size_t at = 1; at < size;) {
		size_t n = data[at] < size - at ? data[at] : size - at - 1;
		/* Of exactly its size, so that a read beyond its end is seen. */
		uint8_t *payload = malloc(n + 1);
		memcpy(payload + 1, data + at + 1, n);
		bool has_signal = rfc2217_receive(&port, payload + 1, n, &messages, &signal);
		free(payload);
		at += 1 + n;
		check_messages(&port, &messages);
		check_line(&port.line);
		if (!has_signal)
			continue;
		check_signal(&signal);
		if (rfc2217_tell(&other, &signal, &messages) == 0)
			check_messages(&other, &messages);
	}
	rfc2217_begin(&other, &messages);
	check_messages(&other, &messages);
	return 0;
}
