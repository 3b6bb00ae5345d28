/*
 * The inside of a device, shared by the files that make it up: device.c (open, close, status),
 * device_guest.c (the guest's side), device_peer.c (the peers' side), device_viewer.c (peers that
 * come by the control interface), device_log.c (<log file=>).
 */
#ifndef CHARDEV_DEVICE_DEVICE_INTERNAL_H
#define CHARDEV_DEVICE_DEVICE_INTERNAL_H

#include "device/device.h"
#include "device/input.h"
#include "device/marks.h"
#include "device/policy.h"
#include "device/times.h"
#include "util/list.h"

/*
 * Ring memory that was left to writes that do not end (a disk that hangs): the ring went on
 * elsewhere. Freed with its last borrower.
 */
struct abandoned {
	char *memory;
	size_t size;
	unsigned borrowers;
};

/* Whoever is connected to the device: a client, a file, the log. */
struct peer {
	struct list link;
	struct device *device;
	struct stream *stream;
	struct reader reader;
	enum peer_kind kind;
	bool no_input;
	bool no_output;
	bool is_log;
	bool input_paused;   /* the input queue was full when it wanted to give more */
	bool input_finished; /* it will give nothing more */
	bool holding;        /* the guest is paused because of it, as of the last look */
	uint64_t typed;
	uint64_t
		untold_gap; /* missed bytes that a viewer's or a file's stream has yet to hear of */
	struct stream_window window; /* of its terminal; 0: unknown */
	uint64_t write_started_ms;   /* of borrowed memory, or the wait for its turn */
	struct abandoned *abandoned; /* where the borrowed memory stands, if not in the ring */
	char name[PEER_NAME_SIZE];
};

struct device_log;

enum close_phase {
	CLOSE_NOT,
	CLOSE_DRAINING, /* the guest's last bytes come in */
	CLOSE_FLUSHING, /* the readers take them */
	CLOSE_ENDING,   /* everything is being closed */
};

struct device {
	struct device_params params;
	struct policy policy;
	struct history history;
	struct times times;          /* when it came */
	struct marks marks;          /* the guest's signals in it */
	struct stream_line line;     /* the guest's, as far as it is known */
	struct stream_window window; /* of the terminal of who last said; 0: unknown */
	struct input input;
	struct list peers;     /* struct peer */
	struct list lingering; /* peers that were closed while a write still held their memory */
	struct backend *backend;
	struct guest_port *guest;
	struct stream *guest_stream;

	bool guest_present;
	bool guest_waiting; /* the guest port has no room for more input now */
	bool guest_deaf;    /* its stream takes no input any more: what is typed is dropped */
	bool breaking;      /* a BREAK is on its way around the guest port: input waits */
	bool attended;      /* the guest port was told that peers are here */
	bool paused;        /* the guest's output is held up by a reader */
	uint64_t paused_since_ms;

	/* The furthest that peers who have left took, for good. */
	uint64_t delivered_settled;

	struct device_log *log; /* NULL: none */

	struct loop_timer pause_timer; /* a reader's patience */
	struct loop_timer retry_timer; /* a failed write, and memory that was not there */
	struct loop_timer close_timer;
	struct loop_task end_task;
	enum close_phase closing;
	uint64_t closing_since_ms;
	bool orphan; /* device_open() failed: it ends in `orphaned`, not in `closed` */
	bool keep;   /* for the process that comes after us */
	unsigned closes_pending;

	/* counters */
	int64_t last_output_ms; /* real-time clock */
	uint64_t input_bytes;
	uint64_t input_dropped;
	uint64_t dropped_by_gone; /* by readers that have left */
	uint64_t guest_paused_ms;
	uint64_t connects;
	uint64_t errors;
	enum backend_state backend_state;
	char last_error[DEVICE_REASON_SIZE];
	char backend_note[DEVICE_REASON_SIZE];
	char guest_note[DEVICE_REASON_SIZE];
};

/* device.c */
void device_note_error(struct device *device, const char *who, const char *reason);
void device_changed(struct device *device);
/* One of closes_pending is done. */
void device_closed_one(struct device *device);
/* A step of closing may have become possible. */
void device_close_step(struct device *device);

/* A file's last write failed, or the one under way takes longer than a file may: now, by the clock.
 */
bool device_peer_is_failing(const struct peer *peer);

/* device_guest.c: the guest's output into the history, the input queue to the guest */
extern const struct guest_sink device_guest_sink;
void device_guest_ended(struct device *device);
/* A peer's terminal has this size: for a guest port that can carry it. */
void device_offer_window(struct device *device, const struct stream_signal *window);
/* Readers moved on: the guest may go on, if it was held up. */
void device_resume_guest(struct device *device);
/* Writes that do not end must not pin the ring: they keep its memory, the ring moves elsewhere. */
void device_leave_memory(struct device *device);
void device_pause_expired(struct loop_timer *timer);
void device_pump_input(struct device *device);
/* Tells the guest port whether peers are here. */
void device_attend_guest(struct device *device);

/* device_peer.c */
void device_pump_peers(struct device *device);
void device_peer_free(struct peer *peer);
/* Input queue has room again: peers that had to wait may go on. */
void device_resume_peers(struct device *device);
void device_retry_expired(struct loop_timer *timer);
bool device_peers_flushed(const struct device *device);
/* What readers have not taken by now they never will: it is counted as missed. */
void device_count_unread(struct device *device);
void device_close_peers(struct device *device);
/* At the very end, when every stream has given back what it borrowed. */
void device_free_lingering(struct device *device);
/* Adds a reader that starts at `offset`. -ENOMEM, or 0. */
int device_peer_new(struct device *device, struct stream *stream, const struct peer_info *info,
	uint64_t offset, struct peer **ret);
/* A peer that has just come begins to type and to read. */
void device_welcome(struct peer *peer);

/* device_viewer.c: tells a viewer of untold_gap, if its stream can take that now */
void device_tell_gap(struct peer *peer);

/* device_log.c: the raw log is one more peer, closed with them; it counts as one close */
int device_log_open(struct device *device, struct error *err);
void device_log_gap(struct device *device, const struct peer *peer, uint64_t missed);
/* A write of the log ended, well or not: where it stands now. */
void device_log_written(struct device *device, const struct peer *peer);
/* A line for its index, if there is one: "connect" and a name. */
void device_log_event(struct device *device, const char *kind, const char *name);
/* Its peer is freed; the log itself closes in its own time. */
void device_log_left(struct device *device);

#endif
