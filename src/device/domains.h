/*
 * The domains that a process serves: what chardevd and `chardev run` are both made of.
 *
 * A served domain has a document and, while it runs, an active domain. Calls that take time end in
 * one `done`, which may come before the call returns; while one is under way for a domain, others
 * for it are refused (-EBUSY).
 */
#ifndef CHARDEV_DEVICE_DOMAINS_H
#define CHARDEV_DEVICE_DOMAINS_H

#include "device/active.h"

struct domains;
struct served;

enum served_state {
	SERVED_STOPPED,
	SERVED_RUNNING,
	SERVED_FAILED,   /* could not be started; served_reason() says why */
	SERVED_CHANGING, /* an operation is under way */
	SERVED_STATE_COUNT
};

struct domains_listener {
	/* As active_listener's, with the domain they belong to. */
	bool (*guest_break)(void *user, struct served *served, struct device *device);
	void (*changed)(void *user, struct served *served, struct device *device);
	void (*trouble)(void *user, struct served *served, const struct device_config *config,
		const char *reason);
	void (*ending)(void *user, struct served *served, struct device *device);
	/*
	 * The domain's state has changed, as of now. Not told of one that is undefined, nor of one
	 * that runs while it is changed.
	 */
	void (*state)(void *user, struct served *served);
	/* After domains_close(): everything is freed. */
	void (*closed)(void *user);
};

struct domains_params {
	struct loop *loop;
	const char *runtime_dir; /* NULL: the defaults of runtime.h */
	const char *log_dir;
	struct log_quota *quota; /* of all logs; NULL: none */
	const struct domains_listener *listener;
	void *user;
};

/* How an operation ended. Lent for the call. */
struct domains_result {
	int code;              /* 0 or a negative errno */
	const char *message;   /* a sentence when code < 0 */
	struct served *served; /* NULL when there is none (any more) */
	/* domains_define(): aliases of the devices that were opened, closed or opened anew. */
	const char *const *devices;
	size_t device_count;
};

typedef void domains_done(void *user, const struct domains_result *result);

int domains_new(const struct domains_params *params, struct domains **ret, struct error *err);

/*
 * Ends them all; `closed` follows. keep: FIFOs, rings and state stay for a next process, which
 * continues them. Operations under way end first, and their `done` comes.
 */
void domains_close(struct domains *domains, bool keep);

/*
 * Serves a document, which is taken over whatever happens. origin: the file it was read from, or
 * NULL; copied. A new domain is started unless `start` is false, and stays, as SERVED_FAILED, when
 * that fails.
 *
 * Over a domain of that name, which runs: devices whose configuration is the same do not notice;
 * those that are gone are closed; those that differ are closed, but for their history, guest port
 * and offsets, which go on where the type of guest port is the same; new ones are opened. When one
 * cannot be opened the old document is restored as far as that is possible, and the result is a
 * failure. Over one that does not run: the document is replaced, and started unless it was stopped
 * by domains_stop() or `start` is false.
 */
void domains_define(struct domains *domains, struct document *document, const char *origin,
	bool start, domains_done *done, void *user);

/* -EALREADY when it runs, or does not. */
void domains_start(struct served *served, domains_done *done, void *user);
void domains_stop(struct served *served, domains_done *done, void *user);
/* Stops it if it runs, and forgets it. */
void domains_undefine(struct served *served, domains_done *done, void *user);

/* By name, in the order of names (strcmp). */
struct served *domains_find(const struct domains *domains, const char *name);
size_t domains_count(const struct domains *domains);
struct served *domains_at(const struct domains *domains, size_t index);

/* All logs are opened anew at their paths: somebody has moved them (SIGHUP). */
void domains_reopen_logs(struct domains *domains);

const char *served_name(const struct served *served);
enum served_state served_state(const struct served *served);
const char *served_reason(const struct served *served); /* "" unless SERVED_FAILED */
const char *served_origin(const struct served *served); /* "" where there is none */
const struct document *served_document(const struct served *served);
/* NULL unless the domain runs; during a change, what there is of it. */
struct active_domain *served_active(const struct served *served);
/* The live document if it runs, else the document; owned by the caller. NULL: no memory. */
char *served_format_live(const struct served *served);

/*
 * The device named `alias` of a domain that runs; NULL stands for the first console, else the first
 * serial port, that is presented. On failure NULL and a sentence.
 */
struct device *served_device(const struct served *served, const char *alias, struct error *err);

#endif
