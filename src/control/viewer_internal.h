/*
 * The inside of viewers, shared by viewers.c (who is here), viewer_pen.c (who types) and viewer.c
 * (one viewer's connection: the stream that its device sees).
 */
#ifndef CHARDEV_CONTROL_VIEWER_INTERNAL_H
#define CHARDEV_CONTROL_VIEWER_INTERNAL_H

#include "control/framed.h"
#include "control/viewer.h"
#include "util/list.h"

enum {
	VIEWER_READ_SIZE = 4096,
	VIEWER_NAME_SIZE = 80,
	VIEWER_TEXT_SIZE = 3 * VIEWER_NAME_SIZE,
	/* What concerns all viewers of a device they are told together, after so long. */
	VIEWERS_TELL_MS = 250,
};

struct viewers {
	struct loop *loop;
	void (*tell)(void *user, const struct control_event *event);
	void *user;
	struct list groups; /* struct viewer_group, of devices that have viewers */
	uint64_t last_id;
	unsigned open; /* viewers and groups that are not freed yet */
	struct loop_task closed_task;
	void (*closed)(void *user);
	bool is_closing;
};

/* The viewers of one device. */
struct viewer_group {
	struct list link; /* by itself once the device ends: nobody finds it any more */
	struct viewers *viewers;
	const struct device *device;
	char *domain;
	char *alias;
	struct list members; /* struct viewer, in the order they came */
	size_t count;
	struct pen pen;
	struct loop_timer pen_timer;
	struct loop_timer tell_timer;
	bool guest_attached;
	bool is_ending; /* the device closes its viewers one by one: the pen goes nowhere */
};

/* What a viewer is still to be told, as bits; in this order. */
enum {
	NOTICE_PEN = 1,
	NOTICE_ASKED = 2,
	NOTICE_REFUSED = 4,
	NOTICE_GUEST = 8,
	NOTICE_VIEWERS = 16,
	NOTICE_ALL = 31
};

struct viewer {
	struct stream base; /* what its device sees */
	struct framed framed;
	struct viewers *viewers;
	struct viewer_group *group; /* NULL: it has left */
	struct list link;
	struct device *device;
	struct pen_user pen;
	struct loop_task task;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	int64_t since_ms;
	bool read_only;
	bool lossless;

	uint64_t offset; /* of the next byte */
	uint64_t dropped;
	uint64_t typed;
	uint64_t refused;

	bool has_started;   /* its device has taken it */
	bool is_reading;    /* the device takes input */
	bool want_writable; /* the device has more to give */
	bool input_ended;
	bool has_refused; /* and that was told */
	bool window_due;  /* it has the pen now, and `window` */
	bool is_ending;   /* `gone` is due, */
	bool told_gone;   /* and was told */
	int end_code;
	const char *end_reason;
	unsigned notices;
	struct stream_window window; /* of its terminal; 0: it has not said */

	uint8_t *in; /* what was read and not yet taken */
	size_t in_at, in_end;
	struct iovec room[STREAM_MAX_PARTS]; /* where the next typed bytes go */
	int room_parts;                      /* 0: nowhere */
	struct frame_decoder decoder;        /* the last: touched as it is needed */
};

/* viewers.c */
void viewer_name(const struct viewer *viewer, char ret[VIEWER_NAME_SIZE]);
/* Something that `by` did: an audit line. text: one sentence. */
void viewers_tell(const struct viewer *by, const char *event, const char *text);
/* Likewise; text: the sentence without its subject. */
void viewer_tell(const struct viewer *viewer, const char *event, const char *text);
/* All who have started are to be told of these, within VIEWERS_TELL_MS. */
void viewers_notify_all(struct viewer_group *group, unsigned notices);
/* It is its device's viewer no more. */
void viewer_leave(struct viewer *viewer);
/* After viewer_leave(), when its connection is closed. */
void viewer_free(struct viewer *viewer);

/* viewer_pen.c */
bool viewer_has_pen(const struct viewer *viewer);
/* It types, or sends a BREAK: whether it may. */
bool viewer_may_type(struct viewer *viewer);
void viewer_use_pen(struct viewer *viewer, enum frame_pen what);
/* Tells everyone what concerns them. */
void viewers_pen_changed(struct viewer_group *group, struct pen_change change);
/* The pen timer's. */
void viewers_pen_due(struct loop_timer *timer);

/* viewer.c */
/* It is to be told of these: with the next viewer_notify(), or when it does something itself. */
void viewer_note(struct viewer *viewer, unsigned notices);
/* Likewise, and soon: on this turn of the loop. */
void viewer_notify(struct viewer *viewer, unsigned notices);
/* Its device is told that it is gone, and it why. reason: a constant. */
void viewer_end(struct viewer *viewer, int code, const char *reason);

#endif
