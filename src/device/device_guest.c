/*
 * The guest's side of a device: its output goes into the history, the input queue goes out to it,
 * and here it is decided how long it is held up: only connected readers may, each as its policy
 * says.
 */
#include "device/device_internal.h"

#include "util/fd.h"
#include "util/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static size_t ring_bound(const struct history *history)
{
	return history->fixed ? history->capacity : history->size;
}

/* A stream has borrowed its bytes where the ring is: they must not be overwritten. */
static bool is_pinned(const struct peer *peer)
{
	return peer->reader.borrowed != 0 && peer->abandoned == NULL;
}

/* How much may come in: up to where the slowest reader that may hold up the guest stands. */
static size_t room(const struct device *device)
{
	const struct history *history = &device->history;
	size_t bound = ring_bound(history);
	uint64_t hold = UINT64_MAX;
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		uint64_t holds =
			is_pinned(peer) ? peer->reader.offset : reader_holds(&peer->reader);
		if (!peer->no_output && holds < hold)
			hold = holds;
	}
	if (hold == UINT64_MAX)
		return bound;
	uint64_t behind = history->head - hold;
	return behind < bound ? bound - (size_t)behind : 0;
}

/*
 * The guest goes on when there is room for this much: not for one byte each time a slow reader has
 * taken one.
 */
static size_t resume_room(const struct device *device)
{
	return ring_bound(&device->history) / 16;
}

/* Whether this reader is why a paused guest does not go on. */
static bool holds_back(const struct device *device, const struct peer *peer)
{
	const struct history *history = &device->history;
	uint64_t behind = history->head - peer->reader.offset;
	return !peer->no_output && !peer->reader.ended &&
	       behind > ring_bound(history) - resume_room(device);
}

/* How long a reader may still hold up the guest; UINT64_MAX: no limit. */
static uint64_t remaining_ms(const struct device *device, const struct peer *peer)
{
	const struct reader *reader = &peer->reader;
	uint64_t used = reader->held_ms;
	switch (reader->policy) {
	case READER_DROP:
		break;
	case READER_FILE:
		if (reader->failing)
			return 0;
		used = loop_now_ms(device->params.loop) - peer->write_started_ms;
		break;
	default:
		return UINT64_MAX;
	}
	return used < reader->patience_ms ? reader->patience_ms - used : 0;
}

/*
 * Wakes up when a reader's patience is at its end, and not for one that holds up nobody any more:
 * the clock has nothing to say about that one. But memory that it pins is left in `pinned_ms`.
 */
static void arm_patience(struct device *device, uint64_t pinned_ms)
{
	uint64_t next = UINT64_MAX;
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		uint64_t left = is_pinned(peer) ? pinned_ms : UINT64_MAX;
		if (reader_holds(&peer->reader) != UINT64_MAX)
			left = remaining_ms(device, peer);
		if (holds_back(device, peer) && left < next)
			next = left;
	}
	if (next != UINT64_MAX)
		loop_timer_start(&device->pause_timer, next);
}

static void note_who_holds(struct device *device)
{
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		peer->holding = holds_back(device, peer);
	}
}

static void pause_guest(struct device *device)
{
	if (device->paused)
		return;
	device->paused = true;
	device->paused_since_ms = loop_now_ms(device->params.loop);
	note_who_holds(device);
	arm_patience(device, 0);
}

/*
 * Charges the time since the pause began, or was last charged, to those who caused it: also to one
 * that has just taken enough to end it, but not to one that has caught up.
 */
static void charge_pause(struct device *device)
{
	uint64_t now = loop_now_ms(device->params.loop);
	uint64_t spent = now - device->paused_since_ms;
	device->paused_since_ms = now;
	device->guest_paused_ms += spent;
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (peer->holding && !reader_is_caught_up(&peer->reader))
			peer->reader.held_ms += spent;
	}
	note_who_holds(device);
}

static void go_on(struct device *device)
{
	charge_pause(device);
	device->paused = false;
	loop_timer_stop(&device->pause_timer);
	if (device->guest_stream != NULL && device->closing < CLOSE_FLUSHING)
		stream_read_start(device->guest_stream);
}

void device_resume_guest(struct device *device)
{
	if (device->paused && room(device) >= resume_room(device))
		go_on(device);
}

