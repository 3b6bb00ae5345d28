/*
 * A device: joins a guest port to a backend through the history and the input queue.
 *
 *     guest port --> history --> readers (peers, log)        peers --> input queue --> guest port
 *
 * It owns its history, its input queue, its readers, its guest port and its backend, and decides
 * who may hold up the guest. It never asks for its backend's or guest port's type.
 *
 * Everything happens on the loop. device_close() is asynchronous and ends in one `closed`.
 */
#ifndef CHARDEV_DEVICE_DEVICE_H
#define CHARDEV_DEVICE_DEVICE_H

#include "backend/backend.h"
#include "backend/domain_log.h"
#include "backend/protocol.h"
#include "device/reader.h"
#include "device/state.h"
#include "guest/guest.h"
#include "loop/loop.h"
#include "model/domain.h"
#include "util/error.h"

enum {
	DEVICE_REASON_SIZE = 192,
	DEVICE_FLUSH_MS = 2000, /* at the end: for readers that have not taken everything yet */
	/* The most that an end takes, unless a disk hangs; each layer of a peer may linger. */
	DEVICE_END_MS = DEVICE_FLUSH_MS + PROTOCOL_LAYERS_MAX * LAYER_LINGER_MS,
};

struct device;
struct log_quota;

struct device_listener {
	/*
	 * A BREAK is due for the guest and its port cannot carry it: a way around (QMP), or NULL.
	 * True: it is under way, and the input after it waits for device_break_done(). False: there
	 * is no way, and input goes on.
	 */
	bool (*guest_break)(void *user);
	/* The backend's or the VMM's state changed: the live document may have. NULL: not told. */
	void (*changed)(void *user);
	/*
	 * Something went wrong, counted in the status's errors: every time, where `changed` may
	 * come once for many. One sentence. Nothing of the device may be called. NULL: not told.
	 */
	void (*trouble)(void *user, const char *reason);
	/*
	 * The last moment for device_status(): nobody gets or gives anything any more, and what did
	 * not reach its reader or the guest is counted. NULL: not told.
	 */
	void (*ending)(void *user);
	/* After device_close(): the device is freed. */
	void (*closed)(void *user);
	/*
	 * Once after each device_open() that failed: what its parameters lent is free again. From
	 * a later turn, or before device_open() returns. NULL: not interested.
	 */
	void (*orphaned)(void *user);
};

struct device_params {
	struct loop *loop;
	const struct device_config *config; /* must outlive the device */
	const char *runtime_dir;       /* RUNTIME/NAME: for generated paths; NULL: there are none */
	const char *ring_dir;          /* where ALIAS.ring stands; NULL: anonymous memory */
	struct guest_witness *witness; /* shared by the devices of a loop, or NULL */
	enum guest_port_type guest;    /* GUEST_PORT_DEFAULT: as the XML says */
	struct state_slot *slot;       /* its own; must outlive the device */
	bool slot_found;               /* the slot's history goes on: an earlier device's */
	/* What that device was like, where it is known to have differed: for the opening alone. */
	const struct device_config *before;
	struct domain_log *domain_log;
	struct log_share *log_share; /* its domain's part of the quota, or NULL */
	const struct device_listener *listener;
	void *user;
};

/* Whether a device of the document has a backend of its own: the others cannot be opened. */
bool device_is_presented(const struct device_config *config);

/*
 * All or nothing: on failure one sentence, a negative errno, and nothing is left behind but what
 * an earlier device left (slot_found), though what had begun ends on later turns.
 */
int device_open(const struct device_params *params, struct device **ret, struct error *err);

/*
 * Ends the device: peers are disconnected, input for the guest that was not taken is thrown away,
 * the log gets what the history has for it (unless its disk fails), what was made on disk is
 * removed. keep: but for the guest's FIFOs and the ring, with which a next process goes on, as
 * after a kill.
 */
void device_close(struct device *device, bool keep);

/*
 * What a closed device with this configuration left because of `keep` is not wanted any more: its
 * ring (ring_dir NULL: that stays) and the FIFOs, unless they stand at a path of the user's choice.
 */
void device_discard(
	const struct device_config *config, const char *runtime_dir, const char *ring_dir);

