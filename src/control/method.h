/*
 * The methods of the control interface, and what they are written with. A method reads the
 * parameters of its call, which have the form that its table says, and ends it in one of
 * call_reply(), call_fail() ..., at once or later. Whether the caller is still there is not its
 * business: what nobody wants is thrown away.
 *
 * Adding one: data/org.chardev.varlink, control/method_SUBJECT.c, a line in method_table.c.
 */
#ifndef CHARDEV_CONTROL_METHOD_H
#define CHARDEV_CONTROL_METHOD_H

#include "control/access.h"
#include "control/caller.h"
#include "control/server.h"

#include <jansson.h>

enum parameter_type { PARAMETER_TEXT, PARAMETER_FLAG, PARAMETER_NUMBER, PARAMETER_TYPE_COUNT };

struct parameter {
	const char *name; /* NULL: the end of the list */
	enum parameter_type type;
	bool required;
};

struct method {
	const char *name; /* with its interface; NULL: the end of the table */
	/*
	 * Needed on the domain that `domain` names; without that parameter, on at least one ...
	 */
	enum role role;
	void (*run)(struct call *call);
	bool on_all;   /* ... on all of them */
	bool upgrades; /* only with "upgrade": true */
	/* Of those that give many replies: the next one may be given. NULL: the others. */
	void (*sent)(struct call *call);
	/* Frees call->state, however the call ends; NULL: there is none. */
	void (*release)(struct call *call);
	const struct parameter *parameters;
};

extern const struct method method_table[];

/* NULL: there is none. */
const struct method *method_find(const char *name);
/* Whether there is an interface of that name (the method's, up to its last dot). */
bool method_interface_exists(const char *method_name);

/* ---- the call ------------------------------------------------------------------------------- */

struct control_server *call_server(const struct call *call);
const struct control_peer *call_peer(const struct call *call);

/* Parameters: NULL, false or absent when they were not given. */
const char *call_text(const struct call *call, const char *name);
bool call_flag(const struct call *call, const char *name);
bool call_number(const struct call *call, const char *name, uint64_t *ret);

/* Whether the caller may see a domain. */
bool call_may_see(const struct call *call, const char *domain);
/*
 * Whether the caller has `role` on the domain. If not, the call has ended: Denied, and it is told
 * as `refused`.
 */
bool call_has_role(struct call *call, enum role role, const char *domain);
/* The domain that the call names. NULL: there is none, and the call has ended. */
struct served *call_served(struct call *call);
/* Its device that the call names, or the default one; NULL: the call has ended. */
struct device *call_device(struct call *call, struct served *served);

/* ---- its end -------------------------------------------------------------------------------- */

enum control_error {
	CONTROL_NOT_FOUND,
	CONTROL_NOT_RUNNING,
	CONTROL_DENIED,
	CONTROL_BUSY,
	CONTROL_INVALID,
	CONTROL_FAILED,
	CONTROL_ERROR_COUNT
};

/* The parameters are taken over; NULL (memory ran out) is a failure that the caller is told. */
void call_reply(struct call *call, json_t *parameters);
/* Likewise; others follow, after `sent`. If that cannot be, the call has ended. */
void call_continue(struct call *call, json_t *parameters);
/* Nothing for now, but when the caller leaves, the call ends. Only where there is `sent`. */
void call_wait(struct call *call);

void call_fail(struct call *call, enum control_error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The error that stands for a negative errno. */
void call_fail_code(struct call *call, int code, const char *message);
/* An error of org.varlink.service with its one parameter; name NULL: it has none. */
void call_fail_service(struct call *call, const char *error, const char *name, const char *value);
/* The call ends without a reply: nobody waits for one. */
void call_drop(struct call *call);

/*
 * Hands the connection over, with the reply that is to be sent first, malloc'ed, and what came
 * after the call, lent. The call is over. -1: the caller has left.
 */
int call_upgrade(struct call *call, const char **ret_rest, size_t *ret_n);

/* What a caller has done to a domain's device (or ""), or to the domain: an audit line and an
 * event.
 */
void call_tell(struct call *call, const char *event, const char *domain, const char *device,
	const char *text);

#endif
