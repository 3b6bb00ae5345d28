/* Signals of a session: they end it, and the size of the window changes. See attach_internal.h. */
#include "cli/attach_internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const int attach_signals[ATTACH_SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

static void on_signal(struct loop_signal *base, int number)
{
	struct attach *attach = container_of(base, struct attach_signal, base)->attach;
	char text[64];
	if (number == SIGWINCH) {
		attach->window_due = attach->is_interactive;
		attach_go_on(attach);
	} else if (attach->params->read_only && number == SIGINT) {
		attach_end(attach, 0, NULL);
	} else {
		snprintf(text, sizeof(text), "ended by SIG%s", sigabbrev_np(number));
		attach_end(attach, 1, text);
	}
}

/* By nohup(1), or by a shell for what runs in the background. */
static bool is_ignored(int number)
{
	struct sigaction action;
	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int attach_watch_signals(struct attach *attach, struct error *err)
{
	signal(SIGPIPE, SIG_IGN); /* this process is ours, and a reader that left is an errno */
	for (int i = 0; i < ATTACH_SIGNALS; i++) {
		struct attach_signal *watched = &attach->signals[attach->signal_count];
		watched->attach = attach;
		if (is_ignored(attach_signals[i]))
			continue;
		int code = loop_signal_init(
			&watched->base, attach->loop, attach_signals[i], on_signal);
		if (code < 0)
			return error_set(err, code, "cannot watch signals: %s", error_text(code));
		attach->signal_count++;
	}
	return 0;
}

void attach_forget_signals(struct attach *attach)
{
	for (int i = 0; i < attach->signal_count; i++)
		loop_signal_close(&attach->signals[i].base, NULL);
}
