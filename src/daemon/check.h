/* chardevd --check: what is wrong with the settings and the definitions, without serving them. */
#ifndef CHARDEV_DAEMON_CHECK_H
#define CHARDEV_DAEMON_CHECK_H

#include "daemon/options.h"

/* Prints every error and warning as FILE:LINE: sentence on standard error. True: no error. */
bool check_all(const struct options *options);

#endif
