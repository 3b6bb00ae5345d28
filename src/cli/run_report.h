/*
 * What `chardev run` says of its devices while they live, on standard error: what went wrong or is
 * worth knowing of their state, once until it is something else, and at the end which bytes did not
 * reach whom.
 */
#ifndef CHARDEV_CLI_RUN_REPORT_H
#define CHARDEV_CLI_RUN_REPORT_H

#include "device/active.h"

#include <stdint.h>

enum {
	REPORT_AGAIN_MS = 60 * 1000, /* the same trouble is told again after so long */
	REPORT_LINES_MAX = 30, /* of trouble in that time, per device: strangers cause it, too */
};

struct report_entry {
	const struct device_config *config;
	uint64_t trouble; /* what was last told, as a hash, */
	uint64_t trouble_ms;
	uint64_t backend; /* and of the two ends' states */
	uint64_t guest;
	uint64_t counted_from_ms; /* the lines, and what was one too many */
	unsigned lines;
	unsigned untold;
};

struct report {
	struct loop *loop;
	struct report_entry *entries;
	size_t count;
};

/* After the devices were opened. 0 or -ENOMEM. */
int report_init(struct report *report, struct loop *loop, const struct active_domain *active);
void report_fini(struct report *report);

/* Something about this device changed, which may be worth a word without being trouble. */
void report_changed(struct report *report, const struct device *device);

/* Something went wrong with the device of this config. */
void report_trouble(struct report *report, const struct device_config *config, const char *reason);

/* At the device's end: which of its bytes did not reach whom. */
void report_losses(struct report *report, const struct device *device);

#endif
