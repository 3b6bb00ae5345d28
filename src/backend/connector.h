/*
 * A client's way to its server: resolves the name, tries each address in turn without blocking,
 * and begins again after a pause that doubles. For tcp and unix alike.
 *
 * Not here: what becomes of the connection (socket_client.h).
 */
#ifndef CHARDEV_BACKEND_CONNECTOR_H
#define CHARDEV_BACKEND_CONNECTOR_H

#include "backend/address.h"
#include "loop/loop.h"

enum {
	CONNECTOR_FIRST_PAUSE_MS = 100,
	CONNECTOR_LONGEST_PAUSE_MS = 30 * 1000,
	CONNECTOR_DEADLINE_MS = 10 * 1000, /* per address */
	CONNECTOR_STABLE_MS = 2 * 1000,    /* a connection that lasted so long resets the pause */
};

struct connector;

struct connector_ops {
	/* A round of attempts is about to begin. */
	void (*prepare)(struct connector *connector);
	/* A socket was made and is about to be connected. */
	void (*set_options)(struct connector *connector, int fd);
	/* The socket is the owner's. Ends with connector_lost(), if there shall be another. */
	void (*connected)(struct connector *connector, int fd, const struct address *address);
	/* All addresses failed; the last one's code and a clause. The next round comes by itself.
	 */
	void (*failed)(struct connector *connector, int code, const char *reason);
	/* Whether connector_kick() will tell when there is hope again, so that no timer needs to.
	 */
	bool (*will_kick)(struct connector *connector, int code);
};

enum connector_step {
	CONNECTOR_IDLE,
	CONNECTOR_STARTING,
	CONNECTOR_RESOLVING,
	CONNECTOR_CONNECTING,
	CONNECTOR_CONNECTED,
	CONNECTOR_WAITING,
	CONNECTOR_STEP_COUNT
};

struct connector {
	const struct connector_ops *ops;
	struct loop *loop;
	const char *host; /* NULL: the addresses are known and stay */
	uint16_t port;
	struct address addresses[ADDRESS_MAX];
	int count;
	int next;
	uint64_t longest_pause_ms; /* these two may be changed before the start */
	uint64_t deadline_ms;
	uint64_t pause_ms;
	uint64_t connected_at;
	enum connector_step step;
	struct loop_task start;
	struct loop_timer timer; /* of the pause, and of the deadline */
	struct loop_resolve resolve;
	struct loop_poll poll;
	bool poll_open;
	bool poll_closing;
	int fd;
	int result; /* of the address being tried */
	bool closing;
	int closes_pending;
	void (*closed)(struct connector *connector);
};

/* Where to: a host (borrowed; a name is resolved anew in each round) ... */
void connector_init_host(struct connector *connector, struct loop *loop,
	const struct connector_ops *ops, const char *host, uint16_t port);
/* ... or an address. */
void connector_init_address(struct connector *connector, struct loop *loop,
	const struct connector_ops *ops, const struct address *address);

/* The first round begins on a later turn. */
void connector_start(struct connector *connector);
/* The connection is over: another round, after the pause. */
void connector_lost(struct connector *connector);
/* There is hope: a round at once if one is being waited for. */
void connector_kick(struct connector *connector);
void connector_close(struct connector *connector, void (*closed)(struct connector *connector));

#endif
