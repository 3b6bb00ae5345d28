/*
 * The terminal's mode, and that it is put back whatever happens. The one thing here that lives in
 * file scope: a signal handler has nothing else to look at. This is a program, not the library.
 */
#include "cli/terminal_mode.h"

#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

enum { CRASH_COUNT = 5 };

static const int crash_signals[CRASH_COUNT] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static struct {
	volatile sig_atomic_t fd; /* the terminal whose mode is another, and one; 0: none */
	bool is_raw;              /* else its keys are ignored */
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
	if (fd >= 0 && !mode.is_raw)
		tcflush(fd, TCIFLUSH);
	errno = saved_errno;
}

const char *terminal_newline(void)
{
	return mode.fd != 0 && mode.is_raw ? "\r\n" : "\n";
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

/* From mode.saved, which the caller has filled in. */
static int change(int fd, const struct termios *wanted, bool is_raw)
{
	watch();
	mode.is_raw = is_raw;
	mode.fd = fd + 1;
	if (tcsetattr(fd, TCSADRAIN, wanted) == 0)
		return 0;
	int status = -errno;
	mode.fd = 0;
	return status;
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
	return change(fd, &raw, true);
}

void terminal_ignore_keys(int fd)
{
	struct termios quiet;
	if (mode.fd != 0 || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &mode.saved) < 0)
		return;
	quiet = mode.saved;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	change(fd, &quiet, false);
}
