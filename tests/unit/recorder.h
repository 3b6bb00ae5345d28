/* A consumer of a stream that records what it is told; for tests of streams and of what makes them.
 */
#ifndef CHARDEV_TEST_RECORDER_H
#define CHARDEV_TEST_RECORDER_H

#include "test.h"

#include "loop/loop.h"
#include "stream/stream.h"

#include <string.h>

enum recorder_event {
	RECORDER_SPACE,
	RECORDER_RECEIVED,
	RECORDER_SIGNALLED,
	RECORDER_WRITABLE,
	RECORDER_WRITTEN,
	RECORDER_END_OF_INPUT,
	RECORDER_GONE,
	RECORDER_CLOSED,
	RECORDER_EVENT_COUNT
};

struct recorder {
	struct loop *loop; /* stopped after every event */
	struct stream *stream;
	char *input; /* what was received */
	size_t length;
	size_t room;       /* the most to take in one read */
	bool paused;       /* gives no space */
	size_t pause_at;   /* likewise, once that many bytes have come; 0: never */
	bool in_operation; /* the test is inside of a stream_ call: no event may come */
	int count[RECORDER_EVENT_COUNT];
	int close_at; /* the event in which to close the stream; -1: none */
	size_t done;
	int failure;
	int reason;
	uint64_t unsent;
};

enum { RECORDER_CAPACITY = 4 * 1024 * 1024 };

static inline void recorder_note(struct recorder *recorder, enum recorder_event event)
{
	assert_false(recorder->in_operation);
	assert_int_equal(recorder->count[RECORDER_CLOSED], 0);
	assert_int_equal(recorder->count[RECORDER_GONE], 0);
	recorder->count[event]++;
	loop_stop(recorder->loop);
	if (recorder->close_at == (int)event)
		stream_close(recorder->stream);
}

/* Two parts, the first of which is one byte short of half. */
static inline int recorder_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct recorder *recorder = consumer;
	recorder_note(recorder, RECORDER_SPACE);
	if (recorder->pause_at != 0 && recorder->length >= recorder->pause_at)
		recorder->paused = true;
	if (recorder->paused)
		return 0;
	size_t room = RECORDER_CAPACITY - recorder->length;
	if (room > recorder->room)
		room = recorder->room;
	size_t first = (room + 1) / 2;
	iov[0] = (struct iovec){recorder->input + recorder->length, first};
	iov[1] = (struct iovec){recorder->input + recorder->length + first, room - first};
	return room > first ? 2 : 1;
}

static inline void recorder_received(void *consumer, size_t n)
{
	struct recorder *recorder = consumer;
	assert_in_range(n, 1, recorder->room);
	recorder->length += n;
	recorder_note(recorder, RECORDER_RECEIVED);
}

static inline void recorder_signalled(void *consumer, const struct stream_signal *signal)
{
	recorder_note(consumer, RECORDER_SIGNALLED);
}

static inline void recorder_writable(void *consumer)
{
	recorder_note(consumer, RECORDER_WRITABLE);
}

static inline void recorder_written(void *consumer, size_t done, int failure)
{
	struct recorder *recorder = consumer;
	recorder->done = done;
	recorder->failure = failure;
	recorder_note(recorder, RECORDER_WRITTEN);
}

static inline void recorder_end_of_input(void *consumer)
{
	struct recorder *recorder = consumer;
	assert_int_equal(recorder->count[RECORDER_END_OF_INPUT], 0);
	recorder_note(recorder, RECORDER_END_OF_INPUT);
}

static inline void recorder_gone(void *consumer, int reason, uint64_t unsent)
{
	struct recorder *recorder = consumer;
	recorder->reason = reason;
	recorder->unsent = unsent;
	assert_int_equal(recorder->count[RECORDER_GONE], 0);
	recorder_note(recorder, RECORDER_GONE);
}

/* The on_closed to make the stream with; counts in whoever is attached. */
static inline void recorder_closed(struct stream *stream)
{
	struct recorder *recorder = stream->consumer;
	if (recorder == NULL)
		return;
	assert_false(recorder->in_operation);
	assert_int_equal(recorder->count[RECORDER_CLOSED]++, 0);
	loop_stop(recorder->loop);
}

static const struct stream_sink recorder_sink = {
	.space = recorder_space,
	.received = recorder_received,
	.signalled = recorder_signalled,
	.writable = recorder_writable,
	.written = recorder_written,
	.end_of_input = recorder_end_of_input,
	.gone = recorder_gone,
};

static inline void recorder_attach(
	struct recorder *recorder, struct loop *loop, struct stream *stream)
{
	*recorder = (struct recorder){
		.loop = loop, .stream = stream, .room = RECORDER_CAPACITY, .close_at = -1};
	recorder->input = test_malloc(RECORDER_CAPACITY + 1);
	stream_attach(stream, &recorder_sink, recorder);
}

static inline void recorder_read_start(struct recorder *recorder)
{
	recorder->in_operation = true;
	stream_read_start(recorder->stream);
	recorder->in_operation = false;
}

static inline ssize_t recorder_write(struct recorder *recorder, const void *bytes, size_t n)
{
	struct iovec iov[2] = {{(void *)bytes, n / 2}, {(char *)bytes + n / 2, n - n / 2}};
	recorder->in_operation = true;
	ssize_t rc = stream_write(recorder->stream, iov, 2);
	recorder->in_operation = false;
	return rc;
}

/* Runs the loop until the expression, which events change, is true. */
#define recorder_wait(recorder, expression)         \
	do {                                        \
		while (!(expression))               \
			loop_run((recorder)->loop); \
	} while (0)

/* Closes the stream if nobody has, waits for the end, releases. */
static inline void recorder_detach(struct recorder *recorder)
{
	recorder->in_operation = true;
	stream_close(recorder->stream);
	stream_close(recorder->stream);
	recorder->in_operation = false;
	recorder_wait(recorder, recorder->count[RECORDER_CLOSED] == 1);
	test_free(recorder->input);
}

#endif
