/*
 * What `chardev run` says of its devices while they live, on standard error: what went wrong or is
 * worth knowing of their state, once until it is something else, and at the end which bytes did not
 * reach whom.
 */
#ifndef CHARDEV_CLI_RUN_REPORT_H
#define CHARDEV_CLI_RUN_REPORT_H

#include "device/active.h"

#include <stdint.h>

enum { REPORT_AGAIN_MS = 60 * 1000 }; /* the same trouble is told again after so long */

/* What was last told, and when. */
struct report_told {
	uint64_t text; /* as a hash */
	uint64_t ms;
};

struct report_entry {
	const struct device *device;
	uint64_t errors; /* of the device when it was last looked at */
	struct report_told error;
	struct report_told backend;
	struct report_told guest;
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

/* At the device's end: which of its bytes did not reach whom. */
void report_losses(const struct device *device);

#endif