void device_leave_memory(struct device *device)
{
	struct abandoned *abandoned = malloc(sizeof(*abandoned));
	if (abandoned == NULL)
		return;
	*abandoned = (struct abandoned){.size = device->history.size};
	if (history_abandon_memory(&device->history, &abandoned->memory) < 0) {
		free(abandoned);
		return;
	}
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (peer->reader.borrowed == 0 || peer->abandoned != NULL)
			continue;
		peer->abandoned = abandoned;
		abandoned->borrowers++;
	}
}

void device_pause_expired(struct loop_timer *timer)
{
	struct device *device = container_of(timer, struct device, pause_timer);
	bool pinned = false;
	charge_pause(device);
	list_for_each(link, &device->peers) {
		struct peer *peer = container_of(link, struct peer, link);
		if (!holds_back(device, peer) || remaining_ms(device, peer) != 0)
			continue;
		if (peer->reader.policy == READER_FILE && !peer->reader.failing) {
			peer->reader.failing = true;
			device_note_error(device, peer->name, "a write takes over 1 s");
		}
		pinned |= is_pinned(peer);
	}
	if (pinned)
		device_leave_memory(device);
	if (room(device) > 0)
		go_on(device);
	else
		arm_patience(device, POLICY_FILE_RETRY_MS);
}

/* ---- the sink of the guest's stream ---------------------------------------------------------- */

static int on_space(void *consumer, struct iovec iov[STREAM_MAX_PARTS])
{
	struct device *device = consumer;
	struct history *history = &device->history;
	bool was_fixed = history->fixed;
	int parts = history_space(history, room(device), iov);
	/* Memory was refused, and the ring is smaller than was thought: so is the room. */
	if (history->fixed && !was_fixed)
		parts = history_space(history, room(device), iov);
	if (history->growth_failure != 0) {
		device_note_error(device, "history", error_text(history->growth_failure));
		history->growth_failure = 0;
	}
	if (parts == 0)
		pause_guest(device);
	if (parts == 0 && history->capacity == 0)
		loop_timer_start(&device->retry_timer, POLICY_FILE_RETRY_MS);
	return parts;
}

static void on_intent(void *consumer, size_t n, uint8_t witness)
{
	struct device *device = consumer;
	state_intend(device->params.slot, &device->history, n, witness);
}

static void on_received(void *consumer, size_t n)
{
	struct device *device = consumer;
	struct history *history = &device->history;
	device->last_output_ms = time_now_ms();
	times_note(&device->times, history->head, device->last_output_ms);
	state_received(device->params.slot, history, n);
	times_forget(&device->times, history->oldest);
	device_pump_peers(device);
	if (device->closing == CLOSE_DRAINING)
		device_close_step(device);
}

/* What is not said stays as it was. */
static void merge_line(struct stream_line *line, const struct stream_line *said)
{
	line->speed = said->speed != 0 ? said->speed : line->speed;
	line->bits = said->bits != 0 ? said->bits : line->bits;
	line->parity = said->parity != STREAM_PARITY_UNSAID ? said->parity : line->parity;
	line->stop = said->stop != STREAM_STOP_UNSAID ? said->stop : line->stop;
	line->flow = said->flow != STREAM_FLOW_UNSAID ? said->flow : line->flow;
}

static void on_signalled(void *consumer, const struct stream_signal *signal)
{
	struct device *device = consumer;
	if (signal->type == STREAM_SIGNAL_LINE)
		merge_line(&device->line, &signal->u.line);
	if (marks_add(&device->marks, device->history.head, signal) < 0)
		device_note_error(device, "guest port", "no memory for a BREAK or line settings");
	device_pump_peers(device);
	if (signal->type == STREAM_SIGNAL_LINE)
		device_changed(device);
}

static void on_writable(void *consumer)
{
	struct device *device = consumer;
	device->guest_waiting = false;
	device_pump_input(device);
}

static void on_written(void *consumer, size_t done, int failure)
{
	/* The bytes of the input queue are few: no guest port borrows them. */
	(void)consumer;
	(void)done;
	(void)failure;
}

static void on_end_of_input(void *consumer)
{
	/* The VMM closed its output and may still read its input. */
	(void)consumer;
}

static void on_gone(void *consumer, int reason, uint64_t unsent)
{
	struct device *device = consumer;
	(void)unsent;
	if (reason != 0)
		device_note_error(device, "guest port", error_text(reason));
	stream_close(device->guest_stream);
	device->guest_stream = NULL;
	device_guest_ended(device);
}

static const struct stream_sink guest_stream_sink = {
	.space = on_space,
	.intent = on_intent,
	.received = on_received,
	.signalled = on_signalled,
	.writable = on_writable,
	.written = on_written,
	.end_of_input = on_end_of_input,
	.gone = on_gone,
};

