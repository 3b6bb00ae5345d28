/*
 * libchardev's devices: a device of the core whose guest port is the calling program; see
 * chardev.h, library.h.
 *
 * A handle outlives its close inside: the core lends what it was given until its `closed`.
 */
#include "lib/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what the core says ---------------------------------------------------------------------- */

static void on_input(void *user)
{
	library_note(user, NOTE_INPUT);
}

static void on_room(void *user)
{
	struct chardev_device *device = user;
	if (device->wants_room)
		library_note(device, NOTE_ROOM);
}

static void on_break(void *user)
{
	struct chardev_device *device = user;
	if (device->events.on_break == NULL)
		return;
	device->breaks++;
	library_note(device, 0);
}

static void on_window(void *user, struct stream_window window)
{
	struct chardev_device *device = user;
	device->window = window;
	library_note(device, NOTE_WINDOW);
}

static const struct guest_process_events process_events = {
	.on_input = on_input,
	.on_room = on_room,
	.on_break = on_break,
	.on_window = on_window,
};

static void on_changed(void *user)
{
	library_note(user, NOTE_CHANGE);
}

static void free_device(struct chardev_device *device)
{
	list_remove(&device->link);
	list_remove(&device->noted_link);
	library_log_put(device->log);
	chardev_domain_free(device->domain);
	free(device->runtime_dir);
	free(device);
}

/* The core is done with a device, or with one that could not be opened. */
static void on_ended(void *user)
{
	free_device(user);
}

static const struct device_listener core_listener = {
	.changed = on_changed,
	.closed = on_ended,
	.orphaned = on_ended,
};

/* ---- what the user is told ------------------------------------------------------------------- */

static bool tell(struct chardev_device *device, void (*event)(struct chardev_device *, void *))
{
	if (event != NULL && !device->closed)
		event(device, device->user);
	return !device->closed;
}

