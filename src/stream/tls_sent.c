/* How far the consumer's bytes have come; see tls_sent.h. */
#include "stream/tls_sent.h"

static const struct tls_sent_mark *mark(const struct tls_sent *sent, uint64_t number)
{
	return &sent->marks[number % TLS_SENT_MARKS];
}

void tls_sent_add(struct tls_sent *sent, uint64_t from, uint64_t to, size_t n)
{
	/* A mark is where a record begins. Before the first is the handshake. */
	uint64_t last = sent->count > 0 ? mark(sent, sent->count - 1)->plain : 0;
	if (sent->count == 0 || sent->plain - last >= TLS_SENT_GRAIN)
		sent->marks[sent->count++ % TLS_SENT_MARKS] =
			(struct tls_sent_mark){from, sent->plain};
	sent->made = to;
	sent->plain += n;
}

uint64_t tls_sent_missing(const struct tls_sent *sent, uint64_t reached)
{
	struct tls_sent_mark end = {sent->made, sent->plain};
	uint64_t kept = sent->count < TLS_SENT_MARKS ? sent->count : TLS_SENT_MARKS;
	if (reached >= end.made)
		return 0;
	for (uint64_t i = 1; i <= kept; i++) {
		const struct tls_sent_mark *begin = mark(sent, sent->count - i);
		if (begin->made <= reached)
			return sent->plain - begin->plain -
			       (reached - begin->made) * (end.plain - begin->plain) /
				       (end.made - begin->made);
		end = *begin;
	}
	return sent->plain - end.plain;
}
