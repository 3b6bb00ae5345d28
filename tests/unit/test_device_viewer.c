/*
 * device/: viewers. What they get and are told to have missed, what they leave to the backend's
 * peers, where they begin, and what is typed on nobody's behalf.
 */
#include "device_bench.h"
#include "fail.h"

#include <time.h>

static struct device_status status_now(void)
{
	struct device_status status;
	device_status(bench->device, &status);
	return status;
}

static void viewer_leaves(struct fake *viewer)
{
	viewer->base.sink->gone(viewer->base.consumer, 0, 0);
	assert_true(viewer->closed);
}

/* ---- what they get --------------------------------------------------------------------------- */

static void a_viewer_begins_where_it_says(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	guest_writes(1000);
	struct fake *viewer = add_viewer(300, false);
	assert_int_equal(viewer->got_count, 700);
	guest_writes(50);
	assert_has(viewer, 0, 300, 750);
	assert_int_equal(viewer->gaps, 0);
}

static void an_offset_outside_of_the_history_is_its_nearest(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	guest_writes(3 * RING);
	struct device_status status = status_now();
	struct fake *old = add_viewer(5, false), *young = add_viewer(UINT64_MAX, false);
	assert_int_equal(old->got_count, status.head - status.oldest);
	assert_has(old, 0, status.oldest, RING);
	assert_int_equal(young->got_count, 0);
	guest_writes(1);
	assert_has(young, 0, status.head, 1);
	assert_int_equal(old->gaps + young->gaps, 0);
	assert_int_equal(reader(0).dropped + reader(1).dropped, 0);
}

static void what_a_viewer_saw_the_first_peer_still_gets(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	struct fake *viewer = add_viewer(0, false);
	guest_writes(100);
	assert_int_equal(viewer->got_count, 100);
	assert_int_equal(bench->slot.delivered, 0);
	struct fake *first = add_peer(PEER_CLIENT);
	assert_has(first, 0, 0, 100);
	first->base.sink->gone(first->base.consumer, 0, 40);
	viewer_leaves(viewer);
	assert_int_equal(bench->slot.delivered, 60);
	assert_int_equal(add_peer(PEER_CLIENT)->got_count, 40);
}

/* ---- gaps ------------------------------------------------------------------------------------ */

/* What came, what is told to be missing, and where: together they are every byte. */
static void assert_complete(const struct fake *viewer, uint64_t from)
{
	size_t rest = viewer->got_count - viewer->gap_at;
	assert_int_equal(viewer->gap_at + viewer->gap + rest, bench->written - from);
	assert_has(viewer, 0, from, viewer->gap_at);
	assert_has(viewer, viewer->gap_at, bench->written - rest, rest);
}

static void a_gap_is_told_once_exactly_and_in_its_place(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	guest_writes(10);
	struct fake *slow = add_viewer(4, false);
	slow->quota = 100;
	/* It is overtaken many times: one gap for whoever looks again. */
	assert_int_equal(guest_writes(20 * RING), 20 * RING);
	assert_true(guest_reads());
	assert_int_equal(slow->gaps, 0);
	fake_take(slow, SIZE_MAX);
	assert_int_equal(slow->gaps, 1);
	assert_int_equal(slow->gap_at, 106);
	assert_int_equal(slow->gap, reader(0).dropped);
	assert_complete(slow, 4);
	assert_in_range(slow->got_count, 106 + RING / 2, 106 + RING);
}

static void a_gap_waits_for_a_stream_that_is_busy(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *slow = add_viewer(0, false);
	slow->quota = 10;
	guest_writes(2 * RING);
	slow->is_busy = true;
	fake_take(slow, SIZE_MAX);
	assert_int_equal(slow->got_count, 10);
	guest_writes(3 * RING);
	assert_int_equal(slow->got_count, 10);
	slow->is_busy = false;
	fake_take(slow, SIZE_MAX);
	assert_int_equal(slow->gaps, 1);
	assert_complete(slow, 0);
	assert_int_equal(slow->gap, reader(0).dropped);
}

