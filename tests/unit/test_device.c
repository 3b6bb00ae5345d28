/*
 * device/: who gets which bytes, who may hold up the guest and for how long, what is counted.
 *
 * The device runs on a real loop between a guest port and a backend of the test's own, whose
 * streams take, refuse, borrow and fail exactly as a test tells them.
 */
#include "device_bench.h"
#include "fail.h"

/* ---- who gets what --------------------------------------------------------------------------- */

static void every_peer_gets_every_byte(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *a = add_peer(PEER_CLIENT), *b = add_peer(PEER_CLIENT);
	assert_int_equal(guest_writes(10 * RING), 10 * RING);
	assert_int_equal(a->got_count, 10 * RING);
	assert_has(a, 0, 0, 10 * RING);
	assert_has(b, 0, 0, 10 * RING);
}

static void the_first_to_come_misses_nothing_later_ones_start_now(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	guest_writes(1000);
	struct fake *a = add_peer(PEER_CLIENT);
	assert_int_equal(a->got_count, 1000);
	struct fake *b = add_peer(PEER_CLIENT);
	assert_int_equal(b->got_count, 0);
	guest_writes(10);
	assert_has(b, 0, 1000, 10);
	assert_has(a, 0, 0, 1010);
}

static void what_nobody_saw_is_kept_for_the_next(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	struct fake *a = add_peer(PEER_CLIENT);
	guest_writes(100);
	/* 30 of the 100 bytes never reached it, as TCP or a pty can tell. */
	a->base.sink->gone(a->base.consumer, 0, 30);
	assert_true(a->closed);
	guest_writes(50);
	struct fake *b = add_peer(PEER_CLIENT);
	assert_int_equal(b->got_count, 80);
	assert_has(b, 0, 70, 80);
}

static void absent_peers_hold_nobody_up_and_losses_are_exact(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	assert_int_equal(guest_writes(3 * RING), 3 * RING);
	struct fake *a = add_peer(PEER_CLIENT);
	assert_int_equal(a->got_count, RING);
	assert_has(a, 0, 2 * RING, RING);
	assert_int_equal(reader(0).dropped, 2 * RING);
	assert_int_equal(reader(0).gaps, 1);
}

static void replay_follows_the_xml(void **state)
{
	bench->config.extensions.history.replay = REPLAY_ALL;
	open_device(OVERFLOW_DEFAULT, -1);
	guest_writes(100);
	add_peer(PEER_CLIENT);
	assert_int_equal(add_peer(PEER_CLIENT)->got_count, 100);
	assert_int_equal(add_peer(PEER_LOSSY)->got_count, 0);
}

/* A pipe's unread bytes may be anybody's, a terminal's its own echo. */
static void more_unsent_than_was_taken_is_not_believed(void **state)
{
	open_device(OVERFLOW_DEFAULT, -1);
	guest_writes(50);
	struct fake *a = add_peer(PEER_CLIENT);
	a->base.sink->gone(a->base.consumer, 0, 0);
	struct fake *b = add_peer(PEER_CLIENT);
	guest_writes(100);
	b->base.sink->gone(b->base.consumer, 0, 100000);
	assert_int_equal(bench->slot.delivered, 50);
	struct fake *c = add_peer(PEER_CLIENT);
	assert_int_equal(c->got_count, 100);
	assert_has(c, 0, 50, 100);
}

/* ---- who holds up the guest ------------------------------------------------------------------ */

static void block_waits_for_the_reader_and_loses_nothing(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *slow = add_peer(PEER_CLIENT), *fast = add_peer(PEER_CLIENT);
	slow->quota = 0;
	assert_int_equal(guest_writes(2 * RING), RING);
	assert_false(guest_reads());
	fake_take(slow, 10); /* less than a sixteenth of the ring: not worth a wake-up */
	assert_false(guest_reads());
	fake_take(slow, RING);
	assert_true(guest_reads());
	assert_int_equal(guest_writes(RING), RING);
	fake_take(slow, SIZE_MAX);
	assert_has(slow, 0, 0, 2 * RING);
	assert_has(fast, 0, 0, 2 * RING);
	assert_int_equal(reader(0).dropped, 0);
}

