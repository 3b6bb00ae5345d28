/*
 * The terminal's mode, and that it is put back whatever happens. The one thing here that lives in
 * file scope: a signal handler has nothing else to look at. This is a program, not the library.
 */
#include "cli/terminal_mode.h"

#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>

enum { CRASH_COUNT = 5 };

static const int crash_signals[CRASH_COUNT] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static struct {
	volatile sig_atomic_t fd; /* the terminal in raw mode and one; 0: none */
	struct termios saved;
	struct sigaction before[CRASH_COUNT];
	bool watching; /* exits and crashes */
} mode;

void terminal_restore(void)
{
	int saved_errno = errno;
	int fd = mode.fd - 1;
	mode.fd = 0;
	/* At once, not after the output: a terminal that was stopped with ^S would hang us. */
	if (fd >= 0)
		tcsetattr(fd, TCSANOW, &mode.saved);
	errno = saved_errno;
}

const char *terminal_newline(void)
{
	return mode.fd != 0 ? "\r\n" : "\n";
}

/* Gives the crash to whom it would have gone: the kernel, or a sanitizer. */
static void on_crash(int number, siginfo_t *info, void *context)
{
	terminal_restore();
	for (int i = 0; i < CRASH_COUNT; i++)
		if (crash_signals[i] == number)
			sigaction(number, &mode.before[i], NULL);
	/* A fault comes again by itself when this returns; one that somebody sent does not. */
	if (info->si_code <= 0)
		raise(number);
}

static void watch(void)
{
	if (mode.watching)
		return;
	mode.watching = true;
	atexit(terminal_restore);
	struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO};
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < CRASH_COUNT; i++)
		sigaction(crash_signals[i], &action, &mode.before[i]);
}

int terminal_make_raw(int fd)
{
	struct termios raw;
	if (mode.fd != 0)
		return -EBUSY;
	if (tcgetattr(fd, &mode.saved) < 0)
		return -errno;
	raw = mode.saved;
	cfmakeraw(&raw);
	watch();
	mode.fd = fd + 1;
	if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
		return 0;
	int status = -errno;
	mode.fd = 0;
	return status;
}