static void what_it_gives_up_itself_is_a_gap(void **state)
{
	const struct stream_signal purge = {
		.type = STREAM_SIGNAL_PURGE, .u.purge = STREAM_PURGE_RECEIVED};
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *viewer = add_viewer(0, false);
	viewer->quota = 10;
	guest_writes(100);
	viewer->base.sink->signalled(viewer->base.consumer, &purge);
	assert_int_equal(viewer->gaps, 0); /* "not now", until it says more */
	fake_take(viewer, SIZE_MAX);
	assert_int_equal(viewer->gap, 90);
	guest_writes(5);
	assert_complete(viewer, 0);
}

static void what_it_misses_at_the_end_is_a_gap(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *viewer = add_viewer(0, false);
	viewer->quota = 30;
	guest_writes(100);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	turn_until(is_closed);
	assert_int_equal(viewer->gap, 70);
	assert_int_equal(bench->last_status.dropped, 70);
}

static void a_peer_of_the_backend_hears_of_no_gap(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *slow = add_peer(PEER_CLIENT);
	slow->quota = 0;
	guest_writes(3 * RING);
	fake_take(slow, SIZE_MAX);
	assert_true(reader(0).dropped > 0);
	assert_int_equal(slow->gaps, 0);
}

/* ---- who holds up whom ----------------------------------------------------------------------- */

static void a_viewer_that_stopped_harms_nobody(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *stopped = add_viewer(0, false), *viewer = add_viewer(0, false);
	struct fake *peer = add_peer(PEER_CLIENT);
	stopped->quota = 0;
	for (int i = 0; i < 50; i++)
		assert_int_equal(guest_writes(RING), RING);
	assert_has(peer, 0, 0, 50 * RING);
	assert_has(viewer, 0, 0, 50 * RING);
	assert_int_equal(status_now().guest_paused_ms, 0);
	assert_int_equal(status_now().history_bytes, RING);
}

static void a_lossless_viewer_is_waited_for(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *viewer = add_viewer(0, true);
	viewer->quota = 0;
	assert_int_equal(guest_writes(2 * RING), RING);
	assert_false(guest_reads());
	fake_take(viewer, SIZE_MAX);
	assert_true(guest_reads());
	guest_writes(RING);
	assert_has(viewer, 0, 0, 2 * RING);
	assert_int_equal(viewer->gaps, 0);
	/* It leaves while the guest waits for it. */
	viewer->quota = 0;
	guest_writes(2 * RING);
	assert_false(guest_reads());
	viewer_leaves(viewer);
	assert_true(guest_reads());
}

static void a_viewer_is_somebody_to_the_guest(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	assert_false(bench->attended);
	struct fake *viewer = add_viewer(0, false);
	assert_true(bench->attended);
	assert_int_equal(status_now().peers, 1);
	viewer_leaves(viewer);
	assert_false(bench->attended);
}

static void a_viewer_without_memory_is_closed_at_once(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	struct fake *viewer = fake_new();
	struct peer_info info = {.kind = PEER_VIEWER, .name = "viewer"};
	bench->peers[bench->peer_count++] = viewer;
	fail_nth(FAIL_CALLOC, 1, ENOMEM);
	device_add_viewer(bench->device, &viewer->base, &info, 0, false);
	fail_reset();
	assert_true(viewer->closed);
	assert_int_equal(status_now().peers, 0);
}

static void what_a_viewer_typed_is_not_a_peer_s_to_purge(void **state)
{
	const struct stream_signal purge = {
		.type = STREAM_SIGNAL_PURGE, .u.purge = STREAM_PURGE_SENT};
	open_device(OVERFLOW_DEFAULT, -1);
	struct fake *viewer = add_viewer(0, false), *peer = add_peer(PEER_CLIENT);
	bench->guest_stream->quota = 0;
	peer_types(viewer, "typed");
	peer->base.sink->signalled(peer->base.consumer, &purge);
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_memory_equal(bench->guest_stream->got, "typed", 5);
}

/* ---- where to begin -------------------------------------------------------------------------- */

static void guest_says(const char *text, size_t n)
{
	struct stream *stream = &bench->guest_stream->base;
	while (n > 0) {
		struct iovec iov[STREAM_MAX_PARTS];
		assert_true(stream->sink->space(stream->consumer, iov) > 0);
		size_t part = iov[0].iov_len < n ? iov[0].iov_len : n;
		memcpy(iov[0].iov_base, text, part);
		stream->sink->received(stream->consumer, part);
		text += part;
		n -= part;
	}
}

