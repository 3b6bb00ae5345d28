/*
 * The person's standard input and output as a peer of a device.
 *
 * On a terminal it is in raw mode, so that every key is the guest's but two: ^] leaves, and ^^ is a
 * prefix: ^^ b sends a BREAK (as terminal servers have it), ^^ ^^ sends one ^^. The mode is put
 * back when the stream is closed, when the process exits, and when it crashes. Where standard input
 * is something else its bytes are taken as they are, and its end only ends the input.
 */
#ifndef CHARDEV_CLI_TERMINAL_H
#define CHARDEV_CLI_TERMINAL_H

#include "loop/loop.h"
#include "stream/stream.h"
#include "util/error.h"

struct terminal;

struct terminal_listener {
	/*
	 * ^] was typed; nothing that was typed after it is passed on. NULL: no key has a meaning
	 * here, all are the consumer's.
	 */
	void (*leave)(void *user);
	/* After the stream was closed: freed, and the mode is put back. */
	void (*closed)(void *user);
};

/*
 * The descriptors stay the caller's. One at a time in a process, if it is a terminal. in_fd -1: no
 * input is read, nor its end seen, and no mode changed.
 */
int terminal_new(struct loop *loop, int in_fd, int out_fd, const struct terminal_listener *listener,
	void *user, struct terminal **ret, struct error *err);

/* For device_add_peer(), which closes it in the end. */
struct stream *terminal_stream(struct terminal *terminal);

/* Whether it is in raw mode: keys have their meanings. */
bool terminal_is_raw(const struct terminal *terminal);

/* How a line of ours ends: a terminal in raw mode needs the carriage return. */
const char *terminal_newline(void);

/* Puts the mode back now, if there is one to put back. Safe in a signal handler. */
void terminal_restore(void);

#endif
