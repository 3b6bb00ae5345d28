/*
 * chardevd: the domains of a directory, served, with the control interface.
 *
 * One per runtime directory. SIGTERM and SIGINT end it and keep the guests' FIFOs, their histories
 * and offsets for the next one; a second one ends it at once. SIGHUP opens the logs anew and reads
 * the settings and definitions again. Bad definitions are told and do not keep the others from
 * being served.
 */
#ifndef CHARDEV_DAEMON_DAEMON_H
#define CHARDEV_DAEMON_DAEMON_H

#include "daemon/options.h"

/* Serves until a signal. The exit status: 0, or 1 when it could not start. */
int daemon_run(const struct options *options);

#endif
