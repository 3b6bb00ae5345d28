/*
 * The pen: of a device's viewers at most one types. This is who has it and who gets it next; pure:
 * it is told the time, calls nobody, and each call says what has changed. Everything that a reader
 * might ask about two people at one console is here.
 *
 *  - A free pen is taken by whoever asks for it or just types, also by who gave it away before.
 *  - Who asks while somebody has it stands in a queue, first come, first served. Asking twice does
 *    not change one's place. The holder is told who is first.
 *  - A holder that is asked has PEN_POLITE_MS to object, by typing: the wait begins anew with each
 *    thing that it types, and it may so keep the pen as long as it works. A holder that has been
 *    silent for hours has that time, too, since only the question may have brought it back. Then
 *    the first in the queue gets the pen, and if others wait still, has PEN_POLITE_MS itself.
 *  - Force takes it at once, whoever waits; the queue stays as it is.
 *  - A holder that gives it, or leaves, gives it to the first in the queue, else the pen is free.
 *  - One that waits and gives has changed its mind: it leaves the queue.
 *  - Who lost the pen does not wait for it by itself: it asks, or forces.
 */
#ifndef CHARDEV_CONTROL_PEN_H
#define CHARDEV_CONTROL_PEN_H

#include "util/list.h"

#include <stdbool.h>
#include <stdint.h>

enum { PEN_POLITE_MS = 10000 };

/* Embedded in whoever may have the pen. */
struct pen_user {
	struct list link; /* among those who wait; else by itself */
};

struct pen {
	struct pen_user *holder; /* NULL: free */
	struct list waiting;     /* struct pen_user, in the order they asked */
	uint64_t polite_since;   /* the later of: the holder got it, typed, was first asked */
};

enum pen_how {
	PEN_KEPT,   /* the holder is who it was */
	PEN_TAKEN,  /* it was free */
	PEN_GIVEN,  /* by its holder */
	PEN_LEFT,   /* its holder has left */
	PEN_WAITED, /* its holder was silent for PEN_POLITE_MS */
	PEN_FORCED,
	PEN_HOW_COUNT
};

/* What a call has changed. */
struct pen_change {
	enum pen_how how;
	struct pen_user *from, *to; /* unless PEN_KEPT; NULL: nobody */
	bool asked;                 /* somebody else is first in the queue, or nobody any more */
};

void pen_init(struct pen *pen);
void pen_user_init(struct pen_user *user);

struct pen_change pen_ask(struct pen *pen, struct pen_user *user, uint64_t now_ms);
struct pen_change pen_force(struct pen *pen, struct pen_user *user, uint64_t now_ms);
struct pen_change pen_give(struct pen *pen, struct pen_user *user, uint64_t now_ms);
/* It types: afterwards pen->holder says whether it may. */
struct pen_change pen_type(struct pen *pen, struct pen_user *user, uint64_t now_ms);
struct pen_change pen_leave(struct pen *pen, struct pen_user *user, uint64_t now_ms);

/* Whether time will change something: then *ret_at_ms says when pen_expire() is due. */
bool pen_due(const struct pen *pen, uint64_t *ret_at_ms);
/* Harmless when called early. */
struct pen_change pen_expire(struct pen *pen, uint64_t now_ms);

bool pen_waits(const struct pen_user *user);
/* Who gets it next; NULL: nobody waits. */
struct pen_user *pen_next(const struct pen *pen);

#endif
