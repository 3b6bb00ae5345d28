/*
 * A bidirectional byte stream: the one shape in which bytes enter and leave the house.
 *
 * A stream is made by someone (a backend, a guest port, a layer), who owns its memory, and is used
 * by its consumer (the device, or the layer above) through the operations below. A layer (layer.h)
 * is a stream that consumes another; nobody can tell how many there are.
 *
 * Reading is direct: the stream asks its consumer where the bytes shall go (`space`), reads there,
 * and tells how many came (`received`). Writing is direct too: the stream takes what it can from
 * the caller's memory now, or borrows that memory until `written`. No stream queues.
 *
 * Rules:
 *  - An operation never calls the sink on the same stack; callbacks come from the loop.
 *  - Inside a callback every operation on the stream is allowed, stream_close() too.
 *  - Until stream_read_start() nothing is read. A `space` of 0 pauses reading until it is started
 *    again. While reading is paused, unread input is kept (by the kernel) even if the peer leaves:
 *    `gone` comes only after all input was delivered.
 *  - After `end_of_input` output may still be wanted (half-close). `gone` is the end of both
 *    directions, comes exactly once unless the consumer closes first, and asks for stream_close().
 *  - stream_close() is asynchronous and ends in exactly one `on_closed` to the stream's maker, who
 *    then frees it. After stream_close() returns the sink is not called again, and borrowed memory
 *    stays borrowed until `on_closed`.
 */
#ifndef CHARDEV_STREAM_STREAM_H
#define CHARDEV_STREAM_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* stream_write()'s answer: the memory is borrowed until `written`. */
#define STREAM_BORROWED (-EINPROGRESS)

/* The most parts that `space` yields and that stream_write() takes. */
enum { STREAM_MAX_PARTS = 2 };

/*
 * What is not a byte, but has its place among the bytes or says how they are carried. From the
 * guest come BREAK and LINE. From a peer BREAK, WINDOW and PURGE have an effect; LINE and MODEM are
 * between the two ends of a telnet connection (RFC 2217), whose numbers these enumerations have.
 * GAP comes from the history itself: so many bytes before the next one are missing.
 */
enum stream_signal_type {
	STREAM_SIGNAL_BREAK,
	STREAM_SIGNAL_WINDOW, /* the size of the other side's terminal */
	STREAM_SIGNAL_LINE,   /* settings of the line: asked for, or as they are now */
	STREAM_SIGNAL_MODEM,  /* modem lines: set, or seen */
	STREAM_SIGNAL_PURGE,  /* bytes that are still on their way are not wanted any more */
	STREAM_SIGNAL_GAP,    /* bytes that were lost to this reader */
	STREAM_SIGNAL_TYPE_COUNT
};

struct stream_window {
	uint16_t columns;
	uint16_t rows;
};

enum stream_parity {
	STREAM_PARITY_UNSAID,
	STREAM_PARITY_NONE,
	STREAM_PARITY_ODD,
	STREAM_PARITY_EVEN,
	STREAM_PARITY_MARK,
	STREAM_PARITY_SPACE,
	STREAM_PARITY_COUNT
};

enum stream_stop {
	STREAM_STOP_UNSAID,
	STREAM_STOP_1,
	STREAM_STOP_2,
	STREAM_STOP_1_5,
	STREAM_STOP_COUNT
};

enum stream_flow {
	STREAM_FLOW_UNSAID,
	STREAM_FLOW_NONE,
	STREAM_FLOW_XONXOFF,
	STREAM_FLOW_RTSCTS,
	STREAM_FLOW_COUNT
};

/* A member that is 0 is not said: it stays as it is. */
struct stream_line {
	uint32_t speed; /* bits per second */
	uint8_t bits;   /* 5 to 8 */
	enum stream_parity parity;
	enum stream_stop stop;
	enum stream_flow flow;
};

