/*
 * control/: viewers over socket pairs, with a device of the test's own that gives and takes exactly
 * as a test tells it. With a real one: test_viewer_device.c.
 */
#include "fail.h"
#include "frame_client.h"
#include "test.h"

#include "control/viewer_internal.h"
#include "util/fd.h"

#include <poll.h>

enum { OUTPUT_SIZE = 1 << 20, SEATS = 8, TOLD_SIZE = 4096 };

static const char reply[] = "{\"parameters\":{\"pen\":true}}";

/* ---- the device ------------------------------------------------------------------------------ */

/* One viewer as its device sees it. */
struct seat {
	struct stream *stream;
	struct device *device;
	char name[PEER_NAME_SIZE];
	uint64_t offset;
	uint64_t break_at; /* a BREAK stands before this offset; 0: none */
	bool waiting;
	bool no_input;
	bool lossless;
	size_t room; /* what `space` yields in all */
	char input[128 * 1024];
	size_t input_size;
	size_t break_after[8]; /* bytes of input before each BREAK */
	unsigned breaks, windows, gones, ends;
	struct stream_window window;
};

struct device {
	struct device_config config;
	bool guest_present;
	uint64_t head;
	bool is_closing; /* takes no viewer */
	struct seat seats[SEATS];
	size_t seat_count;
};

static uint8_t output[OUTPUT_SIZE];

static uint8_t byte_at(uint64_t offset)
{
	return output[offset % OUTPUT_SIZE];
}

/* The bytes as a ring has them, in two parts. */
static ssize_t offer(struct seat *seat, uint64_t to)
{
	struct iovec iov[2];
	int parts = iov_of_ring(
		(char *)output, OUTPUT_SIZE, seat->offset, (size_t)(to - seat->offset), iov);
	ssize_t n = stream_write(seat->stream, iov, parts);
	if (n > 0)
		seat->offset += (uint64_t)n;
	seat->waiting = n >= 0 && seat->offset < to;
	return n;
}

static void pump(struct seat *seat)
{
	const struct stream_signal a_break = {.type = STREAM_SIGNAL_BREAK};
	if (seat->stream == NULL || seat->waiting)
		return;
	if (seat->break_at != 0) {
		if (seat->offset < seat->break_at && offer(seat, seat->break_at) < 0)
			return;
		if (seat->waiting)
			return;
		seat->waiting = stream_signal(seat->stream, &a_break) == -EAGAIN;
		if (seat->waiting)
			return;
		seat->break_at = 0;
	}
	if (seat->offset < seat->device->head)
		offer(seat, seat->device->head);
}

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct seat *seat = consumer;
	size_t left = sizeof(seat->input) - seat->input_size;
	size_t n = seat->room < left ? seat->room : left;
	char *at = seat->input + seat->input_size;
	if (n == 0)
		return 0;
	iov[0] = (struct iovec){at, (n + 1) / 2};
	iov[1] = (struct iovec){at + (n + 1) / 2, n / 2};
	return 2;
}

static void on_received(void *consumer, size_t n)
{
	struct seat *seat = consumer;
	assert_true(n > 0 && n <= seat->room);
	seat->input_size += n;
	seat->room -= n;
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	struct seat *seat = consumer;
	if (signal->type == STREAM_SIGNAL_BREAK) {
		seat->break_after[seat->breaks++ % 8] = seat->input_size;
	} else {
		assert_int_equal(signal->type, STREAM_SIGNAL_WINDOW);
		seat->window = signal->u.window;
		seat->windows++;
	}
}

static void on_writable(void *consumer)
{
	struct seat *seat = consumer;
	assert_true(seat->waiting);
	seat->waiting = false;
	pump(seat);
}

static void on_written(void *consumer, size_t done, int failure)
{
	fail_msg("a viewer borrows nothing");
}

static void on_end_of_input(void *consumer)
{
	fail_msg("the end of a viewer's input is its end");
}

static void leave_seat(struct seat *seat)
{
	struct stream *stream = seat->stream;
	seat->stream = NULL;
	if (stream != NULL)
		stream_close(stream);
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct seat *seat = consumer;
	assert_int_equal(reason, 0);
	seat->gones++;
	leave_seat(seat);
}

