/* The VMM as a child process: started, told to end, waited for. */
#ifndef CHARDEV_CLI_RUN_VMM_H
#define CHARDEV_CLI_RUN_VMM_H

#include "util/error.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct vmm {
	pid_t pid; /* 0: not running */
};

/*
 * Starts argv[0], found on PATH, as leader of a process group of its own, so that a ^C on the
 * terminal reaches it through us and only once. Its signals are as for a program that a shell
 * starts, its limit of open files is `files`, its standard input and output are the descriptors
 * (input < 0: /dev/null; output < 0: ours). A negative errno and a sentence on failure: -ENOENT
 * when there is no such program, others when it cannot be executed.
 */
int vmm_start(struct vmm *vmm, char *const *argv, int input, int output, const struct rlimit *files,
	struct error *err);

/* Sends a signal to the VMM's process group. */
void vmm_signal(const struct vmm *vmm, int number);

/* After a SIGCHLD. True when the VMM has ended: its exit status, as a shell tells it. */
bool vmm_ended(struct vmm *vmm, int *ret_status);

#endif
