/*
 * An active domain: all devices of a document, presented to the host. What `chardev run` serves.
 */
#ifndef CHARDEV_DEVICE_ACTIVE_H
#define CHARDEV_DEVICE_ACTIVE_H

#include "device/device.h"
#include "device/runtime.h"
#include "model/document.h"

struct active_domain;

struct active_listener {
	/*
	 * A BREAK for the guest on this device, which its guest port cannot carry. True: input
	 * waits for device_break_done(). False: it cannot be sent.
	 */
	bool (*guest_break)(void *user, struct device *device);
	/* A device's state changed, or its paths did: then live.xml has been written anew. */
	void (*changed)(void *user, struct device *device);
	/* Something went wrong with a device: every time; see device.h. */
	void (*trouble)(void *user, const struct device_config *config, const char *reason);
	/* After active_domain_close(), for each device: the last moment for device_status(). */
	void (*ending)(void *user, struct device *device);
	void (*closed)(void *user);
};

/*
 * Opens every device of the document that is presented to the host (types that are not presented,
 * and consoles that are a serial port's other face, have none). All or nothing. The document must
 * outlive it. NULL directories: the defaults of runtime.h. After a failure the loop still has to
 * be drained: what was opened closes in its own time.
 */
int active_domain_open(struct loop *loop, const struct document *document, const char *runtime_dir,
	const char *log_dir, const struct active_listener *listener, void *user,
	struct active_domain **ret, struct error *err);

/* Asynchronous; `closed` once, with everything freed and everything removed that was made. */
void active_domain_close(struct active_domain *active);

const struct runtime *active_domain_runtime(const struct active_domain *active);
const struct domain *active_domain_config(const struct active_domain *active);
size_t active_domain_count(const struct active_domain *active);
struct device *active_domain_device(const struct active_domain *active, size_t index);
/* By alias; a console that aliases a serial finds the serial's device. NULL: none. */
struct device *active_domain_find(const struct active_domain *active, const char *alias);

#endif
