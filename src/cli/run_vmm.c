/* The VMM's process; see run_vmm.h. posix_spawn(3) tells a failed exec by its errno. */
#include "cli/run_vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { SIGNAL_STATUS = 128 }; /* of a program that a signal ended, in a shell */

static int set_files(posix_spawn_file_actions_t *actions, int input, int output)
{
	int code = input >= 0 ? posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO)
			      : posix_spawn_file_actions_addopen(
					actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (code == 0 && output >= 0)
		code = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	return code;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int code = posix_spawnattr_setsigmask(attributes, &none);
	if (code == 0)
		code = posix_spawnattr_setsigdefault(attributes, &all);
	if (code == 0)
		code = posix_spawnattr_setpgroup(attributes, 0);
	if (code == 0)
		code = posix_spawnattr_setflags(attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	return code;
}

static int spawn(pid_t *ret, char *const *argv, int input, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int code = posix_spawn_file_actions_init(&actions);
	if (code != 0)
		return code;
	code = posix_spawnattr_init(&attributes);
	if (code == 0) {
		code = set_files(&actions, input, output);
		if (code == 0)
			code = set_attributes(&attributes);
		if (code == 0)
			code = posix_spawnp(ret, argv[0], &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return code;
}

int vmm_start(struct vmm *vmm, char *const *argv, int input, int output, const struct rlimit *files,
	struct error *err)
{
	int code = spawn(&vmm->pid, argv, input, output);
	if (code == ENOENT) {
		vmm->pid = 0;
		return error_set(err, -ENOENT,
			"cannot start the VMM: there is no program %s; install it, or give its "
			"path",
			argv[0]);
	}
	if (code != 0) {
		vmm->pid = 0;
		return error_set(
			err, -code, "cannot start the VMM %s: %s", argv[0], error_text(-code));
	}
	prlimit(vmm->pid, RLIMIT_NOFILE, files, NULL);
	return 0;
}

void vmm_signal(const struct vmm *vmm, int number)
{
	if (vmm->pid > 0)
		kill(-vmm->pid, number);
}

bool vmm_ended(struct vmm *vmm, int *ret_status)
{
	int status;
	if (vmm->pid == 0 || waitpid(vmm->pid, &status, WNOHANG) != vmm->pid)
		return false;
	vmm->pid = 0;
	*ret_status = WIFSIGNALED(status) ? SIGNAL_STATUS + WTERMSIG(status) : WEXITSTATUS(status);
	return true;
}
