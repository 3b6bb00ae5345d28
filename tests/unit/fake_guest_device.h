/*
 * A device in the place of the real one, for tests of guest ports: it attaches to the streams that
 * come, checks or keeps what it receives, and notes who came and went.
 */
#ifndef CHARDEV_FAKE_GUEST_DEVICE_H
#define CHARDEV_FAKE_GUEST_DEVICE_H

#include "test.h"

#include "guest/guest.h"
#include "loop/loop.h"
#include "stream/stream.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAKE_SPACE = 48 * 1024, FAKE_KEPT = 1 << 20 };

struct fake_device {
	struct loop *loop;
	struct guest_port *port;
	struct stream *stream; /* the present one */
	struct device_config config;
	bool keep; /* at close */
	struct guest_params params;
	char dir[64];

	uint8_t space[FAKE_SPACE];
	size_t room;             /* how much `space` yields; FAKE_SPACE at first, 0 pauses */
	uint8_t kept[FAKE_KEPT]; /* the first bytes received since the last fake_forget() */
	size_t received;
	/* When set, is given all bytes. */
	void (*check)(struct fake_device *device, const uint8_t *bytes, size_t n);
	void *user;

	size_t intent_n;
	uint8_t witness;
	unsigned intents, broken_intents;
	unsigned streams, arrivals, departures, states, writables, ends, gones, breaks, lines;
	struct stream_signal signal; /* the last one */
	bool present;
	bool no_start; /* do not start reading by itself */
	int failure;
	char reason[GUEST_TEXT_SIZE];
	bool closed;
};

static int fake_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct fake_device *device = consumer;
	size_t first = device->room < 1000 ? device->room : 1000;
	iov[0] = (struct iovec){device->space, first};
	iov[1] = (struct iovec){device->space + first, device->room - first};
	return device->room == 0 ? 0 : device->room > first ? 2 : 1;
}

static void fake_intent(void *consumer, size_t n, uint8_t witness)
{
	struct fake_device *device = consumer;
	device->intents++;
	device->intent_n = n;
	device->witness = witness;
}

static void fake_received(void *consumer, size_t n)
{
	struct fake_device *device = consumer;
	if (device->intents > 0 && (n != device->intent_n || device->space[0] != device->witness))
		device->broken_intents++;
	for (size_t i = 0; i < n && device->received + i < FAKE_KEPT; i++)
		device->kept[device->received + i] = device->space[i];
	device->received += n;
	if (device->check != NULL)
		device->check(device, device->space, n);
}

static void fake_signalled(void *consumer, const struct stream_signal *signal)
{
	struct fake_device *device = consumer;
	device->breaks += signal->type == STREAM_SIGNAL_BREAK;
	device->lines += signal->type == STREAM_SIGNAL_LINE;
	device->signal = *signal;
}

static void fake_writable(void *consumer)
{
	struct fake_device *device = consumer;
	device->writables++;
}

static void fake_written(void *consumer, size_t done, int failure)
{
	fail_msg("no guest port borrows memory");
}

static void fake_end_of_input(void *consumer)
{
	struct fake_device *device = consumer;
	device->ends++;
}

static void fake_gone(void *consumer, int reason, uint64_t unsent)
{
	struct fake_device *device = consumer;
	struct stream *stream = device->stream;
	device->gones++;
	device->stream = NULL;
	stream_close(stream);
}

static const struct stream_sink fake_stream_sink = {
	.space = fake_space,
	.intent = fake_intent,
	.received = fake_received,
	.signalled = fake_signalled,
	.writable = fake_writable,
	.written = fake_written,
	.end_of_input = fake_end_of_input,
	.gone = fake_gone,
};

static void fake_stream(void *user, struct stream *stream)
{
	struct fake_device *device = user;
	assert_null(device->stream);
	device->streams++;
	device->stream = stream;
	stream_attach(stream, &fake_stream_sink, device);
	if (!device->no_start)
		stream_read_start(stream);
}

