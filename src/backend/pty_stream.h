/*
 * The master side of a pseudo terminal as a stream that comes and goes: it is there while anybody
 * has the slave open, and everybody who has shares it.
 *
 * The kernel tells of a first open only through inotify (pty.c asks pty_stream_look() then), of a
 * last close by HUP on the master. Between the two nothing wakes anybody.
 */
#ifndef CHARDEV_BACKEND_PTY_STREAM_H
#define CHARDEV_BACKEND_PTY_STREAM_H

#include "loop/loop.h"
#include "stream/stream.h"

enum pty_presence {
	PTY_ABSENT,  /* no slave is open, no stream is out */
	PTY_PRESENT, /* the stream is out and a slave is open */
	PTY_LEFT,    /* the last slave was closed; its bytes are not all delivered yet */
	PTY_GONE,    /* `gone` was told; waiting for the consumer to close */
	PTY_IGNORED, /* the consumer closed while a slave was open: wait until it is closed too */
	PTY_PRESENCE_COUNT
};

struct pty_stream {
	struct stream base;
	struct loop_poll poll;
	struct loop_task close_task;
	int master; /* borrowed */
	enum pty_presence presence;
	bool reading;
	bool want_writable;
	uint64_t lost; /* bytes taken since the last slave was closed: nobody reads them */
	/* Somebody has opened the slave: give the stream to its consumer. */
	void (*arrived)(struct pty_stream *ps);
	/* The consumer has closed it (not called after pty_stream_close()). */
	void (*departed)(struct pty_stream *ps);
	void (*closed)(struct pty_stream *ps);
};

/* Makes the slave raw. The master is non-blocking and stays the caller's. 0 or -errno. */
int pty_stream_init(struct pty_stream *ps, struct loop *loop, int master,
	void (*arrived)(struct pty_stream *ps), void (*departed)(struct pty_stream *ps));

/* Somebody may have opened the slave; may call `arrived`. From a callback of the loop only. */
void pty_stream_look(struct pty_stream *ps);

/* Ends it, the stream in the consumer's hands included. The master may be closed in `closed`. */
void pty_stream_close(struct pty_stream *ps, void (*closed)(struct pty_stream *ps));

#endif
