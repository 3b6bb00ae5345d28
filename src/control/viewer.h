/*
 * Viewers: readers of a device that came through Attach, as framed streams (frame.h) over an
 * upgraded connection; and the pen: of a device's viewers at most one types.
 *
 * The pen is free, or somebody's; pen.h says how it goes from one to the other. Who attaches to
 * type takes a free pen. What a viewer types without it goes nowhere, is counted (`refused`) and
 * told to it; so is a BREAK. A read-only viewer never has it. The size of a viewer's terminal is
 * passed on while it has the pen, and when it gets it. The backend's own peers are not asked: they
 * type as the XML says.
 *
 * A viewer's end of input (it shut down its side) is its end, once what it typed is taken.
 */
#ifndef CHARDEV_CONTROL_VIEWER_H
#define CHARDEV_CONTROL_VIEWER_H

#include "control/access.h"
#include "control/pen.h"
#include "control/server.h"
#include "device/device.h"

enum { VIEWERS_PER_DEVICE_MAX = 1024 };

struct viewers;
struct viewer;

struct viewer_info {
	uint64_t id;
	uid_t uid;
	pid_t pid;
	int64_t since_ms; /* real-time clock */
	bool pen, asks, read_only;
	uint64_t offset, dropped, typed, refused;
};

/*
 * All viewers of a server. `tell` is given what is worth an audit line: attach, detach, pen, break
 * and (the first time) refused; it must not call back. 0 or -ENOMEM.
 */
int viewers_new(struct loop *loop, void (*tell)(void *user, const struct control_event *event),
	void *user, struct viewers **ret);

struct viewer_params {
	const char *domain; /* name; copied */
	struct device *device;
	const struct control_peer *peer; /* copied */
	bool read_only, force, lossless;
	uint64_t offset;
};

/*
 * Registers a viewer: it has its id, and the pen if it could, so that the reply can say so. Then
 * viewer_start() or viewer_cancel(), in the same turn of the loop: only from then on is it known
 * when its device ends. -EMFILE: the device has its VIEWERS_PER_DEVICE_MAX; -ENOMEM.
 */
int viewers_add(struct viewers *viewers, const struct viewer_params *params, struct viewer **ret);
void viewer_cancel(struct viewer *viewer);

/*
 * From here on the connection is the viewer's, and the viewer its own: fd is owned, `preamble` (the
 * reply, malloc'ed) is taken over and sent first; `input` is what came after the call, copied.
 * Whatever fails from here on is its end, which `tell` is told of.
 */
void viewer_start(struct viewer *viewer, int fd, char *preamble, size_t preamble_size,
	const void *input, size_t input_size);

void viewer_describe(const struct viewer *viewer, struct viewer_info *ret);

/* Fills up to `max`, in the order they came; returns how many there are. For a device of now. */
size_t viewers_of(const struct viewers *viewers, const struct device *device,
	struct viewer_info *ret, size_t max);
/* How many there are of all devices that are served; uid NULL: everybody's. */
size_t viewers_count(const struct viewers *viewers, const uid_t *uid);
/* Whether somebody has the pen; then *ret says who. */
bool viewers_pen(
	const struct viewers *viewers, const struct device *device, struct viewer_info *ret);

/* The VMM of a device came or left, or its backend changed: its viewers are told. */
void viewers_device_changed(struct viewers *viewers, const struct device *device);

/* Ends all; `closed` once, on a later turn, with everything freed and the `user` of `tell`. */
void viewers_close(struct viewers *viewers, void (*closed)(void *user));

#endif
