/*
 * The peers' side of a device: whoever is connected reads the history at its own pace and types
 * into the input queue. Files and the log are peers too: output only, written off the loop.
 */
#include "device/device_internal.h"

#include "backend/log_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- output ---------------------------------------------------------------------------------- */

/* Whether what it takes is delivered: it is the backend's own, and reads. */
static bool delivers(const struct peer *peer)
{
	return !peer->no_output && !peer->is_log && peer->kind != PEER_VIEWER;
}

/* How far the backend's peers have come: those that left for good, and those that are here. */
static void update_delivered(struct device *device)
{
	uint64_t furthest = device->delivered_settled;
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		if (delivers(peer) && peer->reader.offset > furthest)
			furthest = peer->reader.offset;
	}
	device->params.slot->delivered = furthest;
}

/* Some reader came further, or left: what that makes possible. */
static void moved_on(struct device *device)
{
	update_delivered(device);
	device_resume_guest(device);
	if (device->closing == CLOSE_FLUSHING)
		device_close_step(device);
}

/* Bytes that this peer will never get. */
static void note_missed(struct peer *peer, uint64_t missed)
{
	if (missed != 0 && peer->is_log)
		device_log_gap(peer->device, peer, missed);
	if (peer->is_log || (peer->kind != PEER_VIEWER && peer->kind != PEER_FILE))
		return;
	peer->untold_gap += missed;
	device_tell_gap(peer);
}

static void pump(struct peer *peer)
{
	struct device *device = peer->device;
	struct reader *reader = &peer->reader;
	if (peer->no_output)
		return;
	bool was_busy = reader->borrowed != 0 || reader->waiting;
	note_missed(peer, reader_skip_lost(reader));
	reader_pump(reader);
	bool is_busy = reader->borrowed != 0 || reader->waiting;
	if (is_busy && !was_busy)
		peer->write_started_ms = loop_now_ms(device->params.loop);
	/* Everything was taken, or there was nothing left to take: no `written` is to come. */
	if (!is_busy)
		reader->failing = false;
}

void device_pump_peers(struct device *device)
{
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		/* A file whose last write failed is tried again by the clock, not by each byte. */
		if (!(peer->reader.policy == READER_FILE && peer->reader.failing))
			pump(peer);
	}
	moved_on(device);
}

void device_retry_expired(struct loop_timer *timer)
{
	struct device *device = container_of(timer, struct device, retry_timer);
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (peer->reader.failing)
			pump(peer);
	}
	device_resume_guest(device);
	device_resume_peers(device);
}

bool device_peer_is_failing(const struct peer *peer)
{
	const struct reader *reader = &peer->reader;
	bool is_busy = reader->borrowed != 0 || reader->waiting;
	if (reader->failing || reader->policy != READER_FILE || !is_busy)
		return reader->failing;
	return loop_now_ms(peer->device->params.loop) - peer->write_started_ms >=
	       reader->patience_ms;
}

static void give_back_abandoned(struct peer *peer)
{
	struct abandoned *abandoned = peer->abandoned;
	if (abandoned == NULL)
		return;
	peer->abandoned = NULL;
	if (--abandoned->borrowers > 0)
		return;
	munmap(abandoned->memory, abandoned->size);
	free(abandoned);
}

/* ---- the sink of a peer's stream ------------------------------------------------------------- */

/* Where memory is short, nobody but the clock can tell when there is some. */
static int input_room(struct device *device, struct iovec iov[STREAM_MAX_PARTS])
{
	int parts = input_space(&device->input, iov);
	if (parts == 0 && device->input.memory == NULL)
		loop_timer_start(&device->retry_timer, POLICY_FILE_RETRY_MS);
	return parts;
}

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct peer *peer = consumer;
	int parts = input_room(peer->device, iov);
	peer->input_paused = parts == 0;
	return parts;
}

static void on_received(void *consumer, size_t n)
{
	struct peer *peer = consumer;
	peer->typed += n;
	input_commit(&peer->device->input, n);
	device_pump_input(peer->device);
}

static bool is_only_one_to_type(const struct peer *peer)
{
	list_for_each(link, &peer->device->peers) {
		const struct peer *other = container_of(link, struct peer, link);
		if (other != peer && !other->no_input)
			return false;
	}
	return true;
}

