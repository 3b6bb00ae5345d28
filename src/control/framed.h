/*
 * The server's side of a connection that carries frames (frame.h): viewers and log feeds stand on
 * it. It sends frames directly from the caller's memory, and owns the connection to its end.
 *
 * Nothing is queued: while the connection takes nothing, no frame is taken. A frame whose beginning
 * alone was taken is the exception: its rest is copied, at most one frame, and freed when it is
 * sent. The reply that was not sent yet when the frames began, and the notice of the end, stand in
 * that place, too.
 */
#ifndef CHARDEV_CONTROL_FRAMED_H
#define CHARDEV_CONTROL_FRAMED_H

#include "control/frame.h"
#include "loop/loop.h"
#include "stream/fd_stream.h"

enum { FRAMED_LINGER_MS = 1000 }; /* after framed_close(): what is staged may still go */

/* The owner's side. All from the loop; after framed_close() only `closed`. */
struct framed_listener {
	/* As stream_sink's. */
	int (*space)(void *owner, struct iovec iov[STREAM_MAX_PARTS]);
	void (*received)(void *owner, size_t n);
	/* After something was not taken, or was staged: all is sent, and more may be taken. */
	void (*writable)(void *owner);
	void (*end_of_input)(void *owner);
	/* Both directions are over; framed_close() is asked for. */
	void (*gone)(void *owner, int reason);
	/* After framed_close(): the memory is the owner's again. */
	void (*closed)(void *owner);
};

struct framed {
	struct fd_stream socket;
	struct loop *loop;
	const struct framed_listener *listener;
	void *owner;
	uint8_t *staged; /* what is to be sent first; NULL: nothing */
	size_t staged_at, staged_end;
	int failure; /* nothing can be sent any more */
	bool want_writable;
	bool is_closing;
	bool is_lingering;
	struct loop_timer linger_timer;
};

/*
 * fd is owned and `preamble` (malloc'ed, sent first) taken over, whatever happens. 0, or a negative
 * errno with both gone and nothing left behind. Nothing is read before framed_read_start().
 */
int framed_init(struct framed *framed, struct loop *loop, int fd, void *preamble,
	size_t preamble_size, const struct framed_listener *listener, void *owner);

void framed_read_start(struct framed *framed);
void framed_read_stop(struct framed *framed);

/*
 * Sends a frame of `length` bytes at `payload`. 1: taken; 0: not now (`writable` will follow); or a
 * negative errno: nothing can be sent any more, and `gone` does not follow by itself.
 */
int framed_put(struct framed *framed, enum frame_type type, uint64_t offset, const void *payload,
	size_t length);

/* Whether framed_put() would take nothing now; then `writable` will follow. */
bool framed_is_busy(struct framed *framed);

/*
 * Ends the connection: what is staged is still sent, and after it, where that is possible, a NOTICE
 * of the end with this offset, code and reason. Takes at most FRAMED_LINGER_MS.
 */
void framed_close(struct framed *framed, uint64_t offset, int code, const char *reason);

#endif
