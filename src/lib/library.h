/*
 * The inside of libchardev, shared by the files that make it up: domain.c, engine.c, device.c.
 *
 * The user's callbacks run from chardev_engine_dispatch() and chardev_engine_run() alone. What
 * happens during the turn that ends every other public call is noted on its device; a posted task
 * then makes the engine's descriptor readable, and delivers it from there.
 */
#ifndef CHARDEV_LIB_LIBRARY_H
#define CHARDEV_LIB_LIBRARY_H

#include "backend/domain_log.h"
#include "chardev.h"
#include "device/device.h"
#include "loop/loop.h"
#include "model/document.h"
#include "util/error.h"
#include "util/list.h"

/* A domain is shared, read-only, by its caller and the devices opened from it, on any threads. */
struct chardev_domain {
	unsigned references; /* atomic */
	struct document *document;
};

struct chardev_domain *library_domain_hold(const struct chardev_domain *domain);

/* The domain log of one path, shared by the devices of a domain that write to it. */
struct library_log {
	struct list link;
	unsigned users;
	struct domain_log *log;
};

struct chardev_engine {
	struct loop *loop;
	struct loop_task deliver_task;
	struct list devices; /* those that are being closed as well */
	struct list noted;   /* devices with something to tell */
	struct list logs;
	bool delivering; /* dispatch or run is under way: callbacks may run */
};

/* What a device has to tell. */
enum {
	NOTE_INPUT = 1,
	NOTE_ROOM = 2,
	NOTE_CHANGE = 4,
	NOTE_WINDOW = 8,
};

struct chardev_device {
	struct list link;
	struct list noted_link;
	struct chardev_engine *engine;
	struct chardev_domain *domain;
	struct library_log *log; /* NULL without a directory for it */
	struct device *device;
	struct state_slot slot;
	char *runtime_dir;
	struct chardev_device_events events;
	void *user;
	unsigned notes;
	unsigned breaks; /* due before any more input is given out */
	struct stream_window window;
	bool wants_room; /* a write was cut short */
	bool closed;     /* by its user: nothing is told any more */
};

/* engine.c */
void library_turn(struct chardev_engine *engine);
void library_note(struct chardev_device *device, unsigned notes);
int library_log_get(struct chardev_engine *engine, const struct domain *domain,
	const char *runtime_dir, struct library_log **ret, struct error *err);
void library_log_put(struct library_log *log);

/* device.c */
void library_device_tell(struct chardev_device *device);

/* Hands an error out. Returns err->code. */
int library_error(const struct error *err, struct chardev_error *ret);

#endif
