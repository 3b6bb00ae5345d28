/*
 * control/: many viewers of one real device, over socket pairs: every byte right or an exact gap,
 * whoever stops.
 */
#include "device_bench.h"
#include "frame_client.h"

#include "control/viewer_internal.h"

enum { VIEWERS = 100, STOPPED = 15, BIG_RING = 64 * 1024, ROUNDS = 400, PIECE = 20000 };

static struct viewers *viewers;
static struct frame_client clients[VIEWERS];
static char told[256 * 1024];
static unsigned viewers_closed;

static void on_told(void *user, const struct control_event *event)
{
	size_t n = strlen(told);
	snprintf(told + n, sizeof(told) - n, "%s: %s\n", event->event, event->text);
}

static void on_viewers_closed(void *user)
{
	viewers_closed++;
}

static uint8_t byte_at(uint64_t offset)
{
	return sequence(offset);
}

static int begin(void **state)
{
	if (setup(state) != 0)
		return -1;
	for (int i = 0; i < VIEWERS; i++)
		clients[i].fd = -1;
	told[0] = '\0';
	viewers_closed = 0;
	bench->config.extensions.history.size = BIG_RING;
	open_device(OVERFLOW_BLOCK, -1);
	return viewers_new(bench->loop, on_told, NULL, &viewers);
}

static bool are_closed(void)
{
	return viewers_closed > 0;
}

static int finish(void **state)
{
	viewers_close(viewers, on_viewers_closed);
	turn_until(are_closed);
	assert_int_equal(viewers_closed, 1);
	for (int i = 0; i < VIEWERS; i++)
		client_close(&clients[i]);
	return teardown(state);
}

static void attach(int index, bool read_only, uint64_t offset)
{
	const struct control_peer peer = {.uid = 1000 + (uid_t)index};
	const struct viewer_params params = {.domain = "vm",
		.device = bench->device,
		.peer = &peer,
		.read_only = read_only,
		.offset = offset};
	struct viewer *viewer;
	int fds[2];
	assert_int_equal(viewers_add(viewers, &params, &viewer), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	client_init(&clients[index], fds[1], 0);
	clients[index].byte_at = byte_at;
	viewer_start(viewer, fds[0], NULL, 0, NULL, 0);
}

/* Turns the loop and lets everyone but `stopped` read until there is nothing more. */
static void settle(int stopped)
{
	struct pollfd wait = {loop_fd(bench->loop), POLLIN, 0};
	for (bool more = true; more;) {
		more = false;
		while (poll(&wait, 1, 0) > 0)
			loop_turn(bench->loop);
		for (int i = 0; i < VIEWERS; i++)
			more |= i != stopped && client_read(&clients[i], SIZE_MAX);
	}
}

/* What all viewers hold together that is not in the ring. */
static size_t staged(void)
{
	size_t n = 0;
	const struct viewer_group *group =
		container_of(viewers->groups.next, struct viewer_group, link);
	list_for_each(link, &group->members) {
		const struct framed *framed = &container_of(link, struct viewer, link)->framed;
		n += framed->staged_end - framed->staged_at;
	}
	return n;
}

static void assert_complete(const struct frame_client *client, uint64_t from)
{
	assert_int_equal(client->first, from);
	assert_int_equal(client->next, bench->written);
	assert_int_equal(client->bytes, bench->written - from);
	assert_int_equal(client->gaps, 0);
}

/* A third is read-only, a third comes late and begins in the past, one never reads. */
static void one_that_stops_harms_nobody(void **state)
{
	uint64_t from[VIEWERS] = {0};
	for (int i = 0; i < VIEWERS; i++)
		if (i % 3 != 2)
			attach(i, i % 3 == 1, 0);
	for (int round = 0; round < ROUNDS; round++) {
		assert_int_equal(guest_writes(PIECE), PIECE);
		settle(STOPPED);
		if (round % 10 == 0 && round / 10 * 3 + 2 < VIEWERS) {
			int late = round / 10 * 3 + 2;
			from[late] = bench->written - 1000 - (uint64_t)round;
			attach(late, false, from[late]);
		}
		assert_in_range(staged(), 0, FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX);
	}
	assert_true(guest_reads());
	struct device_status status;
	device_status(bench->device, &status);
	assert_int_equal(status.guest_paused_ms, 0);
	for (int i = 0; i < VIEWERS; i++)
		if (i != STOPPED)
			assert_complete(&clients[i], from[i]);
	/* It wakes up: what its connection held, a gap that is as great as it says, the rest. */
	struct frame_client *stopped = &clients[STOPPED];
	assert_int_equal(stopped->bytes, 0);
	settle(-1);
	assert_int_equal(stopped->first, 0);
	assert_int_equal(stopped->next, bench->written);
	assert_int_equal(stopped->gaps, 1);
	assert_int_equal(stopped->bytes + stopped->missed, bench->written);
	assert_int_equal(stopped->missed, status.dropped);
	assert_true(stopped->missed > bench->written / 2);
	guest_writes(10);
	settle(-1);
	assert_int_equal(stopped->gaps, 1);
	assert_int_equal(stopped->next, bench->written);
}

static bool guest_got(size_t n)
{
	return bench->guest_stream->got_count == n;
}

static void who_has_the_pen_types(void **state)
{
	for (int i = 0; i < 3; i++)
		attach(i, i == 2, 0);
	for (int i = 0; i < 3; i++)
		client_send(&clients[i], FRAME_DATA, &"abc"[i], 1);
	settle(-1);
	assert_true(guest_got(1));
	client_send(&clients[1], FRAME_PEN, "f", 1);
	settle(-1);
	for (int i = 2; i >= 0; i--)
		client_send(&clients[i], FRAME_DATA, &"ABC"[i], 1);
	client_send(&clients[1], FRAME_BREAK, "", 0);
	client_send(&clients[1], FRAME_DATA, "x", 1);
	settle(-1);
	assert_int_equal(bench->guest_stream->got_count, 4);
	assert_memory_equal(bench->guest_stream->got, "aB!x", 4);
	assert_true(client_has(&clients[0], "{\"notice\":\"refused\",\"bytes\":1}"));
	assert_true(client_has(&clients[2], "{\"notice\":\"refused\",\"bytes\":2}"));
}

/* More than the device's queue and the socket hold, for a guest that takes nothing at first. */
static void typing_waits_for_the_guest(void **state)
{
	enum { TYPED = 300000 };
	size_t sent = 0;
	attach(0, false, 0);
	bench->guest_stream->quota = 0;
	while (bench->guest_stream->got_count < TYPED) {
		char text[1000];
		settle(-1);
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)sequence(sent + i);
		struct pollfd wait = {clients[0].fd, POLLOUT, 0};
		if (sent < TYPED && poll(&wait, 1, 0) > 0) {
			client_send(&clients[0], FRAME_DATA, text, sizeof(text));
			sent += sizeof(text);
		} else {
			fake_take(bench->guest_stream, 7777);
		}
	}
	assert_has(bench->guest_stream, 0, 0, TYPED);
}

static void the_end_of_the_device_is_told(void **state)
{
	for (int i = 0; i < 5; i++)
		attach(i, false, 0);
	guest_writes(50000);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	while (!is_closed())
		settle(-1);
	settle(-1);
	for (int i = 0; i < 5; i++) {
		assert_complete(&clients[i], 0);
		assert_int_equal(clients[i].end, bench->written);
		assert_true(clients[i].ended);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_stops_harms_nobody),
		TEST(who_has_the_pen_types),
		TEST(typing_waits_for_the_guest),
		TEST(the_end_of_the_device_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
