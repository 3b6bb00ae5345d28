/*
 * A host of the control interface for tests: a loop, domains, and a server on a socket in a
 * directory of its own. Define, undefine and reload work as in a daemon that keeps nothing on disk.
 */
#ifndef CHARDEV_TEST_CONTROL_HOST_H
#define CHARDEV_TEST_CONTROL_HOST_H

#include "control/server.h"

struct control_host_told {
	char event[32];
	char domain[64];
	char device[64];
	char text[256];
	uid_t uid; /* -1: nobody */
};

/* What host_define() serves; %s: its name, the directory of its log. */
#define CONTROL_HOST_XML                                                        \
	"<domain type='test'><name>%s</name><os><type>hvm</type></os><devices>" \
	"<serial type='null'><log file='%s/serial0.log'/></serial>"             \
	"<channel type='null'><target type='virtio' name='a.b'/></channel>"     \
	"</devices></domain>"

enum { CONTROL_HOST_AUDIT_MAX = 64 };

struct test_host {
	struct loop *loop;
	struct domains *domains;
	struct control_server *server;
	struct access access;     /* the owner is this process's user: change it between turns */
	struct control_host host; /* likewise */
	char dir[64];
	char socket[96];
	/* What audit was told, the last ones. */
	struct control_host_told audit[CONTROL_HOST_AUDIT_MAX];
	unsigned audit_count;
	unsigned open; /* what has not reported its end */
	bool holds;    /* define, undefine and reload are not answered before host_release() */
	control_done *held_done;
	void *held_call;
};

/* Everything; ends the process with a message when it cannot. */
void host_init(struct test_host *host);
/* Ends everything and waits for it; the loop must be empty then. */
void host_fini(struct test_host *host);

/* Serves a domain of this name with a console (serial0, null) and a channel. */
void host_define(struct test_host *host, const char *name);
void host_release(struct test_host *host);

/* Its last audit line of this event; NULL: none. */
const struct control_host_told *host_audit(const struct test_host *host, const char *event);

#endif