static void fake_present(void *user, bool present)
{
	struct fake_device *device = user;
	assert_int_not_equal(device->present, present);
	device->present = present;
	if (present)
		device->arrivals++;
	else
		device->departures++;
}

static void fake_state(void *user, int failure, const char *reason)
{
	struct fake_device *device = user;
	device->states++;
	device->failure = failure;
	snprintf(device->reason, sizeof(device->reason), "%s", reason);
}

static const struct guest_sink fake_guest_sink = {
	.stream = fake_stream,
	.present = fake_present,
	.state = fake_state,
};

/* Turns the loop until `condition` holds; a test that waits for nothing fails after 20 s. */
#define fake_until(device, condition)                                               \
	do {                                                                        \
		while (!(condition)) {                                              \
			struct pollfd wait_ = {loop_fd((device)->loop), POLLIN, 0}; \
			if (poll(&wait_, 1, 20000) <= 0)                            \
				fail_msg("still not: %s", #condition);              \
			loop_turn((device)->loop);                                  \
		}                                                                   \
	} while (0)

/* Turns the loop until it has nothing more to do, then watches that it stays so. */
static inline void fake_assert_idle(struct fake_device *device)
{
	struct pollfd wait = {loop_fd(device->loop), POLLIN, 0};
	for (int i = 0; poll(&wait, 1, 0) > 0; i++) {
		assert_true(i < 1000);
		loop_turn(device->loop);
	}
	uint64_t before = loop_wakeups(device->loop);
	assert_int_equal(poll(&wait, 1, 150), 0);
	assert_int_equal(loop_wakeups(device->loop), before);
}

static inline void fake_forget(struct fake_device *device)
{
	device->received = 0;
}

/* A device of the given kind with a directory of its own, and no port yet. */
static inline struct fake_device *fake_new(enum device_kind kind, const char *alias)
{
	struct fake_device *device = calloc(1, sizeof(*device));
	assert_non_null(device);
	assert_int_equal(loop_new(&device->loop), 0);
	const char *tmp = getenv("TMPDIR");
	snprintf(device->dir, sizeof(device->dir), "%.40s/chardev-XXXXXX",
		tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(device->dir));
	device->room = FAKE_SPACE;
	device->config.kind = kind;
	device->config.alias = (char *)alias;
	device->params = (struct guest_params){
		.loop = device->loop,
		.config = &device->config,
		.runtime_dir = device->dir,
		.sink = &fake_guest_sink,
		.device = device,
	};
	return device;
}

static inline void fake_open(struct fake_device *device, enum guest_port_type type)
{
	struct error err = {0};
	if (guest_ops_for(type)->open(&device->params, &device->port, &err) != 0)
		fail_msg("open: %s", err.message);
	assert_int_equal(device->streams, 0);
}

static void fake_on_closed(void *user)
{
	struct fake_device *device = user;
	device->closed = true;
}

/* As the device does it: the stream first. */
static inline void fake_close_port(struct fake_device *device)
{
	if (device->stream != NULL)
		stream_close(device->stream);
	device->stream = NULL;
	device->closed = false;
	device->port->ops->close(device->port, device->keep, fake_on_closed);
	assert_false(device->closed);
	fake_until(device, device->closed);
	device->port = NULL;
	device->streams = 0;
}

static inline void fake_free(struct fake_device *device)
{
	if (device->port != NULL)
		fake_close_port(device);
	loop_drain(device->loop);
	loop_free(device->loop);
	assert_int_equal(rmdir(device->dir), 0); /* nothing was left behind */
	free(device);
}

static inline const char *fake_path(struct fake_device *device, const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", device->dir, name);
	return path;
}

/* Offers the text and returns what the stream took. */
static inline ssize_t fake_type(struct fake_device *device, const char *text)
{
	struct iovec iov = {(char *)text, strlen(text)};
	return stream_write(device->stream, &iov, 1);
}

#endif