static const struct stream_sink sink = {
	.space = on_space,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

void device_add_viewer(struct device *device, struct stream *stream, const struct peer_info *info,
	uint64_t offset, bool lossless)
{
	assert_int_equal(info->kind, PEER_VIEWER);
	if (device->is_closing) {
		stream_close(stream);
		return;
	}
	struct seat *seat = &device->seats[device->seat_count++ % SEATS];
	*seat = (struct seat){.stream = stream,
		.device = device,
		.offset = offset,
		.no_input = info->no_input,
		.lossless = lossless,
		.room = sizeof(seat->input)};
	snprintf(seat->name, sizeof(seat->name), "%s", info->name);
	stream_attach(stream, &sink, seat);
	if (!seat->no_input)
		stream_read_start(stream);
	pump(seat);
}

void device_status(const struct device *device, struct device_status *ret)
{
	*ret = (struct device_status){.guest_present = device->guest_present, .head = device->head};
}

const struct device_config *device_config(const struct device *device)
{
	return &device->config;
}

/* ---- the bench ------------------------------------------------------------------------------- */

static struct loop *loop;
static struct viewers *viewers;
static struct device *device;
static struct frame_client *clients;
static char told[TOLD_SIZE];
static unsigned closed;

static void on_told(void *user, const struct control_event *event)
{
	size_t n = strlen(told);
	assert_ptr_equal(user, &told);
	assert_string_equal(event->domain, "vm");
	assert_string_equal(event->device, "serial0");
	assert_non_null(event->by);
	if (n < TOLD_SIZE / 2)
		snprintf(told + n, sizeof(told) - n, "%u %s: %s\n", (unsigned)event->by->uid,
			event->event, event->text);
}

static int setup(void **state)
{
	fail_reset();
	for (size_t i = 0; i < OUTPUT_SIZE; i++)
		output[i] = (uint8_t)((i * 2654435761U) >> 11);
	device = calloc(1, sizeof(*device));
	clients = calloc(SEATS, sizeof(*clients));
	if (device == NULL || clients == NULL)
		return -1;
	for (int i = 0; i < SEATS; i++)
		clients[i].fd = -1;
	device->config.alias = (char *)"serial0";
	told[0] = '\0';
	closed = 0;
	return loop_new(&loop) == 0 && viewers_new(loop, on_told, &told, &viewers) == 0 ? 0 : -1;
}

static void turn(void)
{
	struct pollfd wait = {loop_fd(loop), POLLIN, 0};
	if (poll(&wait, 1, 5000) <= 0)
		fail_msg("nothing happens");
	loop_turn(loop);
}

#define until(condition)             \
	do {                         \
		while (!(condition)) \
			turn();      \
	} while (0)

static void settle(void)
{
	struct pollfd wait = {loop_fd(loop), POLLIN, 0};
	while (poll(&wait, 1, 0) > 0)
		loop_turn(loop);
}

static void on_closed(void *user)
{
	assert_ptr_equal(user, &told);
	closed++;
}

static void close_viewers(void)
{
	viewers_close(viewers, on_closed);
	assert_int_equal(closed, 0);
	until(closed == 1);
}

static int teardown(void **state)
{
	fail_reset();
	if (closed == 0)
		close_viewers();
	assert_int_equal(closed, 1);
	for (int i = 0; i < SEATS; i++)
		client_close(&clients[i]);
	loop_drain(loop);
	loop_free(loop);
	free(clients);
	free(device);
	return 0;
}

struct how {
	bool read_only, force;
	uint64_t offset;
	const void *input;
	size_t input_size;
};

/* Client `index` attaches, as uid 1000 + index. 0, or what viewers_add() said. */
static int attach(int index, struct how how)
{
	const struct control_peer peer = {.uid = 1000 + (uid_t)index, .pid = 10 + index};
	const struct viewer_params params = {
		.domain = "vm",
		.device = device,
		.peer = &peer,
		.read_only = how.read_only,
		.force = how.force,
		.offset = how.offset,
	};
	struct viewer *viewer;
	int fds[2];
	int rc = viewers_add(viewers, &params, &viewer);
	if (rc < 0)
		return rc;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client_init(&clients[index], fds[1], sizeof(reply) - 1);
	clients[index].byte_at = byte_at;
	viewer_start(viewer, fds[0], strdup(reply), sizeof(reply) - 1, how.input, how.input_size);
	return 0;
}

static void watch(int index)
{
	assert_int_equal(attach(index, (struct how){0}), 0);
}

static void guest_writes(uint64_t n)
{
	device->head += n;
	for (size_t i = 0; i < device->seat_count && i < SEATS; i++)
		pump(&device->seats[i]);
}

/* What all are to be told is told now, not after VIEWERS_TELL_MS. */
static void hasten(void)
{
	list_for_each(link, &viewers->groups) {
		struct viewer_group *group = container_of(link, struct viewer_group, link);
		if (!loop_timer_is_active(&group->tell_timer))
			continue;
		loop_timer_stop(&group->tell_timer);
		group->tell_timer.expired(&group->tell_timer);
	}
}

/* Turns the loop and reads at all clients until there is nothing more. */
static void settle_all(void)
{
	for (bool more = true; more;) {
		more = false;
		settle();
		hasten();
		settle();
		for (int i = 0; i < SEATS; i++)
			more |= client_read(&clients[i], SIZE_MAX);
	}
}

static void type(int index, const char *text)
{
	client_send(&clients[index], FRAME_DATA, text, strlen(text));
}

static void use_pen(int index, enum frame_pen what)
{
	const char byte = (char)what;
	client_send(&clients[index], FRAME_PEN, &byte, 1);
	settle_all();
}

static uint64_t holder(void)
{
	struct viewer_info info;
	return viewers_pen(viewers, device, &info) ? info.id : 0;
}

static struct viewer_info info_of(size_t index)
{
	static struct viewer_info all[VIEWERS_PER_DEVICE_MAX];
	assert_true(viewers_of(viewers, device, all, VIEWERS_PER_DEVICE_MAX) > index);
	return all[index];
}

#define assert_told(index, text)                                                            \
	do {                                                                                \
		if (!client_has(&clients[index], text))                                     \
			fail_msg("%d was told:\n%.*s", index, (int)clients[index].log_size, \
				clients[index].log);                                        \
	} while (0)

#define assert_audited(text)                                  \
	do {                                                  \
		if (strstr(told, text) == NULL)               \
			fail_msg("the audit has:\n%s", told); \
	} while (0)

static void forget(void)
{
	for (int i = 0; i < SEATS; i++)
		client_forget(&clients[i]);
	told[0] = '\0';
}

/* ---- output ---------------------------------------------------------------------------------- */

static void the_reply_comes_first(void **state)
{
	device->head = 5000;
	assert_int_equal(attach(0, (struct how){.offset = 4990}), 0);
	settle_all();
	assert_string_equal(clients[0].reply, reply);
	assert_int_equal(clients[0].first, 4990);
	assert_int_equal(clients[0].bytes, 10);
	assert_string_equal(device->seats[0].name, "viewer 1 (uid 1000, pid 10)");
	assert_string_equal(told,
		"1000 attach: viewer 1 (uid 1000, pid 10) attached at offset 4990, with the pen\n");
}

/* Sends of 1, 2, 3 ... bytes: each byte of reply, headers and payloads is a boundary once. */
static void output_may_be_cut_anywhere(void **state)
{
	for (size_t limit = 1; limit < 70; limit++) {
		uint64_t before = device->head;
		char line[32];
		fail_limit_sends(limit);
		device->seat_count = 0;
		assert_int_equal(attach(0, (struct how){.offset = before}), 0);
		guest_writes(11);
		device->seats[0].break_at = device->head;
		guest_writes(17);
		guest_writes(23);
		settle_all();
		assert_string_equal(clients[0].reply, reply);
		assert_int_equal(clients[0].first, before);
		assert_int_equal(clients[0].bytes, 51);
		assert_int_equal(clients[0].gaps, 0);
		snprintf(line, sizeof(line), "B %llu \n", (unsigned long long)before + 11);
		assert_told(0, line);
		client_close(&clients[0]);
		settle();
	}
}

/* Frames of the greatest size, across the end of the ring, whatever is read at once. */
static void much_output_comes_whole(void **state)
{
	static const size_t steps[] = {1, 13, 4096, SIZE_MAX};
	for (size_t i = 0; i < 4; i++) {
		uint64_t n = steps[i] == 1 ? 40000 : 3000000;
		device->seat_count = 0;
		assert_int_equal(attach(0, (struct how){.offset = device->head}), 0);
		uint64_t before = device->head;
		for (uint64_t sent = 0; sent < n; sent += 40000)
			guest_writes(40000);
		while (clients[0].bytes < n)
			if (!client_read(&clients[0], steps[i]))
				turn();
		assert_int_equal(clients[0].first, before);
		assert_int_equal(clients[0].next, device->head);
		assert_int_equal(clients[0].gaps, 0);
		client_close(&clients[0]);
		settle();
	}
}

/* One call of the kernel for each frame, and none for who takes nothing. */
static void a_frame_is_one_call(void **state)
{
	watch(0);
	settle_all();
	int before = fail_count(FAIL_SENDMSG);
	guest_writes(FRAME_PAYLOAD_MAX);
	assert_int_equal(fail_count(FAIL_SENDMSG), before + 1);
	guest_writes(2 * FRAME_PAYLOAD_MAX + 1);
	assert_int_equal(fail_count(FAIL_SENDMSG), before + 4);
	while (!device->seats[0].waiting)
		guest_writes(FRAME_PAYLOAD_MAX);
	before = fail_count(FAIL_SENDMSG);
	guest_writes(FRAME_PAYLOAD_MAX);
	assert_int_equal(fail_count(FAIL_SENDMSG), before);
	settle_all();
	assert_int_equal(clients[0].bytes, device->head);
}

/* What one that never reads costs: the rest of one frame, and no turn of the loop. */
static void a_viewer_that_stops_costs_a_frame(void **state)
{
	watch(0);
	settle();
	guest_writes(OUTPUT_SIZE);
	settle();
	assert_true(device->seats[0].waiting);
	const struct framed *framed =
		&container_of(device->seats[0].stream, struct viewer, base)->framed;
	assert_true(framed->staged_end - framed->staged_at < FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX);
	hasten();
	settle();
	uint64_t wakeups = loop_wakeups(loop);
	for (int i = 0; i < 10; i++)
		guest_writes(1000);
	assert_int_equal(poll(&(struct pollfd){loop_fd(loop), POLLIN, 0}, 1, 100), 0);
	assert_int_equal(loop_wakeups(loop), wakeups);
	settle_all();
	assert_int_equal(clients[0].bytes, device->head);
	assert_null(framed->staged);
}

static void a_gap_shows_in_the_offsets(void **state)
{
	const struct stream_signal gap = {.type = STREAM_SIGNAL_GAP, .u.gap = 123456};
	const struct stream_signal line = {.type = STREAM_SIGNAL_LINE};
	watch(0);
	settle();
	guest_writes(OUTPUT_SIZE);
	settle();
	struct seat *seat = &device->seats[0];
	uint64_t taken = seat->offset;
	assert_true(seat->waiting);
	/* Accepted whatever else is not. */
	assert_int_equal(stream_signal(seat->stream, &gap), 0);
	assert_int_equal(stream_signal(seat->stream, &line), -EOPNOTSUPP);
	seat->offset += gap.u.gap;
	settle_all();
	assert_int_equal(clients[0].bytes, device->head - gap.u.gap);
	assert_int_equal(clients[0].gaps, 1);
	assert_int_equal(clients[0].missed, gap.u.gap);
	assert_int_equal(clients[0].next, device->head);
	assert_int_equal(info_of(0).dropped, gap.u.gap);
	assert_int_equal(info_of(0).offset, device->head);
	assert_true(taken < device->head);
}

static void a_break_keeps_its_place(void **state)
{
	watch(0);
	settle();
	device->seats[0].break_at = OUTPUT_SIZE / 2 + 7;
	guest_writes(OUTPUT_SIZE);
	settle();
	assert_true(device->seats[0].break_at != 0); /* it waits for room */
	settle_all();
	assert_int_equal(device->seats[0].break_at, 0);
	assert_told(0, "B 524295 \n");
	assert_int_equal(clients[0].bytes, device->head);
	assert_int_equal(clients[0].gaps, 0);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void typed_bytes_wait_for_room(void **state)
{
	static char text[60000];
	struct seat *seat = &device->seats[0];
	watch(0);
	seat->room = 0;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)byte_at(i);
	for (size_t at = 0; at < sizeof(text); at += 1000)
		client_send(&clients[0], FRAME_DATA, text + at, 1000);
	settle_all();
	assert_int_equal(seat->input_size, 0);
	for (size_t room = 1; seat->input_size < sizeof(text); room = room * 2 + 1) {
		size_t before = seat->input_size;
		seat->room = room;
		stream_read_start(seat->stream);
		settle_all();
		size_t expected = before + room < sizeof(text) ? before + room : sizeof(text);
		assert_int_equal(seat->input_size, expected);
	}
	assert_memory_equal(seat->input, text, sizeof(text));
	assert_int_equal(info_of(0).typed, sizeof(text));
	assert_int_equal(info_of(0).refused, 0);
}

/* However it is cut, with BREAKs and sizes between; the server cannot tell. */
static void input_may_be_cut_anywhere(void **state)
{
	uint8_t bytes[128];
	size_t n = 0;
	const struct frame frames[] = {{FRAME_DATA, 5, 0}, {FRAME_BREAK, 0, 0}, {FRAME_DATA, 0, 0},
		{FRAME_WINDOW, 4, 0}, {'?', 3, 0}, {FRAME_DATA, 3, 0}};
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		frame_encode(&frames[i], bytes + n);
		n += FRAME_HEADER_SIZE;
		memcpy(bytes + n, "\0x\0\x1e\0", frames[i].length);
		n += frames[i].length;
	}
	for (size_t first = 0; first <= n; first++) {
		struct seat *seat = &device->seats[0];
		device->seat_count = 0;
		assert_int_equal(attach(0, (struct how){.input = bytes, .input_size = first}), 0);
		for (size_t at = first; at < n; at++) {
			assert_int_equal(send(clients[0].fd, bytes + at, 1, 0), 1);
			if (first % 3 == 0)
				settle();
		}
		settle();
		assert_int_equal(seat->input_size, 8);
		assert_memory_equal(seat->input, "\0x\0\x1e\0\0x\0", 8);
		assert_int_equal(seat->breaks, 1);
		assert_int_equal(seat->break_after[0], 5);
		assert_int_equal(seat->windows, 1);
		assert_int_equal(seat->window.columns, 'x');
		assert_int_equal(seat->window.rows, 0x1e);
		client_close(&clients[0]);
		settle();
	}
}

