/* What the files of the changes share: the queue, and the steps of a change. */
#ifndef CHARDEV_DAEMON_CHANGES_INTERNAL_H
#define CHARDEV_DAEMON_CHANGES_INTERNAL_H

#include "daemon/changes.h"
#include "util/strlist.h"

struct changes {
	struct changes_params params;
	struct list queue; /* the first one is under way */
	size_t count;
	struct loop_task next;
	bool busy;
	void (*closed)(void *user); /* set: it is closing */
};

struct reload;

struct change {
	struct list link;
	struct changes *changes;
	struct loop_job job;
	void (*begin)(struct change *change);
	void (*after)(struct change *change); /* on the loop, when the job's work is done */
	control_done *done;
	void *call;
	char *name; /* the domain's; NULL: a reload */
	/* Define: */
	char *xml;
	size_t xml_size;
	struct document *document;
	bool start;
	struct strlist warnings;
	struct error not_started; /* kept all the same */
	/* Reload: */
	struct reload *reload;
	/* The result so far: the job's, then the domain's. */
	struct error err;
	struct strlist changed; /* devices, or domains */
};

/* NULL: no memory. */
struct change *change_new(struct changes *changes, control_done *done, void *call);
/* Of one that was never queued; takes NULL. */
void change_free(struct change *change);

/* Puts it at the end of the queue, or ends it with a refusal. */
void change_queue(struct change *change, void (*begin)(struct change *change));

/* `work` on a thread, then `after`; also when there is no thread: then err says so. */
void change_on_thread(struct change *change, void (*work)(struct loop_job *job),
	void (*after)(struct change *change));

/* Tells the caller what err and `changed` say, frees it, and goes on with the next. */
void change_end(struct change *change);
void change_end_with(struct change *change, const struct control_outcome *outcome);

/* A caller for whom there is no change, for want of memory. */
void change_refuse(control_done *done, void *call, int code, const char *message);

/* Keeps the names that an operation lent. */
void change_keep_names(struct strlist *ret, const char *const *names, size_t count);

/* Frees what a reload has of its own. */
void reload_free(struct reload *reload);

#endif
