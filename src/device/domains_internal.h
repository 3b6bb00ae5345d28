/* The inside of domains and what they serve, shared by domains.c, domains_table.c and served.c. */
#ifndef CHARDEV_DEVICE_DOMAINS_INTERNAL_H
#define CHARDEV_DEVICE_DOMAINS_INTERNAL_H

#include "device/domains.h"

enum operation {
	OPERATION_NONE,
	OPERATION_START, /* it failed, and what it had begun has yet to end */
	OPERATION_STOP,
	OPERATION_UNDEFINE,
	OPERATION_CHANGE,
	OPERATION_CLOSE, /* of all domains */
};

struct served {
	struct domains *domains;
	char *name;
	char *origin; /* NULL: none */
	struct document *document;
	struct document *next; /* during a change */
	char *next_origin;
	struct active_domain *active;
	enum served_state state;
	bool stopped; /* by domains_stop(): only domains_start() starts it again */
	bool orphan;  /* a start that failed has yet to end */

	/* The operation under way, and who waits for it. */
	enum operation operation;
	domains_done *done;
	void *user;
	struct error err; /* of the last start, or of the operation */
};

struct domains {
	struct domains_params params;
	struct served **items; /* in the order of their names */
	size_t count;
	size_t size;
	bool closing;
	bool keep;
	struct loop_task end_task;
};

/* A domain with nothing begun. It takes the document over when it succeeds; NULL: no memory. */
struct served *domains_add(struct domains *domains, struct document *document, const char *origin);

/* Out of the table, and freed. */
void domains_remove(struct served *served);

/* Of one that is in no table any more. NULL. */
struct served *served_free(struct served *served);

#endif