static void more_may_come_with_the_call_than_is_read_at_once(void **state)
{
	static uint8_t bytes[FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX];
	const struct frame frame = {FRAME_DATA, FRAME_PAYLOAD_MAX, 0};
	frame_encode(&frame, bytes);
	for (size_t i = 0; i < FRAME_PAYLOAD_MAX; i++)
		bytes[FRAME_HEADER_SIZE + i] = byte_at(i);
	assert_int_equal(
		attach(0, (struct how){.input = bytes, .input_size = sizeof(bytes) - 1}), 0);
	assert_int_equal(send(clients[0].fd, bytes + sizeof(bytes) - 1, 1, 0), 1);
	settle();
	assert_int_equal(device->seats[0].input_size, FRAME_PAYLOAD_MAX);
	assert_memory_equal(device->seats[0].input, bytes + FRAME_HEADER_SIZE, FRAME_PAYLOAD_MAX);
}

/* `echo reboot | chardev attach vm`: also when it has left before there was room. */
static void the_end_of_input_is_the_end(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct seat *seat = &device->seats[0];
		device->seat_count = 0;
		forget();
		watch(0);
		seat->room = 3;
		type(0, "reboot\r");
		if (i == 0)
			shutdown(clients[0].fd, SHUT_WR);
		else
			client_close(&clients[0]);
		settle();
		assert_int_equal(seat->input_size, 3);
		assert_int_equal(seat->gones, 0);
		seat->room = 100;
		stream_read_start(seat->stream);
		settle_all();
		assert_memory_equal(seat->input, "reboot\r", 7);
		assert_int_equal(seat->gones, 1);
		assert_int_equal(viewers_of(viewers, device, NULL, 0), 0);
		assert_audited("detached: the input has ended");
		if (i == 0) {
			assert_told(0, "{\"notice\":\"end\",\"code\":0,\"reason\":\"the input has "
				       "ended\"}");
			assert_true(clients[0].ended);
		}
	}
}