/* Modem lines, as bits. DTR and RTS are what a terminal sets, the others what it sees. */
enum {
	STREAM_MODEM_DTR = 1,
	STREAM_MODEM_RTS = 2,
	STREAM_MODEM_CTS = 4,
	STREAM_MODEM_DSR = 8,
	STREAM_MODEM_RI = 16,
	STREAM_MODEM_CD = 32,
};

struct stream_modem {
	uint8_t which; /* the lines that this speaks of */
	uint8_t on;    /* of these: raised */
};

/* As the sender of the signal sees it: what it would receive, what it has sent. */
enum { STREAM_PURGE_RECEIVED = 1, STREAM_PURGE_SENT = 2 };

struct stream_signal {
	enum stream_signal_type type;
	union {
		struct stream_window window;
		struct stream_line line;
		struct stream_modem modem;
		uint8_t purge; /* bits */
		uint64_t gap;  /* bytes */
	} u;
};

/* The consumer's side. Every slot is filled, but for `intent`. */
struct stream_sink {
	/* Where the next bytes shall go: fills iov, returns how many parts; 0 pauses reading. */
	int (*space)(void *consumer, struct iovec iov[STREAM_MAX_PARTS]);
	/*
	 * Only from a stream that reads with a witness (guest/fifo.c): n bytes, the first of which
	 * is `witness`, are about to be read into the space just given. NULL: not interested.
	 */
	void (*intent)(void *consumer, size_t n, uint8_t witness);
	/* n > 0 bytes came into the space last given. */
	void (*received)(void *consumer, size_t n);
	/* A signal came after the bytes received so far and before the next ones. */
	void (*signalled)(void *consumer, const struct stream_signal *signal);
	/* After a write that took less than offered: more may be taken now. */
	void (*writable)(void *consumer);
	/*
	 * Borrowed memory is free again: its first `done` bytes were written. `failure` is 0 or the
	 * negative errno that ended the write early; unless `gone` follows, the stream may be
	 * written to again (a disk that was full).
	 */
	void (*written)(void *consumer, size_t done, int failure);
	void (*end_of_input)(void *consumer);
	/*
	 * reason: 0 for an orderly end, else a negative errno. `unsent`: how many of the bytes
	 * taken are known not to have reached the peer (a pty's unread queue, TCP's unacknowledged
	 * bytes); 0 where that cannot be known.
	 */
	void (*gone)(void *consumer, int reason, uint64_t unsent);
};

struct stream;

struct stream_ops {
	const char *name;
	void (*read_start)(struct stream *stream);
	void (*read_stop)(struct stream *stream);
	ssize_t (*write)(struct stream *stream, const struct iovec *iov, int count);
	int (*signal)(struct stream *stream, const struct stream_signal *signal);
	void (*close)(struct stream *stream);
};

struct stream {
	const struct stream_ops *ops;
	const struct stream_sink *sink; /* NULL until attached, and after stream_close() */
	void *consumer;
	void (*on_closed)(struct stream *stream); /* the maker's */
	bool closing;
};

/* By the maker, before it hands the stream out. */
void stream_init(struct stream *stream, const struct stream_ops *ops,
	void (*on_closed)(struct stream *stream));

/* By the consumer, once, before any other call. */
void stream_attach(struct stream *stream, const struct stream_sink *sink, void *consumer);

void stream_read_start(struct stream *stream);
void stream_read_stop(struct stream *stream);

/*
 * Offers up to STREAM_MAX_PARTS parts. Returns n > 0 taken (less than offered: `writable` will
 * follow), 0: not now (`writable` will follow), STREAM_BORROWED, or a negative errno: the output
 * direction is dead, do not write again (input may still come; `gone` follows by itself).
 */
ssize_t stream_write(struct stream *stream, const struct iovec *iov, int count);

/*
 * 0, -EOPNOTSUPP when this stream cannot carry it, -EAGAIN: not now (`writable` will follow), or
 * another negative errno.
 */
int stream_signal(struct stream *stream, const struct stream_signal *signal);

/* Closing a closing stream changes nothing. */
void stream_close(struct stream *stream);

#endif