static void drop_without_patience_never_pauses(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *slow = add_peer(PEER_CLIENT), *fast = add_peer(PEER_CLIENT);
	slow->quota = 100;
	assert_int_equal(guest_writes(5 * RING), 5 * RING);
	assert_true(guest_reads());
	assert_has(fast, 0, 0, 5 * RING);
	fake_take(slow, SIZE_MAX);
	struct reader_status status = reader(0);
	assert_has(slow, 0, 0, 100);
	/* What it has after the gap ends with the guest's last byte, and the count says the rest.
	 */
	size_t rest = slow->got_count - 100;
	assert_in_range(rest, RING / 2, RING);
	assert_has(slow, 100, 5 * RING - rest, rest);
	assert_int_equal(status.dropped, 5 * RING - 100 - rest);
	assert_true(status.gaps >= 1);
}

static void patience_is_a_total_and_ends_in_a_gap(void **state)
{
	open_device(OVERFLOW_DROP, 60);
	struct fake *slow = add_peer(PEER_CLIENT);
	slow->quota = 0;
	assert_int_equal(guest_writes(2 * RING), RING);
	assert_false(guest_reads());
	uint64_t before = loop_now_ms(bench->loop);
	turn_until(guest_reads);
	assert_in_range(loop_now_ms(bench->loop) - before, 55, 2000);
	/* It has used up its patience: from here on it holds up nobody. */
	assert_int_equal(guest_writes(3 * RING), 3 * RING);
	fake_take(slow, SIZE_MAX);
	assert_int_equal(reader(0).dropped + slow->got_count, 4 * RING);
	assert_has(slow, 0, bench->written - slow->got_count, slow->got_count);
	/* Caught up: its patience is whole again. */
	slow->quota = 0;
	guest_writes(2 * RING);
	assert_false(guest_reads());
	struct device_status status;
	device_status(bench->device, &status);
	assert_true(status.guest_paused_ms >= 55);
}

static void one_out_of_patience_does_not_hide_one_that_has_some(void **state)
{
	open_device(OVERFLOW_DROP, 60);
	struct fake *first = add_peer(PEER_CLIENT);
	first->quota = 0;
	guest_writes(2 * RING);
	turn_until(guest_reads);
	/* The first has none left and stays behind; the second has all of it. */
	struct fake *second = add_peer(PEER_CLIENT);
	second->quota = 0;
	/* It skips twice, half a ring each time, and is nearly a ring behind when the second is. */
	guest_writes(100);
	guest_writes(RING / 2 + 1);
	guest_writes(RING - 100 - RING / 2 - 1);
	assert_int_equal(guest_writes(1), 0);
	assert_false(guest_reads());
	uint64_t before = loop_now_ms(bench->loop);
	turn_until(guest_reads);
	assert_in_range(loop_now_ms(bench->loop) - before, 55, 2000);
}

static bool guest_was_paused_for_a_while(void)
{
	struct device_status status;
	device_status(bench->device, &status);
	return bench->guest_stream->reading || status.guest_paused_ms >= bench->paused_ms;
}

/* What it takes each time is enough for the guest to go on, and never all there is. */
static void patience_is_a_total_for_a_reader_that_trickles(void **state)
{
	open_device(OVERFLOW_DROP, 100);
	struct fake *slow = add_peer(PEER_CLIENT);
	slow->quota = 0;
	for (int i = 1; i <= 20 && guest_writes(2 * RING) < 2 * RING; i++) {
		bench->paused_ms = 20 * (uint64_t)i;
		turn_until(guest_was_paused_for_a_while);
		fake_take(slow, RING / 8);
	}
	struct device_status status;
	device_status(bench->device, &status);
	assert_in_range(status.guest_paused_ms, 80, 250);
	assert_int_equal(guest_writes(2 * RING), 2 * RING);
}

static void assert_no_wake_ups(void)
{
	struct pollfd loop = {.fd = loop_fd(bench->loop), .events = POLLIN};
	for (int i = 0; i < 100 && poll(&loop, 1, 0) > 0; i++)
		loop_turn(bench->loop);
	assert_int_equal(poll(&loop, 1, 100), 0);
}

static void a_pause_costs_no_wake_ups(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *file = add_peer(PEER_FILE), *stuck = add_peer(PEER_CLIENT);
	stuck->quota = 0;
	guest_writes(10);
	fake_written(file, 0, -ENOSPC); /* its patience is over, and it is as far behind */
	assert_int_equal(guest_writes(2 * RING), RING - 10);
	assert_false(guest_reads());
	assert_no_wake_ups();
	assert_false(guest_reads());
}

