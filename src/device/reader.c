/* A reader of the history; see reader.h. */
#include "device/reader.h"

#include "util/fd.h"

void reader_init(struct reader *reader, struct history *history, const struct marks *marks,
	struct stream *stream, enum reader_policy policy, uint32_t patience_ms, uint64_t offset)
{
	*reader = (struct reader){
		.history = history,
		.marks = marks,
		.stream = stream,
		.policy = policy,
		.patience_ms = patience_ms,
		.offset = offset,
		.mark = offset == history->head ? marks->count : 0,
	};
}

/* Offers the bytes up to the next mark, whose place they have to keep. */
static ssize_t offer(struct reader *reader, const struct mark *mark, size_t *ret_offered)
{
	struct iovec iov[2];
	int count = history_peek(reader->history, reader->offset, iov);
	if (mark != NULL)
		count = iov_limit(iov, count, (size_t)(mark->offset - reader->offset));
	*ret_offered = iov_total(iov, count);
	return stream_write(reader->stream, iov, count);
}

/* What a stream cannot carry is not its reader's to miss. */
static void pass_on(struct reader *reader, const struct mark *mark)
{
	reader->waiting = stream_signal(reader->stream, &mark->signal) == -EAGAIN;
	if (!reader->waiting)
		reader->mark++;
}

static ssize_t give(struct reader *reader, const struct mark *mark)
{
	size_t offered;
	ssize_t n = offer(reader, mark, &offered);
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

ssize_t reader_pump(struct reader *reader)
{
	ssize_t total = 0;
	while (!reader->ended && !reader->waiting && reader->borrowed == 0) {
		const struct mark *mark = marks_next(reader->marks, reader->offset, &reader->mark);
		if (mark != NULL && mark->offset == reader->offset) {
			pass_on(reader, mark);
			continue;
		}
		if (reader_is_caught_up(reader))
			break;
		ssize_t n = give(reader, mark);
		if (n < 0)
			return n;
		total += n;
	}
	return total;
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