/* What others have typed stands in the same queue, and is not this peer's to throw away. */
static void purge(struct peer *peer, unsigned which)
{
	struct device *device = peer->device;
	if ((which & STREAM_PURGE_SENT) != 0 && is_only_one_to_type(peer)) {
		device->input_dropped += input_clear(&device->input);
		device_resume_peers(device);
	}
	if ((which & STREAM_PURGE_RECEIVED) != 0 && peer->reader.borrowed == 0) {
		note_missed(peer, reader_give_up(&peer->reader));
		moved_on(device);
	}
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	struct peer *peer = consumer;
	struct device *device = peer->device;
	switch (signal->type) {
	case STREAM_SIGNAL_BREAK:
		if (!input_mark(&device->input, signal))
			device_note_error(
				device, peer->name, "too many BREAKs at once: one is lost");
		device_pump_input(device);
		break;
	case STREAM_SIGNAL_WINDOW:
		peer->window = signal->u.window;
		device_offer_window(device, signal);
		break;
	case STREAM_SIGNAL_PURGE:
		purge(peer, signal->u.purge);
		break;
	default:
		/* A guest's line and modem lines are its own: no peer can set them. */
		break;
	}
}

static void on_writable(void *consumer)
{
	struct peer *peer = consumer;
	struct device *device = peer->device;
	peer->reader.waiting = false;
	pump(peer);
	moved_on(device);
}

/* What is always there, a file or the void, is no event. */
static void log_event(const struct peer *peer, const char *kind)
{
	if (!peer->no_input || peer->kind == PEER_VIEWER)
		device_log_event(peer->device, kind, peer->name);
}

static const char *failure_text(const struct peer *peer, int failure)
{
	return peer->kind == PEER_FILE ? log_file_trouble(failure) : error_text(failure);
}

static void on_written(void *consumer, size_t done, int failure)
{
	struct peer *peer = consumer;
	struct device *device = peer->device;
	struct reader *reader = &peer->reader;
	reader_written(reader, done);
	give_back_abandoned(peer);
	if (peer->is_log)
		device_log_written(device, peer);
	if (failure != 0) {
		if (!reader->failing)
			device_note_error(device, peer->name, failure_text(peer, failure));
		reader->failing = true;
		loop_timer_start(&device->retry_timer, POLICY_FILE_RETRY_MS);
	} else {
		reader->failing = false;
		pump(peer);
	}
	moved_on(device);
}

static void on_end_of_input(void *consumer)
{
	struct peer *peer = consumer;
	peer->input_finished = true;
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct peer *peer = consumer;
	struct device *device = peer->device;
	if (reason != 0)
		device_note_error(device, peer->name, error_text(reason));
	if (delivers(peer)) {
		/* What others put into a pipe, or a terminal's echo, is counted as unread, too. */
		if (unsent > peer->reader.taken)
			unsent = peer->reader.taken;
		uint64_t reached = peer->reader.offset - unsent;
		if (reached > device->delivered_settled)
			device->delivered_settled = reached;
	}
	log_event(peer, "disconnect");
	stream_close(peer->stream);
	device_peer_free(peer);
	device_attend_guest(device);
	device_changed(device);
	moved_on(device);
}

static const struct stream_sink peer_stream_sink = {
	.space = on_space,
	.intent = NULL,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

void device_resume_peers(struct device *device)
{
	struct iovec iov[STREAM_MAX_PARTS];
	bool wanted = false;
	list_for_each(link, &device->peers)
		wanted |= container_of(link, struct peer, link)->input_paused;
	if (!wanted || device->closing >= CLOSE_FLUSHING || input_room(device, iov) == 0)
		return;
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (!peer->input_paused)
			continue;
		peer->input_paused = false;
		stream_read_start(peer->stream);
	}
}

/* ---- coming and going ------------------------------------------------------------------------ */

static bool is_first_reader(const struct device *device)
{
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		if (delivers(peer) && !peer->reader.ended)
			return false;
	}
	return true;
}