static void a_tail_is_the_last_lines(void **state)
{
	static const struct {
		const char *text;
		uint64_t lines, offset;
	} rows[] = {
		{"", 0, 0},
		{"", 5, 0},
		{"one", 0, 3},
		{"one", 1, 0},
		{"one\n", 1, 0},
		{"one\n", 2, 0},
		{"one\ntwo", 1, 4},
		{"one\ntwo\n", 1, 4},
		{"one\ntwo\n", 2, 0},
		{"one\ntwo\n", 0, 8},
		{"one\n\n\n", 1, 5},
		{"one\n\n\n", 2, 4},
		{"one\n\n\n", 3, 0},
		{"\n", 1, 0},
		{"\na", 1, 1},
		{"\na", 2, 0},
		{"one\ntwo\n", UINT64_MAX, 0},
	};
	open_device(OVERFLOW_DEFAULT, -1);
	struct history *history = &bench->device->history;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		history->oldest = history->head;
		uint64_t from = history->head;
		guest_says(rows[i].text, strlen(rows[i].text));
		assert_int_equal(
			device_offset_of_tail(bench->device, rows[i].lines), from + rows[i].offset);
	}
}

/* Lines that lie across the ring's end are whole, wherever that is in them. */
static void a_tail_goes_across_the_ring_s_end(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	for (int i = 0; i < 3 * RING; i++) {
		guest_says("abc\nde\n", 7);
		uint64_t head = bench->device->history.head;
		assert_int_equal(device_offset_of_tail(bench->device, 1), head - 3);
		assert_int_equal(device_offset_of_tail(bench->device, 2), head - 7);
		if (i > 0)
			assert_int_equal(device_offset_of_tail(bench->device, 3), head - 10);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void since_when_is_an_offset(void **state)
{
	int64_t before = now_ms();
	open_device(OVERFLOW_DEFAULT, -1);
	assert_int_equal(status_now().last_output_ms, 0);
	assert_int_equal(device_offset_since(bench->device, before + 3600000), 0);
	guest_writes(100);
	int64_t after = now_ms();
	assert_in_range(status_now().last_output_ms, before, after);
	/* As if an hour had gone by since. */
	bench->device->times.known_from_ms -= 3600000;
	bench->device->times.pieces[0].first_ms -= 3600000;
	bench->device->times.pieces[0].last_ms -= 3600000;
	guest_writes(200);
	assert_int_equal(device_offset_since(bench->device, before - 7200000), 0);
	assert_int_equal(device_offset_since(bench->device, before - 60000), 100);
	assert_int_equal(device_offset_since(bench->device, now_ms() + 60000), 300);
	/* What has gone from the ring is not to be had at any time. */
	guest_writes(2 * RING);
	assert_int_equal(device_offset_since(bench->device, before - 60000), status_now().oldest);
}

static void output_goes_on_where_there_is_no_memory_for_times(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	fail_from(FAIL_MALLOC, 1, ENOMEM);
	guest_writes(100);
	fail_reset();
	assert_null(bench->device->times.pieces);
	assert_int_equal(device_offset_since(bench->device, now_ms() - 1), 0);
	guest_writes(10);
	assert_non_null(bench->device->times.pieces);
}

/* ---- the epoch ------------------------------------------------------------------------------- */

static void a_history_that_begins_has_an_epoch_of_its_own(void **state)
{
	uint64_t epochs[2];
	for (int i = 0; i < 2; i++) {
		open_device(OVERFLOW_DEFAULT, -1);
		epochs[i] = status_now().epoch;
		assert_true(epochs[i] != 0);
		assert_int_equal(status_now().head, 0);
		guest_writes(100);
		bench->guest.params.sink->present(bench->guest.params.device, false);
		device_close(bench->device, false);
		turn_until(is_closed);
		bench->closed = 0;
		bench->written = 0;
		free(bench->guest_stream);
	}
	assert_true(epochs[0] != epochs[1]);
	bench->slot_found = true;
	bench->written = bench->slot.head;
	open_device(OVERFLOW_DEFAULT, -1);
	assert_int_equal(status_now().epoch, epochs[1]);
	assert_int_equal(status_now().head, 100);
}

/* ---- typed on nobody's behalf ---------------------------------------------------------------- */

static void typing_is_all_or_nothing(void **state)
{
	static char much[INPUT_SIZE + 1];
	open_device(OVERFLOW_DEFAULT, -1);
	bench->guest_stream->quota = 0;
	memset(much, 'x', sizeof(much));
	assert_int_equal(device_type(bench->device, false, much, INPUT_SIZE + 1), -ENOBUFS);
	assert_int_equal(device_type(bench->device, false, "1", 1), 0);
	assert_int_equal(device_type(bench->device, true, much, INPUT_SIZE), -ENOBUFS);
	assert_int_equal(device_type(bench->device, true, "23", 2), 0);
	assert_int_equal(device_type(bench->device, false, much, INPUT_SIZE - 3), 0);
	assert_int_equal(device_type(bench->device, false, "4", 1), -ENOBUFS);
	fake_take(bench->guest_stream, SIZE_MAX);
	/* The fake guest's stream writes a BREAK as "!". */
	assert_int_equal(bench->guest_stream->got_count, INPUT_SIZE + 1);
	assert_memory_equal(bench->guest_stream->got, "1!23xx", 6);
	assert_int_equal(status_now().input_bytes, INPUT_SIZE);
}

static void a_break_alone_may_be_typed_as_long_as_there_is_room(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	bench->guest_stream->is_busy = true;
	for (int i = 0; i < INPUT_MAX_MARKS; i++)
		assert_int_equal(device_type(bench->device, true, "a", 1), 0);
	assert_int_equal(device_type(bench->device, true, "b", 1), -ENOBUFS);
	assert_int_equal(device_type(bench->device, true, NULL, 0), -ENOBUFS);
	bench->guest_stream->is_busy = false;
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_int_equal(device_type(bench->device, true, NULL, 0), 0);
	assert_int_equal(bench->guest_stream->breaks, INPUT_MAX_MARKS + 1);
	assert_int_equal(bench->guest_stream->got_count, 2 * INPUT_MAX_MARKS + 1);
}

static void typing_without_memory_is_refused(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	fail_nth(FAIL_MALLOC, 1, ENOMEM);
	assert_int_equal(device_type(bench->device, true, "a", 1), -ENOBUFS);
	fail_reset();
	assert_int_equal(bench->guest_stream->breaks, 0);
	assert_int_equal(device_type(bench->device, true, "a", 1), 0);
	assert_memory_equal(bench->guest_stream->got, "!a", 2);
}

static void a_device_that_is_being_closed_takes_nobody_in(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	device_close(bench->device, false);
	assert_int_equal(device_type(bench->device, false, "a", 1), -ESHUTDOWN);
	assert_true(add_viewer(0, false)->closed);
	assert_int_equal(status_now().peers, 0);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	turn_until(is_closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_bench(a_viewer_begins_where_it_says),
		with_bench(an_offset_outside_of_the_history_is_its_nearest),
		with_bench(what_a_viewer_saw_the_first_peer_still_gets),
		with_bench(a_gap_is_told_once_exactly_and_in_its_place),
		with_bench(a_gap_waits_for_a_stream_that_is_busy),
		with_bench(what_it_gives_up_itself_is_a_gap),
		with_bench(what_it_misses_at_the_end_is_a_gap),
		with_bench(a_peer_of_the_backend_hears_of_no_gap),
		with_bench(a_viewer_that_stopped_harms_nobody),
		with_bench(a_lossless_viewer_is_waited_for),
		with_bench(a_viewer_is_somebody_to_the_guest),
		with_bench(a_viewer_without_memory_is_closed_at_once),
		with_bench(what_a_viewer_typed_is_not_a_peer_s_to_purge),
		with_bench(a_tail_is_the_last_lines),
		with_bench(a_tail_goes_across_the_ring_s_end),
		with_bench(since_when_is_an_offset),
		with_bench(output_goes_on_where_there_is_no_memory_for_times),
		with_bench(a_history_that_begins_has_an_epoch_of_its_own),
		with_bench(typing_is_all_or_nothing),
		with_bench(a_break_alone_may_be_typed_as_long_as_there_is_room),
		with_bench(typing_without_memory_is_refused),
		with_bench(a_device_that_is_being_closed_takes_nobody_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
