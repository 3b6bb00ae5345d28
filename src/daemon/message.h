/*
 * What chardevd says: lines on standard error, with the level in front ("<4>") when that is the
 * journal (sd-daemon(3)). A line is one line whatever is in it: control bytes are written as \xNN.
 * A standard error that nobody reads holds up nothing: lines that it does not take are counted, and
 * told of when it takes one again.
 */
#ifndef CHARDEV_DAEMON_MESSAGE_H
#define CHARDEV_DAEMON_MESSAGE_H

#include "control/server.h"

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

enum { MESSAGE_MAX = 2048 }; /* bytes of a line; a longer one ends in "..." */

struct messages {
	bool journal;
	uint64_t lost;
};

void messages_init(struct messages *messages);

/* level: LOG_ERR, LOG_WARNING, LOG_NOTICE or LOG_INFO. */
void message(struct messages *messages, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * "audit: EVENT domain=NAME device=ALIAS uid=N pid=N time=TIME: sentence", where names have no
 * blanks (\x20), so that nobody's name can look like a field. TIME is RFC 3339: not every standard
 * error is a journal, which has its own.
 */
void message_audit(struct messages *messages, const struct control_event *event);

#endif