/* What a peer sees first: what nobody saw if it is the first to come, else what comes now. */
static uint64_t start_offset(const struct device *device, const struct peer_info *info)
{
	const struct history *history = &device->history;
	enum replay replay = info->kind == PEER_LOSSY ? REPLAY_NONE : device->policy.replay;
	switch (replay) {
	case REPLAY_ALL:
		return history->oldest;
	case REPLAY_NONE:
		/* A file is not late: what came before it was opened is its own to have. */
		return info->kind == PEER_FILE ? device->params.slot->delivered : history->head;
	default:
		return is_first_reader(device) ? device->params.slot->delivered : history->head;
	}
}

static void init_reader(struct device *device, struct peer *peer, uint64_t offset)
{
	enum reader_policy policy = device->policy.overflow;
	uint32_t patience = device->policy.patience_ms;
	if (peer->kind == PEER_FILE) {
		policy = READER_FILE;
		patience = POLICY_FILE_PATIENCE_MS;
	} else if (peer->kind == PEER_LOSSY || peer->kind == PEER_VIEWER) {
		policy = READER_DROP;
		patience = 0;
	}
	reader_init(&peer->reader, &device->history, &device->marks, peer->stream, policy, patience,
		offset);
	/* Where the bytes nobody saw are gone from the ring, this reader is who missed them. */
	if (offset < device->history.oldest) {
		uint64_t missed = device->history.oldest - offset;
		peer->reader.offset = device->history.oldest;
		peer->reader.dropped = missed;
		peer->reader.gaps = 1;
		if (peer->kind == PEER_FILE)
			peer->untold_gap = missed;
	}
}

int device_peer_new(struct device *device, struct stream *stream, const struct peer_info *info,
	uint64_t offset, struct peer **ret)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return -ENOMEM;
	peer->device = device;
	peer->stream = stream;
	peer->kind = info->kind;
	peer->no_input = info->no_input;
	peer->no_output = info->no_output;
	snprintf(peer->name, sizeof(peer->name), "%s", info->name);
	init_reader(device, peer, offset);
	list_append(&device->peers, &peer->link);
	stream_attach(stream, &peer_stream_sink, peer);
	*ret = peer;
	return 0;
}

void device_peer_free(struct peer *peer)
{
	peer->device->dropped_by_gone += peer->reader.dropped;
	list_remove(&peer->link);
	free(peer);
}

void device_welcome(struct peer *peer)
{
	struct device *device = peer->device;
	device->connects++;
	log_event(peer, "connect");
	if (!peer->no_input)
		stream_read_start(peer->stream);
	/* Where nothing is said, it says nothing. */
	const struct stream_signal line = {.type = STREAM_SIGNAL_LINE, .u.line = device->line};
	if (device->marks.count != 0)
		stream_signal(peer->stream, &line);
	pump(peer);
	update_delivered(device);
	device_attend_guest(device);
	device_changed(device);
}

void device_add_peer(struct device *device, struct stream *stream, const struct peer_info *info)
{
	struct peer *peer;
	if (device->closing != CLOSE_NOT ||
		device_peer_new(device, stream, info, start_offset(device, info), &peer) < 0)
		stream_close(stream);
	else
		device_welcome(peer);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Whether everyone who still can has taken everything. */
bool device_peers_flushed(const struct device *device)
{
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		const struct reader *reader = &peer->reader;
		if (peer->no_output || reader->ended)
			continue;
		if (reader->borrowed != 0 || !reader_is_caught_up(reader))
			return false;
	}
	return true;
}

void device_count_unread(struct device *device)
{
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (peer->no_output)
			continue;
		/* The last word: for more bytes it had no room, for this it may have some. */
		peer->reader.waiting = false;
		note_missed(peer, reader_give_up(&peer->reader));
	}
}

void device_close_peers(struct device *device)
{
	list_for_each(link, &device->peers)
		log_event(container_of(link, struct peer, link), "disconnect");
	list_for_each_safe(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (peer->is_log)
			device_log_left(device);
		stream_close(peer->stream);
		if (peer->abandoned == NULL) {
			device_peer_free(peer);
			continue;
		}
		list_remove(&peer->link);
		list_append(&device->lingering, &peer->link);
	}
}

void device_free_lingering(struct device *device)
{
	list_for_each_safe(link, &device->lingering) {
		struct peer *peer = container_of(link, struct peer, link);
		give_back_abandoned(peer);
		device_peer_free(peer);
	}
}