static void a_read_only_viewer_s_keys_go_nowhere(void **state)
{
	assert_int_equal(attach(0, (struct how){.read_only = true, .force = true}), 0);
	assert_true(device->seats[0].no_input);
	assert_int_equal(holder(), 0);
	forget();
	type(0, "hal");
	client_send(&clients[0], FRAME_BREAK, "", 0);
	client_send(&clients[0], FRAME_WINDOW, "\0\1\0\1", 4);
	type(0, "t\r");
	settle_all();
	use_pen(0, FRAME_PEN_ASK);
	use_pen(0, FRAME_PEN_FORCE);
	use_pen(0, FRAME_PEN_GIVE);
	const struct seat *seat = &device->seats[0];
	assert_int_equal(seat->input_size + seat->breaks + seat->windows, 0);
	assert_int_equal(holder(), 0);
	assert_told(0, "{\"notice\":\"refused\",\"bytes\":5}");
	assert_told(0, "{\"notice\":\"pen\",\"holder\":null,\"yours\":false}");
	assert_int_equal(info_of(0).refused, 5);
	assert_int_equal(info_of(0).typed, 0);
	assert_string_equal(
		told, "1000 refused: viewer 1 (uid 1000, pid 10) typed without the pen\n");
}

/* ---- the pen --------------------------------------------------------------------------------- */

