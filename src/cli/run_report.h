/*
 * What `chardev run` says of its devices while they live, on standard error: what went wrong, once
 * until it is something else, and at the end which bytes did not reach whom.
 */
#ifndef CHARDEV_CLI_RUN_REPORT_H
#define CHARDEV_CLI_RUN_REPORT_H

#include "device/active.h"

#include <stdint.h>

enum { REPORT_AGAIN_MS = 60 * 1000 }; /* the same trouble is told again after so long */

struct report_entry {
	const struct device *device;
	uint64_t errors;  /* of the device when it was last looked at */
	uint64_t told;    /* the last trouble told, as a hash */
	uint64_t told_ms; /* and when */
};

struct report {
	struct loop *loop;
	struct report_entry *entries;
	size_t count;
};

/* After the devices were opened. 0 or -ENOMEM. */
int report_init(struct report *report, struct loop *loop, const struct active_domain *active);
void report_fini(struct report *report);

/* Something about this device changed. */
void report_changed(struct report *report, const struct device *device);

/* At the end, while the devices still stand. */
void report_losses(const struct report *report);

#endif