static void a_reader_that_leaves_lets_the_guest_go_on(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *slow = add_peer(PEER_CLIENT);
	slow->quota = 0;
	guest_writes(2 * RING);
	assert_false(guest_reads());
	slow->base.sink->gone(slow->base.consumer, -ECONNRESET, 0);
	assert_true(guest_reads());
	struct device_status status;
	device_status(bench->device, &status);
	assert_non_null(strstr(status.last_error, "peer"));
}

static void a_dead_output_holds_nobody_up_but_may_still_type(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	peer->write_failure = -EPIPE;
	assert_int_equal(guest_writes(3 * RING), 3 * RING);
	peer_types(peer, "bye");
	assert_memory_equal(bench->guest_stream->got, "bye", 3);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void a_file_holds_the_guest_while_its_disk_works(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *file = add_peer(PEER_FILE);
	assert_int_equal(guest_writes(100), 100);
	assert_int_equal(borrowed_bytes(file), 100);
	assert_int_equal(guest_writes(2 * RING), RING - 100);
	assert_false(guest_reads());
	fake_written(file, 100, 0);
	/* What gathered meanwhile goes in one write. */
	assert_int_equal(borrowed_bytes(file), RING - 100);
	fake_written(file, borrowed_bytes(file), 0);
	assert_true(guest_reads());
	assert_has(file, 0, 0, RING);
}

static void a_write_that_hangs_costs_an_exact_gap_and_no_wrong_byte(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *file = add_peer(PEER_FILE);
	struct fake *other = add_peer(PEER_CLIENT);
	guest_writes(2 * RING);
	size_t hung = borrowed_bytes(file);
	assert_false(guest_reads());
	turn_until(guest_reads);
	assert_int_equal(guest_writes(3 * RING), 3 * RING);
	uint64_t total = bench->written;
	assert_has(other, 0, 0, total);
	/* The disk comes back: what was borrowed is what it was, the ring notwithstanding. */
	fake_written(file, hung, 0);
	assert_has(file, 0, 0, hung);
	size_t rest = borrowed_bytes(file);
	fake_written(file, rest, 0);
	assert_has(file, hung, total - rest, rest);
	assert_int_equal(reader(0).dropped, total - hung - rest);
	assert_false(reader(0).failing);
}

/* Its patience is over before anybody has to wait. */
static void a_write_that_hung_long_ago_holds_up_nobody(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	add_peer(PEER_FILE);
	guest_writes(10);
	assert_false(reader(0).failing);
	container_of(bench->device->peers.next, struct peer, link)->write_started_ms -= 5000;
	assert_true(reader(0).failing);
	assert_int_equal(guest_writes(2 * RING), RING - 10);
	uint64_t before = loop_now_ms(bench->loop);
	turn_until(guest_reads);
	assert_in_range(loop_now_ms(bench->loop) - before, 0, 500);
	assert_int_equal(guest_writes(2 * RING), 2 * RING);
}

static bool file_was_tried_again(void)
{
	return bench->peers[0]->borrowed_parts != 0;
}

static void a_full_disk_is_tried_again_and_counted(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *file = add_peer(PEER_FILE);
	guest_writes(100);
	fake_written(file, 40, -ENOSPC);
	assert_true(reader(0).failing);
	assert_int_equal(file->borrowed_parts, 0);
	assert_int_equal(guest_writes(3 * RING), 3 * RING);
	struct device_status status;
	device_status(bench->device, &status);
	assert_non_null(strstr(status.last_error, "No space left"));
	turn_until(file_was_tried_again);
	size_t rest = borrowed_bytes(file);
	fake_written(file, rest, 0);
	assert_has(file, 0, 0, 40);
	assert_has(file, 40, bench->written - rest, rest);
	assert_int_equal(reader(0).dropped, bench->written - 40 - rest);
	assert_false(reader(0).failing);
}

static bool file_works(void)
{
	return !reader(0).failing;
}

/* As when the newline that ends a line in a shared log finds no space. */
static void a_write_that_failed_after_its_last_byte_is_not_the_end(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *file = add_peer(PEER_FILE);
	guest_writes(100);
	fake_written(file, 100, -ENOSPC);
	assert_true(reader(0).failing);
	turn_until(file_works);
	guest_writes(10);
	assert_int_equal(borrowed_bytes(file), 10);
	fake_written(file, 10, 0);
	assert_has(file, 0, 0, 110);
}

/* As in a shared log, where another's write hangs. */
static void a_file_that_waits_for_its_turn_has_a_second_and_goes_on(void **state)
{
	open_device(OVERFLOW_DROP, 0);
	struct fake *file = add_peer(PEER_FILE);
	file->borrows = false;
	file->quota = 0;
	guest_writes(2 * RING);
	assert_false(guest_reads());
	uint64_t before = loop_now_ms(bench->loop);
	turn_until(guest_reads);
	assert_in_range(loop_now_ms(bench->loop) - before, 900, 3000);
	assert_true(reader(0).failing);
	fake_take(file, SIZE_MAX);
	assert_false(reader(0).failing);
	size_t got = file->got_count;
	guest_writes(10);
	assert_has(file, got, bench->written - 10, 10);
}

/* The number of gaps in the log's index; the last one's line. */
static unsigned gaps_in_index(char line[256])
{
	unsigned gaps = 0;
	char text[256];
	FILE *file = fopen(bench->index_path, "re");
	while (file != NULL && fgets(text, sizeof(text), file) != NULL) {
		if (strstr(text, " gap ") == NULL || strchr(text, '\n') == NULL)
			continue;
		gaps++;
		strcpy(line, text);
	}
	if (file != NULL)
		fclose(file);
	return gaps;
}

static bool gap_is_marked(void)
{
	char line[256];
	return gaps_in_index(line) == 1 && strncmp(line, "0 5000 ", 7) == 0 &&
	       strstr(line, " gap 5000\n") != NULL;
}

static bool gap_is_marked_as_the_guest_writes_on(void)
{
	guest_writes(1);
	return gap_is_marked();
}

static bool index_was_tried(void)
{
	return fail_count(FAIL_WRITE) > 0;
}

static void a_gap_is_marked_as_soon_as_the_disk_works_again(void **state)
{
	char dir[] = "/tmp/chardev-device-XXXXXX", log[64];
	assert_non_null(mkdtemp(dir));
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(bench->index_path, sizeof(bench->index_path), "%s/log.idx", dir);
	bench->config.log.file = log;
	/* A successor whose predecessor's ring is gone: 5000 bytes are missing. */
	bench->slot.head = 5000;
	bench->slot_found = true;
	fail_from(FAIL_WRITE, 1, ENOSPC);
	open_device(OVERFLOW_DROP, 0);
	turn_until(index_was_tried);
	assert_false(gap_is_marked());
	fail_reset();
	bench->written = 5000;
	turn_until(gap_is_marked_as_the_guest_writes_on);
	fail_reset();
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	turn_until(is_closed);
	unlink(log);
	unlink(bench->index_path);
	assert_int_equal(rmdir(dir), 0);
}

static uint64_t log_size(void)
{
	struct stat st;
	return stat(bench->config.log.file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool log_is_complete(void)
{
	struct reader_status log;
	return device_readers(bench->device, &log, 1) == 1 && !log.behind;
}

/* logrotate's copytruncate, and then a kill: the file's size says nothing of what was logged. */
static void a_log_that_was_cut_goes_on_where_it_was(void **state)
{
	char dir[] = "/tmp/chardev-device-XXXXXX", log[64], line[256];
	assert_non_null(mkdtemp(dir));
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(bench->index_path, sizeof(bench->index_path), "%s/log.idx", dir);
	bench->config.log.file = log;
	open_device(OVERFLOW_DROP, 0);
	guest_writes(100);
	turn_until(log_is_complete);
	assert_int_equal(truncate(log, 0), 0);
	guest_writes(10);
	turn_until(log_is_complete);
	assert_int_equal(log_size(), 10);
	struct state_slot killed = bench->slot;
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	turn_until(is_closed);

	/* The ring is not there either: whoever believed the size would mark a gap of 100. */
	bench->slot = killed;
	bench->slot.head = 110;
	bench->slot_found = true;
	bench->closed = 0;
	free(bench->guest_stream);
	open_device(OVERFLOW_DROP, 0);
	bench->written = 110;
	guest_writes(5);
	turn_until(log_is_complete);
	assert_int_equal(log_size(), 15);
	assert_int_equal(gaps_in_index(line), 0);

	/* Cut when nobody was there to see it. */
	killed = bench->slot;
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	turn_until(is_closed);
	assert_int_equal(truncate(log, 0), 0);
	bench->slot = killed;
	bench->slot.head = 115;
	bench->closed = 0;
	free(bench->guest_stream);
	open_device(OVERFLOW_DROP, 0);
	bench->written = 115;
	guest_writes(5);
	turn_until(log_is_complete);
	assert_int_equal(log_size(), 5);
	assert_int_equal(gaps_in_index(line), 0);
	unlink(log);
	unlink(bench->index_path);
	assert_int_equal(rmdir(dir), 0);
}

static bool disconnect_is_marked(void)
{
	char text[2048] = "";
	FILE *file = fopen(bench->index_path, "re");
	size_t n = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file != NULL)
		fclose(file);
	const char *start = strstr(text, " vm-start\n"), *came = strstr(text, "Z connect peer\n");
	const char *left = strstr(text, "Z disconnect peer\n");
	return n > 0 && start != NULL && came != NULL && left != NULL && came < left;
}

static void the_index_tells_who_came_and_the_status_what_there_is(void **state)
{
	char dir[] = "/tmp/chardev-device-XXXXXX", log[64];
	struct device_log_status status;
	struct stat index;
	assert_non_null(mkdtemp(dir));
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(bench->index_path, sizeof(bench->index_path), "%s/log.idx", dir);
	bench->config.log.file = log;
	open_device(OVERFLOW_DROP, 0);
	struct fake *peer = add_peer(PEER_CLIENT);
	guest_writes(100);
	peer->base.sink->gone(peer->base.consumer, 0, 0);
	turn_until(log_is_complete);
	turn_until(disconnect_is_marked);
	assert_true(device_log_status(bench->device, &status));
	assert_int_equal(stat(bench->index_path, &index), 0);
	assert_string_equal(status.path, log);
	assert_int_equal(status.files, 1);
	assert_in_range(status.bytes, 101, 100 + (uint64_t)index.st_size);
	assert_false(status.failing);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	turn_until(is_closed);
	unlink(log);
	unlink(bench->index_path);
	assert_int_equal(rmdir(dir), 0);
}

static void without_a_log_the_status_is_that_of_the_backends_file(void **state)
{
	struct device_log_status status;
	bench->config.source.type = SOURCE_FILE;
	bench->config.source.u.file.path = (char *)"/some/file";
	open_device(OVERFLOW_DROP, 0);
	assert_false(device_log_status(bench->device, &status));
	bench->backend_has_file = true;
	assert_true(device_log_status(bench->device, &status));
	assert_string_equal(status.path, "/some/file");
	assert_int_equal(status.bytes, 77);
	assert_int_equal(status.files, 2);
	assert_true(status.failing);
}

/* ---- input ----------------------------------------------------------------------------------- */

static void peers_type_interleaved_and_bounded(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *a = add_peer(PEER_CLIENT), *b = add_peer(PEER_CLIENT);
	bench->guest_stream->quota = 2;
	peer_types(a, "abc");
	peer_types(b, "de");
	assert_int_equal(bench->guest_stream->got_count, 2);
	fake_take(bench->guest_stream, 0);
	static char much[INPUT_SIZE + 100];
	memset(much, 'x', sizeof(much) - 1);
	peer_types(a, much);
	assert_false(a->reading);
	assert_int_equal(reader(0).typed, 3 + INPUT_SIZE - 3);
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_true(a->reading);
	assert_memory_equal(bench->guest_stream->got, "abcdexxx", 8);
	assert_int_equal(bench->guest_stream->got_count, 5 + INPUT_SIZE - 3);
}

static bool peer_is_read(void)
{
	return bench->peers[0]->reading;
}

static void memory_that_was_short_keeps_nobody_waiting(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	fail_from(FAIL_MALLOC, 1, ENOMEM);
	peer_types(peer, "ab");
	fail_reset();
	assert_false(peer->reading);
	turn_until(peer_is_read);
	peer_types(peer, "cd");
	assert_memory_equal(bench->guest_stream->got, "cd", 2);
}

static void a_break_reaches_the_guest_in_its_place(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	bench->guest_stream->quota = 1;
	peer_types(peer, "ab");
	peer->base.sink->signalled(peer->base.consumer, &brk);
	peer_types(peer, "c");
	assert_int_equal(bench->guest_stream->breaks, 0);
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_memory_equal(bench->guest_stream->got, "ab!c", 4);
	bench->guest_stream->refuses_break = true;
	device_send_break(bench->device);
	assert_int_equal(bench->guest_breaks, 1);
}

static void guest_signals(const struct stream_signal *signal)
{
	bench->guest_stream->base.sink->signalled(bench->guest_stream->base.consumer, signal);
}

static void a_guest_s_break_has_its_place_for_every_reader(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	const struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	struct fake *quick = add_peer(PEER_CLIENT), *slow = add_peer(PEER_CLIENT);
	struct fake *deaf = add_peer(PEER_CLIENT);
	deaf->refuses_break = true;
	slow->quota = 1;
	guest_writes(3);
	guest_signals(&brk);
	slow->is_busy = true;
	fake_take(slow, SIZE_MAX);
	guest_writes(2);
	guest_signals(&brk);
	assert_has(quick, 0, 0, 3);
	assert_int_equal(quick->got[3], '!');
	assert_has(quick, 4, 3, 2);
	assert_int_equal(quick->got[6], '!');
	assert_has(deaf, 0, 0, 5);
	assert_int_equal(deaf->got_count, 5);
	assert_int_equal(slow->got_count, 3);
	slow->is_busy = false;
	fake_take(slow, SIZE_MAX);
	assert_int_equal(slow->got_count, 7);
	assert_memory_equal(slow->got, quick->got, 7);
	/* Who comes now was not there when the line broke. */
	struct fake *late = add_peer(PEER_CLIENT);
	guest_writes(1);
	assert_int_equal(late->got_count, 1);
	/* Far too many: the memory is bounded, and the bytes are not touched. */
	slow->is_busy = true;
	for (int i = 0; i < 3 * MARKS_MAX; i++)
		guest_signals(&brk);
	slow->breaks = 0;
	slow->is_busy = false;
	fake_take(slow, SIZE_MAX);
	assert_int_equal(slow->breaks, MARKS_MAX);
}

static void who_comes_learns_the_guest_s_settings_and_offers_a_window(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	const struct stream_signal line = {
		.type = STREAM_SIGNAL_LINE, .u.line = {.speed = 9600, .bits = 7}};
	const struct stream_signal window = {
		.type = STREAM_SIGNAL_WINDOW, .u.window = {.columns = 132, .rows = 50}};
	struct device_status status;
	guest_signals(&line);
	struct fake *peer = add_peer(PEER_CLIENT);
	assert_int_equal(peer->last_signal.type, STREAM_SIGNAL_LINE);
	assert_int_equal(peer->last_signal.u.line.speed, 9600);
	peer->base.sink->signalled(peer->base.consumer, &window);
	assert_int_equal(bench->guest_stream->last_signal.type, STREAM_SIGNAL_WINDOW);
	assert_int_equal(bench->guest_stream->last_signal.u.window.columns, 132);
	device_status(bench->device, &status);
	assert_int_equal(status.line.bits, 7);
	assert_int_equal(status.window.rows, 50);
	assert_int_equal(reader(0).window.columns, 132);
}

static void a_purge_is_the_peer_s_own(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	const struct stream_signal purge = {
		.type = STREAM_SIGNAL_PURGE, .u.purge = STREAM_PURGE_SENT | STREAM_PURGE_RECEIVED};
	struct device_status status;
	struct fake *peer = add_peer(PEER_CLIENT), *other = add_peer(PEER_CLIENT);
	bench->guest_stream->quota = 0;
	peer->quota = other->quota = 0;
	peer_types(other, "typed");
	guest_writes(100);
	peer->base.sink->signalled(peer->base.consumer, &purge);
	device_status(bench->device, &status);
	assert_int_equal(status.dropped, 100);
	assert_int_equal(status.input_dropped, 0);
	fake_take(other, SIZE_MAX);
	fake_take(peer, SIZE_MAX);
	assert_int_equal(other->got_count, 100);
	assert_int_equal(peer->got_count, 0);
	other->base.sink->gone(other->base.consumer, 0, 0);
	peer->base.sink->signalled(peer->base.consumer, &purge);
	device_status(bench->device, &status);
	assert_int_equal(status.input_dropped, 5);
}

static void input_after_a_break_waits_until_it_is_done(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	bench->guest_stream->refuses_break = true;
	bench->breaks_take_time = true;
	peer_types(peer, "a");
	device_send_break(bench->device);
	assert_int_equal(bench->guest_breaks, 1);
	peer_types(peer, "h");
	device_send_break(bench->device);
	assert_int_equal(bench->guest_breaks, 1);
	assert_int_equal(bench->guest_stream->got_count, 1);
	device_break_done(bench->device);
	assert_memory_equal(bench->guest_stream->got, "ah", 2);
	assert_int_equal(bench->guest_breaks, 2);
	device_break_done(bench->device);
	device_break_done(bench->device); /* once too often: nothing */
	peer_types(peer, "i");
	assert_memory_equal(bench->guest_stream->got, "ahi", 3);
}

static void input_for_a_vmm_that_left_is_not_for_the_next(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	bench->guest_stream->quota = 0;
	peer_types(peer, "rm -rf /\n");
	bench->guest.params.sink->present(bench->guest.params.device, false);
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_int_equal(bench->guest_stream->got_count, 0);
	struct device_status status;
	device_status(bench->device, &status);
	assert_int_equal(status.input_dropped, 9);
}

static void the_guest_port_is_attended_until_the_last_word_is_taken(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	assert_false(bench->attended);
	struct fake *peer = add_peer(PEER_CLIENT);
	assert_true(bench->attended);
	bench->guest_stream->quota = 0;
	peer_types(peer, "last words");
	peer->base.sink->end_of_input(peer->base.consumer);
	peer->base.sink->gone(peer->base.consumer, 0, 0);
	assert_true(bench->attended);
	fake_take(bench->guest_stream, SIZE_MAX);
	assert_memory_equal(bench->guest_stream->got, "last words", 10);
	assert_false(bench->attended);
}

static void replace_guest_stream(void)
{
	bench->guest_stream->base.sink->gone(bench->guest_stream->base.consumer, 0, 0);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	assert_true(bench->guest_stream->closed);
	free(bench->guest_stream);
	bench->guest_stream = fake_new();
	bench->guest.params.sink->stream(bench->guest.params.device, &bench->guest_stream->base);
	bench->guest.params.sink->present(bench->guest.params.device, true);
}

/* A program that closed its standard input and talks on. */
static void a_vmm_that_takes_no_input_keeps_nobody_waiting(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	bench->guest_stream->write_failure = -EPIPE;
	static char much[2 * INPUT_SIZE + 1];
	memset(much, 'x', sizeof(much) - 1);
	peer_types(peer, much);
	assert_true(peer->reading);
	struct device_status status;
	device_status(bench->device, &status);
	assert_int_equal(status.input_dropped, 2 * INPUT_SIZE);
	guest_writes(10);
	assert_has(peer, 0, 0, 10);
	replace_guest_stream();
	peer_types(peer, "hi");
	assert_memory_equal(bench->guest_stream->got, "hi", 2);
}

static void a_vmm_that_comes_back_finds_its_clients(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *peer = add_peer(PEER_CLIENT);
	guest_writes(10);
	replace_guest_stream();
	guest_writes(10);
	peer_types(peer, "hi");
	assert_has(peer, 0, 0, 20);
	assert_memory_equal(bench->guest_stream->got, "hi", 2);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void closing_flushes_the_readers_first(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *file = add_peer(PEER_FILE), *client = add_peer(PEER_CLIENT);
	guest_writes(100);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	device_close(bench->device, false);
	loop_turn(bench->loop);
	assert_false(file->closed);
	fake_written(file, 100, 0);
	turn_until(is_closed);
	assert_true(file->closed && client->closed);
	assert_has(client, 0, 0, 100);
	assert_int_equal(bench->closed, 1);
}

static void closing_does_not_wait_for_ever(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *stuck = add_peer(PEER_CLIENT);
	stuck->quota = 0;
	guest_writes(100);
	device_close(bench->device, false);
	turn_until(is_closed);
	assert_true(stuck->closed);
	assert_int_equal(bench->last_status.dropped, 100);
}

static void what_reached_nobody_is_counted_at_the_end(void **state)
{
	open_device(OVERFLOW_BLOCK, -1);
	struct fake *client = add_peer(PEER_CLIENT);
	bench->guest_stream->quota = 0;
	peer_types(client, "typed");
	guest_writes(100);
	bench->guest.params.sink->present(bench->guest.params.device, false);
	peer_types(client, "late");
	device_close(bench->device, false);
	turn_until(is_closed);
	assert_int_equal(bench->endings, 1);
	assert_int_equal(bench->last_status.dropped, 0);
	assert_int_equal(bench->last_status.input_dropped, strlen("typed") + strlen("late"));
}

/* As after a start that failed: the process that comes next goes on with them. */
static void fifos_and_ring_are_kept_for_a_successor(void **state)
{
	for (int keep = 0; keep <= 1; keep++) {
		char dir[] = "/tmp/chardev-device-XXXXXX", ring[64];
		assert_non_null(mkdtemp(dir));
		snprintf(ring, sizeof(ring), "%s/serial0.ring", dir);
		bench->ring_dir = dir;
		bench->closed = 0;
		free(bench->guest_stream);
		open_device(OVERFLOW_DROP, 0);
		guest_writes(100);
		bench->guest.params.sink->present(bench->guest.params.device, false);
		device_close(bench->device, keep == 1);
		turn_until(is_closed);
		assert_int_equal(bench->guest_kept, keep == 1);
		assert_int_equal(unlink(ring), keep == 1 ? 0 : -1);
		assert_int_equal(rmdir(dir), 0);
		bench->slot_found = false;
		bench->written = 0;
	}
}

static void a_failed_open_is_one_sentence(void **state)
{
	struct error err = {0};
	bench->backend_fails = true;
	struct device_params params = {
		.loop = bench->loop,
		.config = &bench->config,
		.slot = &bench->slot,
		.listener = &listener,
	};
	assert_int_equal(device_open(&params, &bench->device, &err), -EADDRINUSE);
	assert_string_equal(err.message, "serial0: port 1 is in use");
	loop_drain(bench->loop);
	assert_int_equal(bench->closed, 0);
	assert_int_equal(bench->orphaned, 1);
}

static void a_type_that_is_not_presented_is_refused_at_once(void **state)
{
	struct error err = {0};
	bench->config.source.type = SOURCE_DBUS;
	struct device_params params = {
		.loop = bench->loop,
		.config = &bench->config,
		.slot = &bench->slot,
		.listener = &listener,
	};
	assert_int_equal(device_open(&params, &bench->device, &err), -EOPNOTSUPP);
	assert_string_equal(err.message, "serial0: type \"dbus\" is not presented to the host");
	assert_int_equal(bench->orphaned, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_bench(every_peer_gets_every_byte),
		with_bench(the_first_to_come_misses_nothing_later_ones_start_now),
		with_bench(what_nobody_saw_is_kept_for_the_next),
		with_bench(more_unsent_than_was_taken_is_not_believed),
		with_bench(absent_peers_hold_nobody_up_and_losses_are_exact),
		with_bench(replay_follows_the_xml),
		with_bench(block_waits_for_the_reader_and_loses_nothing),
		with_bench(drop_without_patience_never_pauses),
		with_bench(patience_is_a_total_and_ends_in_a_gap),
		with_bench(one_out_of_patience_does_not_hide_one_that_has_some),
		with_bench(patience_is_a_total_for_a_reader_that_trickles),
		with_bench(a_pause_costs_no_wake_ups),
		with_bench(a_reader_that_leaves_lets_the_guest_go_on),
		with_bench(a_dead_output_holds_nobody_up_but_may_still_type),
		with_bench(a_file_holds_the_guest_while_its_disk_works),
		with_bench(a_write_that_hangs_costs_an_exact_gap_and_no_wrong_byte),
		with_bench(a_write_that_hung_long_ago_holds_up_nobody),
		with_bench(a_full_disk_is_tried_again_and_counted),
		with_bench(a_write_that_failed_after_its_last_byte_is_not_the_end),
		with_bench(a_file_that_waits_for_its_turn_has_a_second_and_goes_on),
		with_bench(a_gap_is_marked_as_soon_as_the_disk_works_again),
		with_bench(a_log_that_was_cut_goes_on_where_it_was),
		with_bench(the_index_tells_who_came_and_the_status_what_there_is),
		with_bench(without_a_log_the_status_is_that_of_the_backends_file),
		with_bench(peers_type_interleaved_and_bounded),
		with_bench(memory_that_was_short_keeps_nobody_waiting),
		with_bench(a_break_reaches_the_guest_in_its_place),
		with_bench(a_guest_s_break_has_its_place_for_every_reader),
		with_bench(who_comes_learns_the_guest_s_settings_and_offers_a_window),
		with_bench(a_purge_is_the_peer_s_own),
		with_bench(input_after_a_break_waits_until_it_is_done),
		with_bench(input_for_a_vmm_that_left_is_not_for_the_next),
		with_bench(the_guest_port_is_attended_until_the_last_word_is_taken),
		with_bench(a_vmm_that_takes_no_input_keeps_nobody_waiting),
		with_bench(a_vmm_that_comes_back_finds_its_clients),
		with_bench(closing_flushes_the_readers_first),
		with_bench(closing_does_not_wait_for_ever),
		with_bench(what_reached_nobody_is_counted_at_the_end),
		with_bench(fifos_and_ring_are_kept_for_a_successor),
		with_bench(a_failed_open_is_one_sentence),
		with_bench(a_type_that_is_not_presented_is_refused_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
