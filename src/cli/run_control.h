/*
 * The control interface of `chardev run`: RUNTIME/NAME/control.sock, for its own domain, its user
 * and root. The domain is the file's that was given on the command line: it can be watched, typed
 * to, but neither defined anew nor stopped alone.
 */
#ifndef CHARDEV_CLI_RUN_CONTROL_H
#define CHARDEV_CLI_RUN_CONTROL_H

#include "device/domains.h"
#include "device/runtime.h"

struct run_control;

/* runtime: the domain's; it is copied. 0, or a negative errno and a sentence. */
int run_control_open(struct loop *loop, struct domains *domains, const struct runtime *runtime,
	struct run_control **ret, struct error *err);

/* As struct control_event. */
void run_control_tell(struct run_control *control, const char *event, const char *domain,
	const char *alias, const char *text);

/* Before the domains are closed. `closed` once, on a later turn, with everything freed and removed.
 */
void run_control_close(struct run_control *control, void (*closed)(void *user), void *user);

#endif
