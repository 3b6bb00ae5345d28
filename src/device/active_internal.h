/*
 * The inside of an active domain, shared by active.c (open, close, lookup), active_member.c (one
 * device of it), active_live.c (the live document) and active_change.c (from one document to the
 * next).
 */
#ifndef CHARDEV_DEVICE_ACTIVE_INTERNAL_H
#define CHARDEV_DEVICE_ACTIVE_INTERNAL_H

#include "device/active.h"

#include "guest/witness.h"

/* A device of the domain. Its configuration is its own: it may outlast the document's. */
struct member {
	struct active_domain *active;
	struct device_config config;
	struct device *device; /* NULL: not open */
	struct state_slot *slot;
	bool found;     /* the slot's history goes on: an earlier device's */
	uint64_t facts; /* what live.xml says of it, as a hash */
	bool changed;   /* since live.xml was last looked at */

	/* During a change: what becomes of it, whom it replaces or is replaced by, where its log
	 * was. */
	bool comes, leaves;
	struct member *other;
	uint64_t log_base, log_at;
};

struct members {
	struct member **items;
	size_t count;
};

struct change;

struct active_domain {
	struct active_params params;
	struct runtime runtime;
	struct state state;
	struct log_share *log_share; /* of the quota; NULL: none */
	struct domain_log *domain_log;
	struct guest_witness witness;
	struct loop_task live_task; /* many changes at once write live.xml once */
	struct loop_task end_task;
	struct members members; /* of the document, open or not, in its order */
	struct members open;    /* those that may be used now; room for all */
	size_t pending;         /* devices that are open, or have yet to end */
	struct change *change;  /* NULL: none is under way */
	bool closing;
	bool keep;
	bool orphan; /* active_domain_open() failed: nobody waits for `closed` */
	bool found;  /* an earlier process's devices go on */
};

/* active_member.c */
int member_new(struct active_domain *active, const struct device_config *config,
	struct member **ret, struct error *err);
struct member *member_free(struct member *member);
/* Opens its device in its slot; differs: of the device before it, or NULL. */
int member_open(struct member *member, const struct device_config *differs, struct error *err);
/* The members of a document, none of them open; frees what it made on failure. */
int members_new(struct active_domain *active, const struct document *document, struct members *ret,
	struct error *err);
void members_fini(struct members *members);
/* Looks anew which of the members are open: after a change of their order, or of who is one. */
void active_note_open(struct active_domain *active);
/* Frees the slots of devices that the document does not have. */
int active_forget_slots(struct active_domain *active, struct error *err);

/* active_live.c */
int active_write_live(struct active_domain *active, struct error *err);
void active_note_facts(struct member *member);
void active_on_live_task(struct loop_task *task);

/* active_change.c: a device that was open, or was to be, has ended */
void change_one_ended(struct change *change);

#endif
