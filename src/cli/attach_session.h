/*
 * A session of `chardev attach`: standard input and output joined to a viewer's connection, until
 * the person detaches or either side ends. Owns the loop and the terminal's mode, which is put back
 * however it ends.
 */
#ifndef CHARDEV_CLI_ATTACH_SESSION_H
#define CHARDEV_CLI_ATTACH_SESSION_H

#include "cli/control_options.h"

#include <jansson.h>

struct attach_params {
	const struct control_options *control; /* for a second connection */
	const struct control_target *target;
	const json_t *reply; /* Attach's */
	bool read_only;
	int escape; /* see attach_menu.h */
};

/*
 * Runs it to its end on an upgraded connection, whose descriptor is closed then. The exit status: 0
 * detached or ended in order; 1 after a sentence.
 */
int attach_session_run(const struct attach_params *params, struct client_upgraded *upgraded);

#endif
