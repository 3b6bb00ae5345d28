/*
 * A device: how it is opened, watched and closed; see device.h. The bytes' ways through it are in
 * device_guest.c, device_peer.c and device_log.c.
 */
#include "device/device_internal.h"

#include "model/device_equal.h"
#include "util/time_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At the end: for output that is still on its way from a VMM that has just left. */
enum { CLOSE_DRAIN_QUIET_MS = 50, CLOSE_DRAIN_MS = 2000 };

void device_note_error(struct device *device, const char *who, const char *reason)
{
	device->errors++;
	snprintf(device->last_error, sizeof(device->last_error), "%s%s%s", who != NULL ? who : "",
		who != NULL ? ": " : "", reason);
	if (!device->orphan && device->params.listener->trouble != NULL)
		device->params.listener->trouble(device->params.user, device->last_error);
	device_changed(device);
}

void device_changed(struct device *device)
{
	if (device->closing == CLOSE_NOT && device->params.listener->changed != NULL)
		device->params.listener->changed(device->params.user);
}

/* ---- what the backend says ------------------------------------------------------------------- */

static void on_backend_peer(void *user, struct stream *stream, const struct peer_info *info)
{
	device_add_peer(user, stream, info);
}

static void on_backend_state(void *user, enum backend_state state, int failure, const char *reason)
{
	struct device *device = user;
	device->backend_state = state;
	snprintf(device->backend_note, sizeof(device->backend_note), "%s",
		failure == 0 && reason != NULL ? reason : "");
	if (failure != 0)
		device_note_error(device, NULL, reason != NULL ? reason : error_text(failure));
	device_changed(device);
}

static const struct backend_sink backend_sink = {
	.peer = on_backend_peer,
	.state = on_backend_state,
};

/* ---- opening --------------------------------------------------------------------------------- */

