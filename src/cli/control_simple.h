/* Commands that are one call about one domain, and say nothing when it was done. */
#ifndef CHARDEV_CLI_CONTROL_SIMPLE_H
#define CHARDEV_CLI_CONTROL_SIMPLE_H

/* `chardev COMMAND NAME`: the exit status. */
int control_simple(int argc, char **argv, const char *method);

#endif
