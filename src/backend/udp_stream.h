/*
 * A byte stream on datagrams: lossy, never held up for long, never at an end.
 *
 * Out: a datagram is one line, because that is what receivers of netconsole and of syslog take for
 * a record. A line that is not finished is left with the writer until it is, or until 2 ms after
 * its first byte, or until it fills a datagram. What cannot be sent is counted and forgotten.
 *
 * In: a datagram is delivered whole, or counted and dropped when the consumer has no room for it.
 * Empty datagrams and ICMP errors do not end anything.
 */
#ifndef CHARDEV_BACKEND_UDP_STREAM_H
#define CHARDEV_BACKEND_UDP_STREAM_H

#include "backend/address.h"
#include "loop/loop.h"
#include "stream/stream.h"

enum {
	UDP_DATAGRAM_SIZE = 1400, /* fits an Ethernet frame with room for a tunnel's headers */
	UDP_GATHER_MS = 2,
	UDP_TROUBLE_AGAIN_MS = 60 * 1000,
};

enum udp_direction { UDP_IN, UDP_OUT, UDP_DIRECTION_COUNT };

struct udp_trouble {
	int code;
	bool untold;
	uint64_t noted_ms; /* 0: never */
	char reason[160];
};

struct udp_stream {
	struct stream base;
	struct loop *loop;
	int fd;
	bool connected; /* the kernel knows the peer and lets no other in */
	bool has_peer;
	bool peer_is_awaited; /* it will be set soon: writes wait */
	struct address peer;
	struct loop_poll poll;
	struct loop_timer gather;
	bool gathered; /* 2 ms are over: an unfinished line is sent as it is */
	bool reading;
	bool blocked; /* asks the loop for writability */
	bool want_writable;
	uint64_t dropped_in; /* datagrams */
	uint64_t dropped_out;
	/* What goes wrong, at most once a minute in each direction; from the loop. */
	void (*trouble)(struct udp_stream *us, int code, const char *reason);
	struct udp_trouble troubles[UDP_DIRECTION_COUNT];
	struct loop_task trouble_task;
	int closes_pending;
};

/*
 * Takes over fd, a non-blocking datagram socket, on success (closed before on_closed). 0 or a
 * negative errno.
 */
int udp_stream_init(struct udp_stream *us, struct loop *loop, int fd,
	void (*trouble)(struct udp_stream *us, int code, const char *reason),
	void (*on_closed)(struct stream *stream));

/*
 * Where datagrams go; NULL: nowhere, they are dropped until there is a peer. Called before the
 * stream is handed out, or from the loop.
 */
void udp_stream_set_peer(struct udp_stream *us, const struct address *peer, bool connected);

#endif