static void the_pen_is_taken_over(void **state)
{
	for (int i = 0; i < 3; i++)
		watch(i);
	settle_all();
	assert_int_equal(holder(), 1);
	forget();
	type(1, "x");
	settle_all();
	assert_int_equal(device->seats[1].input_size, 0);
	assert_told(1, "{\"notice\":\"refused\",\"bytes\":1}");
	use_pen(1, FRAME_PEN_ASK);
	use_pen(2, FRAME_PEN_ASK);
	assert_told(0, "{\"notice\":\"asked\",\"by\":{\"id\":2,\"uid\":1001,\"pid\":11}}");
	assert_told(1, "{\"notice\":\"pen\",\"holder\":{\"id\":1,\"uid\":1000,\"pid\":10},"
		       "\"yours\":false}");
	assert_true(info_of(1).asks && info_of(2).asks && !info_of(0).asks);
	forget();
	use_pen(0, FRAME_PEN_GIVE);
	assert_int_equal(holder(), 2);
	assert_told(0, "{\"notice\":\"pen\",\"holder\":{\"id\":2,\"uid\":1001,\"pid\":11},"
		       "\"yours\":false}");
	assert_told(1, "\"yours\":true}");
	assert_told(1, "{\"notice\":\"asked\",\"by\":{\"id\":3,\"uid\":1002,\"pid\":12}}");
	assert_told(2, "{\"notice\":\"pen\"");
	assert_string_equal(told, "1000 pen: viewer 1 (uid 1000, pid 10) gave the pen to viewer 2 "
				  "(uid 1001, pid 11)\n");
	forget();
	use_pen(0, FRAME_PEN_FORCE);
	assert_int_equal(holder(), 1);
	assert_audited("1000 pen: viewer 1 (uid 1000, pid 10) took the pen by force from viewer 2");
	type(0, "mine");
	type(1, "yours");
	settle_all();
	assert_int_equal(device->seats[0].input_size, 4);
	assert_int_equal(device->seats[1].input_size, 0);
	forget();
	client_close(&clients[0]);
	settle_all();
	assert_int_equal(holder(), 3); /* who still waits */
	assert_audited("1000 pen: viewer 1 (uid 1000, pid 10) left, and the pen went to viewer 3");
	use_pen(2, FRAME_PEN_GIVE);
	assert_int_equal(holder(), 0);
	assert_told(1, "{\"notice\":\"pen\",\"holder\":null,\"yours\":false}");
	assert_audited("1002 pen: viewer 3 (uid 1002, pid 12) gave up the pen\n");
	type(1, "x");
	settle_all();
	assert_int_equal(device->seats[1].input_size, 1);
	assert_int_equal(holder(), 2);
	assert_audited("1001 pen: viewer 2 (uid 1001, pid 11) took the free pen\n");
}

static void who_comes_by_force_has_it(void **state)
{
	watch(0);
	settle_all();
	forget();
	assert_int_equal(attach(1, (struct how){.force = true}), 0);
	assert_int_equal(holder(), 2);
	settle_all();
	assert_told(0, "\"holder\":{\"id\":2,\"uid\":1001,\"pid\":11},\"yours\":false}");
	assert_told(0, "{\"notice\":\"viewers\",\"count\":2}");
	assert_string_equal(told,
		"1001 pen: viewer 2 (uid 1001, pid 11) took the pen by force from viewer 1 (uid "
		"1000, pid 10)\n"
		"1001 attach: viewer 2 (uid 1001, pid 11) attached at offset 0, with the pen\n");
}

/* The loop's own clock, but the wait itself is cut short. */
static void a_silent_holder_loses_it(void **state)
{
	watch(0);
	watch(1);
	settle_all();
	use_pen(1, FRAME_PEN_ASK);
	struct viewer_group *group =
		container_of(device->seats[0].stream, struct viewer, base)->group;
	assert_true(loop_timer_is_active(&group->pen_timer));
	/* It has typed since: then the clock is set again. */
	group->pen_timer.expired(&group->pen_timer);
	assert_int_equal(holder(), 1);
	assert_true(loop_timer_is_active(&group->pen_timer));
	group->pen.polite_since -= PEN_POLITE_MS - 5;
	type(0, "still here");
	settle_all();
	group->pen_timer.expired(&group->pen_timer);
	assert_int_equal(holder(), 1);
	group->pen.polite_since -= PEN_POLITE_MS - 5;
	group->pen_timer.expired(&group->pen_timer);
	until(holder() == 2);
	settle_all();
	assert_false(loop_timer_is_active(&group->pen_timer));
	assert_audited("1001 pen: viewer 2 (uid 1001, pid 11) asked for the pen and got it from "
		       "viewer 1 (uid 1000, pid 10), who was silent\n");
	assert_told(1, "\"yours\":true}");
}