/* A callback may close the device: its memory stays until a later turn. */
void library_device_tell(struct chardev_device *device)
{
	const struct chardev_device_events *events = &device->events;
	unsigned notes = device->notes;
	device->notes = 0;
	while (device->breaks > 0) {
		device->breaks--;
		if (!tell(device, events->on_break))
			return;
	}
	if ((notes & NOTE_WINDOW) != 0 && events->on_window != NULL && !device->closed)
		events->on_window(
			device, device->window.columns, device->window.rows, device->user);
	if ((notes & NOTE_INPUT) != 0 && !tell(device, events->on_input))
		return;
	if ((notes & NOTE_ROOM) != 0) {
		device->wants_room = false;
		if (!tell(device, events->on_room))
			return;
	}
	if ((notes & NOTE_CHANGE) != 0)
		tell(device, events->on_change);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int find_config(const struct domain *domain, const char *alias,
	const struct device_config **ret, struct error *err)
{
	const struct device_config *config =
		alias != NULL ? domain_find_device(domain, alias) : NULL;
	if (config == NULL)
		return error_set(err, -ENOENT, "domain %s has no device \"%s\"", domain->name,
			alias != NULL ? alias : "");
	if (config->alias_of_serial >= 0)
		return error_set(err, -EINVAL,
			"%s is another face of serial port %d: open that one instead", alias,
			config->alias_of_serial);
	*ret = config;
	return 0;
}

static int check_directory(const char *path, struct error *err)
{
	struct stat st;
	if (path == NULL)
		return 0;
	if (stat(path, &st) < 0)
		return error_set(
			err, -errno, "the runtime directory %s: %s", path, error_text(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "the runtime directory %s is no directory", path);
	return 0;
}

static int fill(struct chardev_device *device, const struct domain *domain, const char *runtime_dir,
	struct error *err)
{
	if (runtime_dir == NULL)
		return 0;
	device->runtime_dir = strdup(runtime_dir);
	if (device->runtime_dir == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	return library_log_get(device->engine, domain, runtime_dir, &device->log, err);
}

static int open_core(
	struct chardev_device *device, const struct device_config *config, struct error *err)
{
	struct device_params params = {
		.loop = device->engine->loop,
		.config = config,
		.runtime_dir = device->runtime_dir,
		.guest = GUEST_PORT_PROCESS,
		.slot = &device->slot,
		.domain_log = device->log != NULL ? device->log->log : NULL,
		.listener = &core_listener,
		.user = device,
	};
	return device_open(&params, &device->device, err);
}

static int open_device(struct chardev_engine *engine, const struct chardev_domain *domain,
	const char *alias, const char *runtime_dir, struct chardev_device **ret, struct error *err)
{
	const struct domain *said = document_domain(domain->document);
	const struct device_config *config = NULL;
	int code = find_config(said, alias, &config, err);
	if (code == 0)
		code = check_directory(runtime_dir, err);
	if (code < 0)
		return code;
	struct chardev_device *device = calloc(1, sizeof(*device));
	if (device == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	device->engine = engine;
	device->closed = true; /* until it is open */
	device->domain = library_domain_hold(domain);
	list_append(&engine->devices, &device->link);
	list_init(&device->noted_link);
	code = fill(device, said, runtime_dir, err);
	if (code < 0) {
		free_device(device);
		return code;
	}
	code = open_core(device, config, err);
	if (code < 0)
		return code; /* it ends by itself */
	device->closed = false;
	*ret = device;
	return 0;
}

int chardev_device_open(struct chardev_engine *engine, const struct chardev_domain *domain,
	const char *alias, const char *runtime_dir, const struct chardev_device_events *events,
	void *user, struct chardev_device **ret_device, struct chardev_error *error)
{
	struct error err = {0};
	struct chardev_device *device = NULL;
	/* An older caller's is shorter: what it does not know is not told. */
	size_t first_size = offsetof(struct chardev_device_events, on_window);
	if (events != NULL && (events->size < first_size || events->size > sizeof(*events))) {
		error_set(&err, -EINVAL,
			"the events' size is %zu, and this library knows %zu to %zu: set it to "
			"sizeof(struct chardev_device_events)",
			events->size, first_size, sizeof(*events));
		return library_error(&err, error);
	}
	int code = open_device(engine, domain, alias, runtime_dir, &device, &err);
	if (code == 0) {
		if (events != NULL)
			memcpy(&device->events, events, events->size);
		device->user = user;
		guest_process_listen(device_guest_port(device->device), &process_events, device);
		*ret_device = device;
	}
	library_turn(engine);
	return code < 0 ? library_error(&err, error) : 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

struct chardev_device *chardev_device_close(struct chardev_device *device)
{
	if (device == NULL || device->closed)
		return NULL;
	struct chardev_engine *engine = device->engine;
	device->closed = true;
	list_remove(&device->noted_link);
	device_close(device->device, false);
	library_turn(engine);
	return NULL;
}

ssize_t chardev_device_write(struct chardev_device *device, const void *bytes, size_t size)
{
	ssize_t n = guest_process_write(device_guest_port(device->device), bytes, size);
	if (n < 0) /* opened within a callback, the port is ready with the next turn */
		n = 0;
	device->wants_room = (size_t)n < size;
	library_turn(device->engine);
	return n;
}

ssize_t chardev_device_read(struct chardev_device *device, void *bytes, size_t size)
{
	if (device->breaks > 0)
		return 0;
	ssize_t n = guest_process_read(device_guest_port(device->device), bytes, size);
	library_turn(device->engine);
	return n;
}

static int guest_signals(struct chardev_device *device, const struct stream_signal *signal)
{
	int code = guest_process_signal(device_guest_port(device->device), signal);
	library_turn(device->engine);
	return code;
}

int chardev_device_send_break(struct chardev_device *device)
{
	const struct stream_signal signal = {.type = STREAM_SIGNAL_BREAK};
	return guest_signals(device, &signal);
}

int chardev_device_set_line(struct chardev_device *device, const struct chardev_line *line)
{
	static const char parities[] = {
		[STREAM_PARITY_NONE] = 'N',
		[STREAM_PARITY_ODD] = 'O',
		[STREAM_PARITY_EVEN] = 'E',
		[STREAM_PARITY_MARK] = 'M',
		[STREAM_PARITY_SPACE] = 'S',
	};
	enum stream_parity parity = STREAM_PARITY_UNSAID;
	while (parity < STREAM_PARITY_COUNT && parities[parity] != line->parity)
		parity++;
	if (line->size != sizeof(*line) || parity == STREAM_PARITY_COUNT || line->stop > 2 ||
		(line->bits != 0 && (line->bits < 5 || line->bits > 8)))
		return -EINVAL;
	const struct stream_signal signal = {
		.type = STREAM_SIGNAL_LINE,
		.u.line =
			{
				.speed = line->speed,
				.bits = (uint8_t)line->bits,
				.parity = parity,
				.stop = (enum stream_stop)line->stop,
			},
	};
	return guest_signals(device, &signal);
}

int chardev_device_status(const struct chardev_device *device, struct chardev_device_status *status)
{
	struct device_status core;
	if (status->size != sizeof(*status))
		return -EINVAL;
	device_status(device->device, &core);
	*status = (struct chardev_device_status){
		.size = sizeof(*status),
		.peers = core.peers,
		.connects = core.connects,
		.output = core.head,
		.input = core.input_bytes,
		.dropped = core.dropped,
		.errors = core.errors,
		.held_up_ms = core.guest_paused_ms,
	};
	_Static_assert(sizeof(status->where) >= sizeof(core.backend.where), "no text is cut");
	_Static_assert(sizeof(status->command) >= sizeof(core.backend.command), "no text is cut");
	_Static_assert(sizeof(status->last_error) >= sizeof(core.last_error), "no text is cut");
	memcpy(status->where, core.backend.where, sizeof(core.backend.where));
	memcpy(status->command, core.backend.command, sizeof(core.backend.command));
	memcpy(status->last_error, core.last_error, sizeof(core.last_error));
	return 0;
}