static int ring_path(
	const char *ring_dir, const struct device_config *config, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s/%s.ring", ring_dir, config->alias);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int open_history(struct device *device, struct error *err)
{
	struct state_slot *slot = device->params.slot;
	char path[GUEST_PATH_SIZE];
	const char *file = NULL;
	if (device->params.ring_dir != NULL) {
		if (ring_path(device->params.ring_dir, device->params.config, path, sizeof(path)) <
			0)
			return error_set(err, -ENAMETOOLONG,
				"the path of a ring in %s is too long: use a shorter directory",
				device->params.ring_dir);
		file = path;
	}
	if (!device->params.slot_found)
		state_slot_renew(slot);
	int code = history_open(&device->history, device->policy.history_size, file, slot->head,
		(size_t)slot->capacity, err);
	if (code < 0)
		return code;
	state_recover(slot, &device->history);
	slot->capacity = device->history.capacity;
	/* What a killed process left is believed as far as it can be true. */
	if (slot->delivered > device->history.head)
		slot->delivered = device->history.head;
	device->delivered_settled = slot->delivered;
	return 0;
}

static int open_ends(struct device *device, struct error *err)
{
	const struct device_params *params = &device->params;
	struct guest_params guest_params = {
		.loop = params->loop,
		.config = params->config,
		.runtime_dir = params->runtime_dir,
		.sink = &device_guest_sink,
		.device = device,
		.witness = params->witness,
	};
	enum guest_port_type type = params->guest;
	if (type == GUEST_PORT_DEFAULT)
		type = guest_port_type_of(params->config);
	int code = guest_ops_for(type)->open(&guest_params, &device->guest, err);
	if (code < 0)
		return code;
	struct backend_params backend_params = {
		.loop = params->loop,
		.config = params->config,
		.runtime_dir = params->runtime_dir,
		.domain_log = params->domain_log,
		.log_share = params->log_share,
		.continued = params->slot_found &&
			     (params->before == NULL ||
				     device_file_equals(params->before, params->config)),
		.sink = &backend_sink,
		.device = device,
	};
	return backend_ops_for(params->config->source.type)
		->open(&backend_params, &device->backend, err);
}

static void start_ending(struct device *device);
static void on_close_timer(struct loop_timer *timer);
static void on_end_task(struct loop_task *task);

bool device_is_presented(const struct device_config *config)
{
	return config->alias_of_serial < 0 && backend_ops_for(config->source.type) != NULL;
}

static void tell_orphaned(const struct device_listener *listener, void *user)
{
	if (listener->orphaned != NULL)
		listener->orphaned(user);
}

/* A device with its history; nothing is on the loop yet. */
static int make_device(const struct device_params *params, struct device **ret, struct error *err)
{
	if (backend_ops_for(params->config->source.type) == NULL)
		return error_set(err, -EOPNOTSUPP, "type \"%s\" is not presented to the host",
			source_type_name(params->config->source.type));
	struct device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	device->params = *params;
	device->policy = policy_of(params->config);
	device->history.fd = -1;
	list_init(&device->peers);
	list_init(&device->lingering);
	input_init(&device->input);
	times_init(&device->times, time_now_ms());
	int code = open_history(device, err);
	if (code < 0) {
		free(device);
		return code;
	}
	*ret = device;
	return 0;
}

int device_open(const struct device_params *params, struct device **ret, struct error *err)
{
	const char *alias = params->config->alias;
	struct device *device = NULL;
	int code = make_device(params, &device, err);
	if (code < 0) {
		error_prefix(err, "%s: ", alias);
		tell_orphaned(params->listener, params->user);
		return code;
	}
	loop_timer_init(&device->pause_timer, params->loop, device_pause_expired);
	loop_timer_init(&device->retry_timer, params->loop, device_retry_expired);
	loop_timer_init(&device->close_timer, params->loop, on_close_timer);
	loop_task_init(&device->end_task, params->loop, on_end_task);
	code = device_log_open(device, err);
	if (code == 0)
		code = open_ends(device, err);
	if (code < 0) {
		error_prefix(err, "%s: ", alias);
		device->orphan = true;
		device->keep = params->slot_found;
		start_ending(device);
		return code;
	}
	/* What a log is behind by, after a kill, may be all that keeps the guest waiting. */
	device_pump_peers(device);
	device->params.before = NULL;
	*ret = device;
	return 0;
}

/* ---- closing --------------------------------------------------------------------------------- */

static void remove_ring(const char *ring_dir, const struct device_config *config)
{
	char path[GUEST_PATH_SIZE];
	if (ring_dir != NULL && ring_path(ring_dir, config, path, sizeof(path)) == 0)
		unlink(path);
}

void device_discard(
	const struct device_config *config, const char *runtime_dir, const char *ring_dir)
{
	remove_ring(ring_dir, config);
	guest_discard(config, runtime_dir);
}

void device_closed_one(struct device *device)
{
	if (--device->closes_pending > 0)
		return;
	device_free_lingering(device);
	history_close(&device->history);
	times_fini(&device->times);
	marks_fini(&device->marks);
	input_fini(&device->input);
	const struct device_listener *listener = device->params.listener;
	void *user = device->params.user;
	bool orphan = device->orphan;
	free(device);
	if (orphan)
		tell_orphaned(listener, user);
	else
		listener->closed(user);
}

static void on_end_closed(void *user)
{
	device_closed_one(user);
}

static void on_pause_timer_closed(struct loop_timer *timer)
{
	device_closed_one(container_of(timer, struct device, pause_timer));
}

static void on_retry_timer_closed(struct loop_timer *timer)
{
	device_closed_one(container_of(timer, struct device, retry_timer));
}

static void on_close_timer_closed(struct loop_timer *timer)
{
	device_closed_one(container_of(timer, struct device, close_timer));
}

static void start_ending(struct device *device)
{
	device->closing = CLOSE_ENDING;
	device->closes_pending = 3;
	loop_task_cancel(&device->end_task);
	if (!device->keep)
		remove_ring(device->params.ring_dir, device->params.config);
	if (!device->keep && !device->orphan)
		device_count_unread(device);
	if (device->guest_stream != NULL)
		stream_close(device->guest_stream);
	device->guest_stream = NULL;
	device->input_dropped += input_clear(&device->input);
	if (device->guest != NULL) {
		device->closes_pending++;
		device->guest->ops->close(device->guest, device->keep, on_end_closed);
	}
	if (!device->orphan && device->params.listener->ending != NULL)
		device->params.listener->ending(device->params.user);
	loop_timer_close(&device->pause_timer, on_pause_timer_closed);
	loop_timer_close(&device->retry_timer, on_retry_timer_closed);
	loop_timer_close(&device->close_timer, on_close_timer_closed);
	if (device->log != NULL)
		device->closes_pending++;
	device_close_peers(device);
	if (device->backend != NULL) {
		device->closes_pending++;
		device->backend->ops->close(device->backend, on_end_closed);
	}
}

static void on_end_task(struct loop_task *task)
{
	start_ending(container_of(task, struct device, end_task));
}

static void start_flushing(struct device *device)
{
	device->closing = CLOSE_FLUSHING;
	if (device->guest_stream != NULL)
		stream_read_stop(device->guest_stream);
	loop_timer_start(&device->close_timer, DEVICE_FLUSH_MS);
	device_pump_peers(device);
}

void device_close_step(struct device *device)
{
	if (device->closing == CLOSE_DRAINING) {
		uint64_t spent = loop_now_ms(device->params.loop) - device->closing_since_ms;
		const struct guest_ops *guest = device->guest->ops;
		bool lasts = device->keep && guest->lasting;
		bool more = device->guest_present && !guest->immediate && !lasts;
		if (more && spent < CLOSE_DRAIN_MS)
			loop_timer_start(&device->close_timer, CLOSE_DRAIN_QUIET_MS);
		else
			start_flushing(device);
	} else if (device->closing == CLOSE_FLUSHING && device_peers_flushed(device)) {
		/* Not from within a peer's callback: its peer is freed by the ending. */
		loop_task_post(&device->end_task);
	}
}

static void on_close_timer(struct loop_timer *timer)
{
	struct device *device = container_of(timer, struct device, close_timer);
	if (device->closing == CLOSE_DRAINING)
		start_flushing(device);
	else
		start_ending(device);
}

void device_close(struct device *device, bool keep)
{
	if (device->closing != CLOSE_NOT)
		return;
	device->keep = keep;
	device->closing = CLOSE_DRAINING;
	device->closing_since_ms = loop_now_ms(device->params.loop);
	device_close_step(device);
}

/* ---- the rest -------------------------------------------------------------------------------- */

void device_send_break(struct device *device)
{
	struct stream_signal signal = {.type = STREAM_SIGNAL_BREAK};
	if (!input_mark(&device->input, &signal))
		device_note_error(device, NULL, "too many BREAKs at once: one is lost");
	device_pump_input(device);
}

int device_type(struct device *device, bool with_break, const void *bytes, size_t n)
{
	static const struct stream_signal brk = {.type = STREAM_SIGNAL_BREAK};
	if (device->closing != CLOSE_NOT)
		return -ESHUTDOWN;
	if (!input_put(&device->input, with_break ? &brk : NULL, bytes, n))
		return -ENOBUFS;
	device_pump_input(device);
	return 0;
}

struct guest_port *device_guest_port(struct device *device)
{
	return device->guest;
}

const struct device_config *device_config(const struct device *device)
{
	return device->params.config;
}

void device_status(const struct device *device, struct device_status *ret)
{
	*ret = (struct device_status){
		.backend_state = device->backend_state,
		.guest_present = device->guest_present,
		.epoch = device->params.slot->epoch,
		.last_output_ms = device->last_output_ms,
		.head = device->history.head,
		.oldest = device->history.oldest,
		.history_bytes = device->history.capacity,
		.input_bytes = device->input_bytes,
		.input_dropped = device->input_dropped,
		.dropped = device->dropped_by_gone,
		.guest_paused_ms = device->guest_paused_ms,
		.connects = device->connects,
		.errors = device->errors,
		.line = device->line,
		.window = device->window,
	};
	if (device->paused)
		ret->guest_paused_ms += loop_now_ms(device->params.loop) - device->paused_since_ms;
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		ret->dropped += peer->reader.dropped;
		ret->peers += !peer->is_log;
	}
	memcpy(ret->last_error, device->last_error, sizeof(ret->last_error));
	memcpy(ret->backend_note, device->backend_note, sizeof(ret->backend_note));
	memcpy(ret->guest_note, device->guest_note, sizeof(ret->guest_note));
	device->backend->ops->describe(device->backend, &ret->backend);
	device->guest->ops->describe(device->guest, &ret->guest);
	ret->input_dropped += ret->guest.input_dropped;
}

size_t device_readers(const struct device *device, struct reader_status *ret, size_t max)
{
	size_t count = 0;
	list_for_each(link, &device->peers) {
		const struct peer *peer = container_of(link, struct peer, link);
		if (count < max) {
			ret[count] = (struct reader_status){
				.offset = peer->reader.offset,
				.taken = peer->reader.taken,
				.dropped = peer->reader.dropped,
				.gaps = peer->reader.gaps,
				.typed = peer->typed,
				.window = peer->window,
				.behind = !peer->no_output && !reader_is_caught_up(&peer->reader),
				.failing = device_peer_is_failing(peer),
			};
			memcpy(ret[count].name, peer->name, sizeof(ret[count].name));
		}
		count++;
	}
	return count;
}