/*
 * Its logs (<log file=>, type='file', the domain's log) are opened anew at their paths: somebody
 * has moved them (SIGHUP). What fails is told as trouble.
 */
void device_reopen_logs(struct device *device);

/* One more peer of the device, besides its backend's: a terminal. As backend_sink.peer. */
void device_add_peer(struct device *device, struct stream *stream, const struct peer_info *info);

/*
 * A viewer: a peer whose stream tells its reader offsets, and so is told of each gap
 * (STREAM_SIGNAL_GAP) before the byte that follows it. info->kind is PEER_VIEWER. What it has seen
 * the backend's first peer still gets: it does not count as `delivered`. lossless: the guest waits
 * for it; else it never does.
 *
 * It begins at `offset`, or at the oldest byte or the head where that is outside of the history:
 * who has to know takes both from device_status() in the same turn, before this call.
 */
void device_add_viewer(struct device *device, struct stream *stream, const struct peer_info *info,
	uint64_t offset, bool lossless);

/* Where a viewer that wants the last `lines` lines begins; an unfinished line counts as one. */
uint64_t device_offset_of_tail(const struct device *device, uint64_t lines);

/*
 * Where the output begins that came at or after `time_ms` (of the real-time clock): never after it,
 * and at most as much before it as times.h says. Before what is known, the oldest byte.
 */
uint64_t device_offset_since(const struct device *device, int64_t time_ms);

/*
 * Types n bytes, all or none, on behalf of nobody in particular; with a BREAK before them if asked.
 * 0, -ENOBUFS: the guest has left no room for them, or -ESHUTDOWN: the device is being closed.
 */
int device_type(struct device *device, bool with_break, const void *bytes, size_t n);

/* BREAK to the guest, after the input queued so far. */
void device_send_break(struct device *device);

/* The BREAK that `guest_break` was told of has come to the guest, or never will. */
void device_break_done(struct device *device);

struct guest_port *device_guest_port(struct device *device);
const struct device_config *device_config(const struct device *device);

/*
 * The raw log, <log file=>, or the file of type='file' where there is none: bytes and files with
 * all that was rotated.
 */
struct device_log_status {
	const char *path; /* the config's own */
	uint64_t bytes;
	unsigned files;
	bool failing; /* the last write failed or takes too long */
};

/* False: it has none. */
bool device_log_status(const struct device *device, struct device_log_status *ret);

/* A snapshot of one reader. */
struct reader_status {
	char name[PEER_NAME_SIZE];
	uint64_t offset;
	uint64_t taken;
	uint64_t dropped;
	uint64_t gaps;
	uint64_t typed;              /* bytes received from it */
	struct stream_window window; /* of its terminal; 0, 0: it has not said */
	bool behind;                 /* has not taken everything there is */
	bool failing;
};

struct device_status {
	enum backend_state backend_state;
	bool guest_present;
	uint64_t epoch;         /* of the offsets */
	int64_t last_output_ms; /* real-time clock; 0: nothing since it was opened */
	uint64_t head;          /* bytes the guest has written */
	uint64_t oldest;
	size_t history_bytes;     /* memory of the ring */
	uint64_t input_bytes;     /* bytes given to the guest */
	uint64_t input_dropped;   /* bytes typed that no guest took (the VMM left) */
	uint64_t dropped;         /* by all readers, those gone included */
	uint64_t guest_paused_ms; /* how long the guest was held up in all */
	unsigned peers;
	uint64_t connects;
	uint64_t errors;
	char last_error[DEVICE_REASON_SIZE]; /* with its reason; "" when there was none */
	/* What the backend and the guest port say of their state that is no error; "" when nothing.
	 */
	char backend_note[DEVICE_REASON_SIZE];
	char guest_note[DEVICE_REASON_SIZE];
	struct stream_line line;     /* the guest's settings, as far as its port tells */
	struct stream_window window; /* what the guest's port was last offered */
	struct backend_description backend;
	struct guest_description guest;
};

void device_status(const struct device *device, struct device_status *ret);

/* Fills up to `max` readers (peers and the log); returns how many there are. */
size_t device_readers(const struct device *device, struct reader_status *ret, size_t max);

#endif
