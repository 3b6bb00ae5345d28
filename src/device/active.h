/*
 * An active domain: all devices of a document, presented to the host. It is what a served domain
 * (domains.h) is while it runs.
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
	/* For each device that is closed: the last moment for device_status(). */
	void (*ending)(void *user, struct device *device);
	/* After active_domain_close(): everything is freed. */
	void (*closed)(void *user);
	/*
	 * Once after each active_domain_open() that failed: what it had begun has ended. From a
	 * later turn, or before it returns. NULL: not interested.
	 */
	void (*orphaned)(void *user);
};

struct active_params {
	struct loop *loop;
	const struct document *document; /* must outlive it, or a change to another */
	const char *runtime_dir;         /* NULL: the defaults of runtime.h */
	const char *log_dir;
	struct log_quota *log_quota; /* NULL: none */
	const struct active_listener *listener;
	void *user;
};

/*
 * Opens every device of the document that is presented to the host (types that are not presented,
 * and consoles that are a serial port's other face, have none). All or nothing.
 */
int active_domain_open(
	const struct active_params *params, struct active_domain **ret, struct error *err);

/*
 * Asynchronous; `closed` once, with everything freed and everything removed that was made. keep:
 * but for FIFOs, rings and state, with which the next one goes on. Not while a change is under way.
 */
void active_domain_close(struct active_domain *active, bool keep);

/* How a change ended. Lent for the call. */
struct active_change {
	int code; /* 0 or a negative errno */
	const char *message;
	const char *const *devices; /* aliases of those that were opened, closed, or opened anew */
	size_t device_count;
};

typedef void active_changed(void *user, const struct active_change *change);

/*
 * From now on it has the devices of this document: those whose configuration is the same do not
 * notice; those that are gone or differ are closed, the differing and the new ones opened. Where
 * the alias and the guest port are the same the history goes on; else it is a new one, with a new
 * epoch. Where one cannot be opened, all is made as it was, as far as that is possible: the history
 * of a device whose guest port differed has begun anew, and one that cannot be opened again is gone
 * until the next change.
 *
 * `done` comes once, maybe before the call returns. The document must outlive the active domain, or
 * the next change, if it succeeds, and the call of `done` if not; then the one before still stands.
 */
void active_domain_change(struct active_domain *active, const struct document *document,
	active_changed *done, void *user);

/* All logs of its devices are opened anew at their paths. */
void active_domain_reopen_logs(struct active_domain *active);

/* The live document, as in live.xml; owned by the caller. NULL: no memory. */
char *active_domain_format_live(const struct active_domain *active);

const struct runtime *active_domain_runtime(const struct active_domain *active);
const struct domain *active_domain_config(const struct active_domain *active);
/* The devices in the document's order; during a change those that are there. */
size_t active_domain_count(const struct active_domain *active);
struct device *active_domain_device(const struct active_domain *active, size_t index);
/* By alias; a console that aliases a serial finds the serial's device. NULL: none. */
struct device *active_domain_find(const struct active_domain *active, const char *alias);

#endif
