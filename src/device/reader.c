/* A reader of the history; see reader.h. */
#include "device/reader.h"

#include "util/fd.h"

void reader_init(struct reader *reader, struct history *history, struct stream *stream,
	enum reader_policy policy, uint32_t patience_ms, uint64_t offset)
{
	*reader = (struct reader){
		.history = history,
		.stream = stream,
		.policy = policy,
		.patience_ms = patience_ms,
		.offset = offset,
	};
}

static ssize_t offer(struct reader *reader, size_t *ret_offered)
{
	struct iovec iov[2];
	int count = history_peek(reader->history, reader->offset, iov);
	*ret_offered = iov_total(iov, count);
	return stream_write(reader->stream, iov, count);
}

ssize_t reader_pump(struct reader *reader)
{
	if (reader->ended || reader->waiting || reader->borrowed != 0 ||
		reader_is_caught_up(reader))
		return 0;
	size_t offered;
	ssize_t n = offer(reader, &offered);
	if (n == STREAM_BORROWED) {
		reader->borrowed = offered;
		return 0;
	}
	if (n < 0) {
		reader->ended = true;
		return n;
	}
	reader->waiting = (size_t)n < offered;
	reader->offset += (uint64_t)n;
	reader->taken += (uint64_t)n;
	if (reader_is_caught_up(reader))
		reader->held_ms = 0;
	return n;
}

void reader_written(struct reader *reader, size_t done)
{
	reader->borrowed = 0;
	reader->offset += done;
	reader->taken += done;
	if (reader_is_caught_up(reader))
		reader->held_ms = 0;
}

uint64_t reader_holds(const struct reader *reader)
{
	bool holds = false;
	switch (reader->policy) {
	case READER_BLOCK:
		holds = true;
		break;
	case READER_DROP:
		holds = reader->held_ms < reader->patience_ms;
		break;
	case READER_FILE:
		holds = !reader->failing;
		break;
	case READER_POLICY_COUNT:
		break;
	}
	return holds && !reader->ended ? reader->offset : UINT64_MAX;
}

bool reader_is_caught_up(const struct reader *reader)
{
	return reader->offset == reader->history->head;
}

static uint64_t skip(struct reader *reader, uint64_t to)
{
	uint64_t missed = to - reader->offset;
	reader->offset = to;
	reader->dropped += missed;
	reader->gaps++;
	return missed;
}

uint64_t reader_skip_lost(struct reader *reader)
{
	const struct history *history = reader->history;
	if (reader->borrowed != 0 || reader->offset >= history->oldest)
		return 0;
	return skip(reader, history->head - history->capacity / 2);
}

uint64_t reader_give_up(struct reader *reader)
{
	return reader_is_caught_up(reader) ? 0 : skip(reader, reader->history->head);
}
