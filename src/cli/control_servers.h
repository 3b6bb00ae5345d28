/*
 * All servers of this runtime directory: chardevd, and each `chardev run` (RUNTIME/NAME/
 * control.sock), in the order of their paths. With --socket: that one alone.
 */
#ifndef CHARDEV_CLI_CONTROL_SERVERS_H
#define CHARDEV_CLI_CONTROL_SERVERS_H

#include "cli/control_options.h"

struct control_servers {
	struct client **clients;
	size_t count;
	bool complete; /* false: one is there and could not be asked; a sentence said so */
};

/*
 * Connects to all that answer. 0, or a negative errno when there is none; of the ones that cannot
 * be asked each has its sentence on standard error.
 */
int control_servers_connect(
	const struct control_options *options, struct control_servers *ret, struct error *err);
void control_servers_fini(struct control_servers *servers);

/*
 * Calls a method of all, and hands on every reply (`more`: there may be several of each), which is
 * lent. The exit status: 1 if not all went well, after sentences.
 */
int control_servers_ask(const struct control_options *options, const char *method, bool more,
	void (*on_reply)(void *user, const json_t *reply), void *user);

#endif