static void the_window_is_the_holder_s(void **state)
{
	watch(0);
	watch(1);
	client_send(&clients[0], FRAME_WINDOW, "\0\120\0\30", 4);
	client_send(&clients[1], FRAME_WINDOW, "\0\144\0\50", 4);
	settle_all();
	assert_int_equal(device->seats[0].window.columns, 80);
	assert_int_equal(device->seats[1].windows, 0);
	use_pen(1, FRAME_PEN_FORCE);
	assert_int_equal(device->seats[1].windows, 1);
	assert_int_equal(device->seats[1].window.columns, 100);
	assert_int_equal(device->seats[1].window.rows, 40);
}

static void a_break_needs_the_pen(void **state)
{
	watch(0);
	watch(1);
	forget();
	client_send(&clients[1], FRAME_BREAK, "", 0);
	settle_all();
	assert_int_equal(device->seats[1].breaks, 0);
	assert_told(1, "{\"notice\":\"refused\",\"bytes\":0}");
	assert_audited("1001 refused: ");
	client_send(&clients[0], FRAME_BREAK, "", 0);
	settle_all();
	assert_int_equal(device->seats[0].breaks, 1);
	assert_audited("1000 break: viewer 1 (uid 1000, pid 10) sent a BREAK\n");
}

/* ---- notices --------------------------------------------------------------------------------- */

/* Not one for each change, but how it is when there is room. */
static void a_viewer_that_stops_is_told_how_things_are(void **state)
{
	watch(0);
	watch(1);
	settle_all();
	forget();
	device->seats[1].waiting = true; /* only the first one gets output */
	guest_writes(OUTPUT_SIZE);
	settle();
	client_send(&clients[1], FRAME_PEN, "a", 1);
	settle();
	for (int i = 0; i < 100; i++) {
		device->guest_present = i % 2 == 0;
		viewers_device_changed(viewers, device);
		const char what = i % 2 == 0 ? FRAME_PEN_FORCE : FRAME_PEN_GIVE;
		client_send(&clients[1], FRAME_PEN, &what, 1);
		settle();
	}
	settle_all();
	assert_int_equal(clients[0].frames, 2 + 1); /* and the viewer that came */
	assert_string_equal(clients[0].log,
		"N {\"notice\":\"pen\",\"holder\":null,\"yours\":false}\n"
		"N {\"notice\":\"guest\",\"attached\":false}\n");
	assert_int_equal(clients[0].bytes, device->head);
}

static void the_guest_is_told_when_it_changes(void **state)
{
	watch(0);
	settle_all();
	forget();
	viewers_device_changed(viewers, device);
	settle_all();
	assert_int_equal(clients[0].log_size, 0);
	device->guest_present = true;
	viewers_device_changed(viewers, device);
	viewers_device_changed(viewers, device);
	assert_int_equal(clients[0].log_size, 0); /* bits only */
	settle_all();
	assert_string_equal(clients[0].log, "N {\"notice\":\"guest\",\"attached\":true}\n");
}

static void until_told(int index, const char *text)
{
	while (!client_has(&clients[index], text))
		if (!client_read(&clients[index], SIZE_MAX))
			turn();
}

/* Once for many who come in a row. */
static void comings_and_goings_are_told(void **state)
{
	for (int i = 0; i < 5; i++)
		watch(i);
	until_told(0, "{\"notice\":\"viewers\",\"count\":5}");
	assert_int_equal(clients[0].frames, 1);
	client_close(&clients[1]);
	until_told(0, "{\"notice\":\"viewers\",\"count\":4}");
	until_told(2, "{\"notice\":\"viewers\",\"count\":4}");
	uint64_t wakeups = loop_wakeups(loop);
	struct pollfd wait = {loop_fd(loop), POLLIN, 0};
	assert_int_equal(poll(&wait, 1, 2 * VIEWERS_TELL_MS), 0);
	assert_int_equal(loop_wakeups(loop), wakeups);
}

