/*
 * The control interface's server: org.chardev (data/org.chardev.varlink) on listening UNIX
 * sockets, for the domains of this process. Varlink: JSON objects that end in NUL; one reply for
 * each call, in order. A caller that does not read its replies is not read from; memory per
 * connection is bounded, and so is their number.
 *
 * The host (chardevd, chardev run) says who may do what and keeps definitions; it passes on what
 * happens to its domains.
 */
#ifndef CHARDEV_CONTROL_SERVER_H
#define CHARDEV_CONTROL_SERVER_H

#include "control/access.h"
#include "device/domains.h"
#include "loop/loop.h"
#include "util/error.h"

enum {
	CONTROL_MESSAGE_MAX = 4 * 1024 * 1024, /* bytes of an admin's call; others have less */
	CONTROL_CONNECTIONS_MAX = 4096,
	CONTROL_BACKLOG = 128,
};

struct control_server;

/* Something has happened: told to whoever asked for Events, and to the host's `audit`. */
struct control_event {
	const char *event; /* see type Event */
	const char *domain;
	const char *device;            /* "" for the whole domain */
	const char *text;              /* one sentence, or "" */
	const struct control_peer *by; /* NULL: nobody */
};

/* Reply to a call that took its time. Lent for the call. */
struct control_outcome {
	int code; /* 0 or a negative errno */
	const char *message;
	const char *domain;
	const char *const *names; /* devices (define), domains (reload) that changed */
	size_t name_count;
	const char *const *warnings; /* define; NULL: none */
	size_t warning_count;
	const struct control_failure *failures; /* reload */
	size_t failure_count;
};

struct control_failure {
	const char *domain;
	const char *message;
};

typedef void control_done(void *call, const struct control_outcome *outcome);

/* Each `done` is called once, from the call or later, also while the server closes. */
struct control_host {
	const char *vendor, *product, *version, *url; /* for GetInfo */
	/*
	 * NULL: this host keeps no definitions, and its domains are not started or stopped either;
	 * the sentence `fixed` says what to do instead.
	 */
	void (*define)(
		void *user, const char *xml, size_t n, bool start, control_done *done, void *call);
	void (*undefine)(void *user, struct served *served, control_done *done, void *call);
	void (*reload)(void *user, control_done *done, void *call);
	const char *fixed;
	/* What somebody did, or was refused: attach, detach, pen, break, refused and every change.
	 */
	void (*audit)(void *user, const struct control_event *event);
};

struct control_server_params {
	struct loop *loop;
	struct domains *domains;
	const struct access *access; /* may change between turns */
	const struct control_host *host;
	void *user;
};

int control_server_new(
	const struct control_server_params *params, struct control_server **ret, struct error *err);

/* Serves a listening, non-blocking socket, which it owns from now on, also when this fails. */
int control_server_add(struct control_server *server, int fd, struct error *err);

/*
 * The host tells what happens to its domains: guest, state, trouble, started ... What a call under
 * way will tell by itself, with its caller, is not told twice.
 */
void control_server_tell(struct control_server *server, const struct control_event *event);

/* Ends listening, every connection and every viewer; calls under way end first. */
void control_server_close(struct control_server *server, void (*closed)(void *user));

#endif
