/*
 * A caller's connection: whole calls come in, replies go out, one call at a time. While a call is
 * being answered, or its reply is not wholly written, nothing is read: a caller that never reads
 * costs one reply. What a call says is its listener's business.
 *
 * The listener is only called from the loop, never by an operation.
 */
#ifndef CHARDEV_CONTROL_CONNECTION_H
#define CHARDEV_CONTROL_CONNECTION_H

#include "control/message.h"
#include "loop/loop.h"

struct connection;

struct connection_listener {
	/* The most bytes that its next call may have. */
	size_t (*max)(const struct connection *connection);
	/*
	 * A call, lent until this returns. Sooner or later one of connection_send(), _next(),
	 * _finish(), _give_away() or _close().
	 */
	void (*called)(struct connection *connection, const char *text, size_t n);
	/* -EMSGSIZE: the call is too long; -ENOMEM: no memory for it. As `called`. */
	void (*unreadable)(struct connection *connection, int code);
	/* All of a reply that others follow was taken. */
	void (*sent)(struct connection *connection);
	/* The caller has left, or was sent the last it gets: connection_close(). The last call. */
	void (*left)(struct connection *connection);
};

/* What comes when a reply was taken. */
enum connection_next {
	CONNECTION_NEXT_CALL,
	CONNECTION_NEXT_REPLY, /* `sent` asks for it */
	CONNECTION_NEXT_END,   /* the connection is hung up */
	CONNECTION_NEXT_COUNT
};

struct connection {
	struct loop_poll poll;
	struct loop_task task; /* goes on where an operation may not */
	const struct connection_listener *listener;
	int fd; /* -1 after it was closed or given away */
	enum connection_next next;
	bool answering; /* a call is under way */
	bool failed;    /* nothing can be sent any more */
	bool closing;
	struct message_buffer in;
	char *out; /* the reply that is being written; NULL: none */
	size_t out_size, out_done;
	void (*closed)(struct connection *connection);
};

/* fd is non-blocking and owned from now on, also when this fails: a negative errno. */
int connection_init(struct connection *connection, struct loop *loop, int fd,
	const struct connection_listener *listener);

/* Sends a reply (malloc'ed, taken over; one at a time). */
void connection_send(
	struct connection *connection, char *text, size_t n, enum connection_next next);
/* The call is over without a reply. */
void connection_next(struct connection *connection);
/* No reply for now: until then `left` comes at once when the caller leaves. */
void connection_wait(struct connection *connection);

/* The descriptor changes hands. *ret_rest, what came after the call, is lent for this turn. */
int connection_give_away(struct connection *connection, const char **ret_rest, size_t *ret_n,
	void (*closed)(struct connection *connection));

/* `closed` once, on a later turn; then the memory is free. */
void connection_close(struct connection *connection, void (*closed)(struct connection *connection));

#endif