/* The two whom it concerns without a wait, the others soon, each once. */
static void who_lost_the_pen_knows_at_once(void **state)
{
	for (int i = 0; i < 3; i++)
		watch(i);
	settle_all();
	forget();
	client_send(&clients[1], FRAME_PEN, "f", 1);
	settle();
	for (int i = 0; i < 3; i++)
		client_read(&clients[i], SIZE_MAX);
	assert_told(0, "\"yours\":false}");
	assert_told(1, "\"yours\":true}");
	until_told(2, "\"holder\":{\"id\":2,");
	client_read(&clients[0], SIZE_MAX);
	assert_int_equal(clients[0].frames, 2); /* the viewers that came, the pen */
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void wrong_frames_end_their_viewer_alone(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *reason;
	} table[] = {
		{"D\1\0\0\0\0\0\0\0\0\0\0", 12, "a frame came that is too long"},
		{"?\0\100\1\0\0\0\0\0\0\0\0", 12, "a frame came that is too long"},
		{"P\0\0\0\0\0\0\0\0\0\0\0", 12, "a frame came that no viewer sends"},
		{"P\0\0\1\0\0\0\0\0\0\0\0x", 13, "a frame came that no viewer sends"},
		{"P\0\0\2\0\0\0\0\0\0\0\0aa", 14, "a frame came that no viewer sends"},
		{"W\0\0\3\0\0\0\0\0\0\0\0abc", 15, "a frame came that no viewer sends"},
		{"B\0\0\1\0\0\0\0\0\0\0\0a", 13, "a frame came that no viewer sends"},
		{"N\0\0\0\0\0\0\0\0\0\0\0", 12, "a frame came that no viewer sends"},
		{"M\0\0\0\0\0\0\0\0\0\0\0", 12, "a frame came that no viewer sends"},
	};
	watch(0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		forget();
		watch(1);
		struct seat *seat = &device->seats[(device->seat_count - 1) % SEATS];
		assert_int_equal(
			send(clients[1].fd, table[i].bytes, table[i].size, 0), table[i].size);
		type(1, "lost");
		settle_all();
		char notice[128];
		snprintf(notice, sizeof(notice),
			"{\"notice\":\"end\",\"code\":-71,\"reason\":\"%s\"}", table[i].reason);
		assert_told(1, notice);
		assert_true(clients[1].ended);
		assert_int_equal(seat->gones, 1);
		assert_int_equal(seat->input_size, 0);
		assert_audited(table[i].reason);
		client_close(&clients[1]);
		if (device->seat_count >= SEATS)
			device->seat_count = 1;
	}
	type(0, "fine");
	settle_all();
	assert_int_equal(device->seats[0].input_size, 4);
}

/* Nobody gets the pen of a device that ends, and everybody gets the last bytes. */
static void the_device_s_end_is_told(void **state)
{
	for (int i = 0; i < 3; i++)
		watch(i);
	use_pen(1, FRAME_PEN_ASK);
	settle_all();
	guest_writes(100000);
	forget();
	for (int i = 0; i < 3; i++)
		leave_seat(&device->seats[i]);
	assert_int_equal(viewers_of(viewers, device, NULL, 0), 0);
	settle_all();
	for (int i = 0; i < 3; i++) {
		assert_true(clients[i].ended);
		assert_int_equal(clients[i].bytes, device->head);
		assert_int_equal(clients[i].end, device->head);
		assert_string_equal(clients[i].log, "N {\"notice\":\"end\",\"code\":0,\"reason\":"
						    "\"the device is not served any more\"}\n");
	}
	assert_null(strstr(told, "pen:"));
	/* One at the same address is another one. */
	device->seat_count = 0;
	watch(3);
	assert_int_equal(holder(), 4);
}

/* Also of who is there already (memory was short), and they stay. */
static void a_device_that_takes_no_viewer_ends_it(void **state)
{
	watch(1);
	device->is_closing = true;
	watch(0);
	settle_all();
	assert_string_equal(clients[0].reply, reply);
	assert_told(0, "\"reason\":\"the device takes no viewer now\"}");
	assert_true(clients[0].ended);
	assert_int_equal(viewers_of(viewers, device, NULL, 0), 1);
	assert_int_equal(holder(), 1);
}

static void the_server_s_end_is_told(void **state)
{
	for (int i = 0; i < 3; i++)
		watch(i);
	settle_all();
	close_viewers();
	for (int i = 0; i < 3; i++) {
		client_read(&clients[i], SIZE_MAX);
		assert_told(i, "\"reason\":\"the server ends\"}");
	}
	assert_audited("1002 detach: viewer 3 (uid 1002, pid 12) detached: the server ends\n");
}

/* What it has not read yet is still sent, and when it is, nothing waits for the clock. */
static void the_rest_of_a_frame_is_sent_before_the_end(void **state)
{
	watch(0);
	settle_all();
	fail_limit_sends(3000);
	guest_writes(FRAME_PAYLOAD_MAX);
	const struct framed *framed =
		&container_of(device->seats[0].stream, struct viewer, base)->framed;
	assert_non_null(framed->staged);
	uint64_t before = loop_now_ms(loop);
	leave_seat(&device->seats[0]);
	while (!clients[0].ended)
		if (!client_read(&clients[0], SIZE_MAX) && !clients[0].ended)
			turn();
	assert_true(loop_now_ms(loop) - before < FRAMED_LINGER_MS / 2);
	assert_int_equal(clients[0].bytes, FRAME_PAYLOAD_MAX);
	assert_int_equal(clients[0].end, FRAME_PAYLOAD_MAX);
	assert_told(0, "\"reason\":\"the device is not served any more\"}");
}

/* A frame that is cut for good is nothing to go on after. */
static void a_connection_that_fails_is_closed(void **state)
{
	for (int i = 0; i < 2; i++) {
		device->seat_count = 0;
		told[0] = '\0';
		assert_int_equal(attach(0, (struct how){.offset = device->head}), 0);
		settle_all();
		if (i == 0) {
			fail_nth(FAIL_SENDMSG, 1, ENOBUFS);
		} else {
			fail_limit_sends(5);
			fail_nth(FAIL_MALLOC, 1, ENOMEM);
		}
		guest_writes(100);
		settle_all();
		assert_true(clients[0].ended);
		assert_int_equal(clients[0].bytes, 0);
		assert_int_equal(device->seats[0].gones, 1);
		assert_audited("detached: the connection failed\n");
		fail_reset();
		client_close(&clients[0]);
	}
}

