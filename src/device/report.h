/*
 * What is said of devices while they live: what went wrong or is worth knowing of their state, once
 * until it is something else, and at the end which bytes did not reach whom. Strangers cause
 * trouble, too: what is said of a device is bounded in time.
 *
 * One for all domains of a process. A device is known by its domain's name and its alias, from the
 * first thing that is said of it to its end.
 */
#ifndef CHARDEV_DEVICE_REPORT_H
#define CHARDEV_DEVICE_REPORT_H

#include "device/device.h"

enum {
	REPORT_AGAIN_MS = 60 * 1000, /* the same trouble is told again after so long */
	REPORT_LINES_MAX = 30,       /* of trouble in that time, per device */
};

struct report;

struct report_listener {
	/* Each line, without its end. */
	void (*say)(void *user, const char *domain, const char *alias, const char *text);
	/*
	 * For those who follow events: "trouble" (each that is said), "guest" (the VMM came or
	 * left) and "state" (the backend's), with one sentence.
	 */
	void (*happened)(void *user, const char *event, const char *domain, const char *alias,
		const char *text);
};

/* 0 or -ENOMEM. */
int report_new(
	struct loop *loop, const struct report_listener *listener, void *user, struct report **ret);
/* Takes and returns NULL. */
struct report *report_free(struct report *report);

/* Something about this device changed, which may be worth a word without being trouble. */
void report_changed(struct report *report, const char *domain, const struct device *device);

/* Something went wrong with the device of this config. */
void report_trouble(struct report *report, const char *domain, const struct device_config *config,
	const char *reason);

/* At the device's end: which of its bytes did not reach whom. */
void report_losses(struct report *report, const char *domain, const struct device *device);

#endif