/* ---- the sink of the guest port -------------------------------------------------------------- */

static void on_stream(void *user, struct stream *stream)
{
	struct device *device = user;
	if (device->closing >= CLOSE_FLUSHING || device->guest_stream != NULL) {
		stream_close(stream);
		return;
	}
	device->guest_stream = stream;
	device->guest_waiting = false;
	device->guest_deaf = false;
	stream_attach(stream, &guest_stream_sink, device);
	const struct stream_signal window = {
		.type = STREAM_SIGNAL_WINDOW, .u.window = device->window};
	if (device->window.columns != 0)
		stream_signal(stream, &window);
	if (!device->paused)
		stream_read_start(stream);
	device_pump_input(device);
}

/* What was typed for a VMM that has left is not for the next one. */
void device_guest_ended(struct device *device)
{
	device->guest_waiting = false;
	device->guest_deaf = false;
	device->input_dropped += input_clear(&device->input);
	device_resume_peers(device);
	device_attend_guest(device);
}

static void on_present(void *user, bool present)
{
	struct device *device = user;
	if (device->guest_present == present)
		return;
	device->guest_present = present;
	device_log_event(device, present ? "vm-start" : "vm-stop", "");
	if (!present)
		device_guest_ended(device);
	device_changed(device);
	if (device->closing == CLOSE_DRAINING)
		device_close_step(device);
}

static void on_state(void *user, int failure, const char *reason)
{
	struct device *device = user;
	snprintf(device->guest_note, sizeof(device->guest_note), "%s", failure == 0 ? reason : "");
	if (failure != 0)
		device_note_error(device, "guest port", reason);
	device_changed(device);
}

const struct guest_sink device_guest_sink = {
	.stream = on_stream,
	.present = on_present,
	.state = on_state,
};

/* ---- input ----------------------------------------------------------------------------------- */

void device_offer_window(struct device *device, const struct stream_signal *window)
{
	device->window = window->u.window;
	if (device->guest_stream != NULL)
		stream_signal(device->guest_stream, window);
	device_changed(device);
}

/* The signal that stands next in the input queue. False: not yet. */
static bool deliver_signal(struct device *device, struct stream_signal signal)
{
	int code = stream_signal(device->guest_stream, &signal);
	device->guest_waiting = code == -EAGAIN;
	if (code == -EAGAIN)
		return false;
	input_drop_mark(&device->input);
	if (code < 0 && signal.type == STREAM_SIGNAL_BREAK &&
		device->params.listener->guest_break != NULL)
		device->breaking = device->params.listener->guest_break(device->params.user);
	return true;
}

void device_break_done(struct device *device)
{
	if (!device->breaking)
		return;
	device->breaking = false;
	device_pump_input(device);
}

/* Gives the guest port the bytes up to the next signal. False: no more for now. */
static bool deliver_bytes(struct device *device)
{
	struct iovec iov[STREAM_MAX_PARTS];
	int parts = input_peek(&device->input, iov);
	if (parts == 0)
		return true;
	ssize_t n = stream_write(device->guest_stream, iov, parts);
	if (n < 0) {
		/* Its output may go on for long: whoever types must not be kept waiting. */
		device->guest_deaf = true;
		return false;
	}
	input_consume(&device->input, (size_t)n);
	device->input_bytes += (uint64_t)n;
	device->guest_waiting = (size_t)n < iov_total(iov, parts);
	return !device->guest_waiting;
}

void device_pump_input(struct device *device)
{
	while (device->guest_stream != NULL && !device->guest_waiting && !device->breaking &&
		!device->guest_deaf && !input_is_empty(&device->input)) {
		const struct input_mark *due = input_due_mark(&device->input);
		if (due != NULL) {
			if (!deliver_signal(device, due->signal))
				break;
		} else if (!deliver_bytes(device)) {
			break;
		}
	}
	if (device->guest_deaf)
		device->input_dropped += input_clear(&device->input);
	device_resume_peers(device);
	device_attend_guest(device);
}

void device_attend_guest(struct device *device)
{
	bool wanted = false;
	list_for_each(link, &device->peers)
		wanted |= !container_of(link, struct peer, link)->is_log;
	/* What a client typed before it left is still to be given. */
	wanted |= device->attended && !input_is_empty(&device->input);
	wanted &= device->closing == CLOSE_NOT;
	if (wanted == device->attended || device->guest == NULL)
		return;
	device->attended = wanted;
	device->guest->ops->attend(device->guest, wanted);
}