/* Its place is all that it takes, and the end does not wait for it for ever. */
static void one_that_never_reads_does_not_keep_the_end(void **state)
{
	watch(0);
	settle();
	guest_writes(OUTPUT_SIZE);
	settle();
	uint64_t before = loop_now_ms(loop);
	close_viewers();
	uint64_t took = loop_now_ms(loop) - before;
	assert_in_range(took, FRAMED_LINGER_MS - 100, FRAMED_LINGER_MS + 2000);
}

static void a_cancelled_viewer_has_not_been(void **state)
{
	const struct control_peer peer = {.uid = 7};
	const struct viewer_params params = {.domain = "vm", .device = device, .peer = &peer};
	struct viewer *viewer;
	assert_int_equal(viewers_add(viewers, &params, &viewer), 0);
	assert_int_equal(holder(), 1);
	viewer_cancel(viewer);
	assert_int_equal(holder(), 0);
	assert_int_equal(viewers_of(viewers, device, NULL, 0), 0);
	settle();
}

/* ---- many, and bad luck ---------------------------------------------------------------------- */

static void there_is_a_greatest_number(void **state)
{
	static struct viewer *all[VIEWERS_PER_DEVICE_MAX];
	static struct viewer_info infos[VIEWERS_PER_DEVICE_MAX];
	const struct control_peer peer = {.uid = 7};
	const struct viewer_params params = {.domain = "vm", .device = device, .peer = &peer};
	struct viewer *one_more = NULL;
	for (int i = 0; i < VIEWERS_PER_DEVICE_MAX; i++)
		assert_int_equal(viewers_add(viewers, &params, &all[i]), 0);
	assert_int_equal(viewers_add(viewers, &params, &one_more), -EMFILE);
	assert_null(one_more);
	assert_int_equal(viewers_of(viewers, device, infos, 10), VIEWERS_PER_DEVICE_MAX);
	assert_int_equal(infos[9].id, 10);
	assert_int_equal(infos[10].id, 0);
	assert_int_equal(
		viewers_of(viewers, device, infos, VIEWERS_PER_DEVICE_MAX), VIEWERS_PER_DEVICE_MAX);
	for (int i = 0; i < VIEWERS_PER_DEVICE_MAX; i++) {
		assert_int_equal(infos[i].id, i + 1);
		assert_int_equal(infos[i].pen, i == 0);
		viewer_cancel(all[i]);
	}
	settle();
}

/* Whichever call fails: what came is right, everything is given back, and others do not notice. */
static void any_call_may_fail(void **state)
{
	static const enum fail_call calls[] = {FAIL_CALLOC, FAIL_MALLOC, FAIL_SENDMSG, FAIL_READV};
	watch(0);
	for (size_t i = 0; i < 4 * 15; i++) {
		device->seat_count = 1;
		uint64_t before = device->head;
		fail_limit_sends(i % 2 == 0 ? 100 : 0);
		fail_nth(calls[i % 4], 1 + (int)(i / 4), ENOBUFS);
		int rc = attach(1, (struct how){.offset = before});
		assert_true(rc == 0 || rc == -ENOMEM);
		if (rc == 0) {
			guest_writes(1000);
			settle_all();
			send(clients[1].fd, "D\0\0\1\0\0\0\0\0\0\0\0x", 13, MSG_NOSIGNAL);
			guest_writes(3000);
			settle_all();
			assert_true(clients[1].bytes == 0 || clients[1].first == before);
		}
		fail_reset();
		settle_all();
		client_close(&clients[1]);
		settle_all();
		assert_int_equal(clients[1].gaps, 0);
		assert_int_equal(viewers_of(viewers, device, NULL, 0), clients[0].ended ? 0 : 1);
		if (clients[0].ended) { /* it was its call */
			device->seat_count = 0;
			assert_int_equal(attach(0, (struct how){.offset = device->head}), 0);
			settle_all();
		}
		assert_int_equal(clients[0].gaps, 0);
	}
	guest_writes(1);
	settle_all();
	assert_int_equal(clients[0].next, device->head);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_reply_comes_first),
		TEST(output_may_be_cut_anywhere),
		TEST(much_output_comes_whole),
		TEST(a_frame_is_one_call),
		TEST(a_viewer_that_stops_costs_a_frame),
		TEST(a_gap_shows_in_the_offsets),
		TEST(a_break_keeps_its_place),
		TEST(typed_bytes_wait_for_room),
		TEST(input_may_be_cut_anywhere),
		TEST(more_may_come_with_the_call_than_is_read_at_once),
		TEST(the_end_of_input_is_the_end),
		TEST(a_read_only_viewer_s_keys_go_nowhere),
		TEST(the_pen_is_taken_over),
		TEST(who_comes_by_force_has_it),
		TEST(a_silent_holder_loses_it),
		TEST(the_window_is_the_holder_s),
		TEST(a_break_needs_the_pen),
		TEST(a_viewer_that_stops_is_told_how_things_are),
		TEST(the_guest_is_told_when_it_changes),
		TEST(comings_and_goings_are_told),
		TEST(who_lost_the_pen_knows_at_once),
		TEST(wrong_frames_end_their_viewer_alone),
		TEST(the_device_s_end_is_told),
		TEST(a_device_that_takes_no_viewer_ends_it),
		TEST(the_server_s_end_is_told),
		TEST(the_rest_of_a_frame_is_sent_before_the_end),
		TEST(a_connection_that_fails_is_closed),
		TEST(one_that_never_reads_does_not_keep_the_end),
		TEST(a_cancelled_viewer_has_not_been),
		TEST(there_is_a_greatest_number),
		TEST(any_call_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
