/*
 * chardev run: presents a domain's devices, starts its VMM with them, and ends with it.
 *
 *  - The guest starts when all devices stand. If one cannot, nothing stays and nothing is started.
 *  - SIGINT, SIGTERM, SIGHUP (unless it was ignored: nohup) and ^] on the console ask the VMM to
 *    end: it gets the signal, SIGTERM for ^]. After STOP_MS, or at the next one, it is killed. When
 *    it has ended the devices take its last bytes, and all that was made is removed.
 *  - The exit status is the VMM's (128 and the number of the signal that ended it), 127 and 126
 *    when it is not there or cannot be executed, 0 without a VMM, 1 when the domain cannot be had.
 */
#include "cli/command.h"
#include "cli/input.h"
#include "cli/run_control.h"
#include "cli/run_options.h"
#include "cli/run_table.h"
#include "cli/run_vmm.h"
#include "cli/terminal.h"
#include "cli/vmm_attach.h"
#include "device/domains.h"
#include "device/report.h"
#include "loop/loop.h"
#include "vmm/guest_break.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	STOP_MS = 5000,
	STATUS_NOT_FOUND = 127,
	STATUS_NOT_EXECUTABLE = 126,
};

static const int run_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};

enum { SIGNAL_COUNT = sizeof(run_signals) / sizeof(run_signals[0]) };

struct run_signal {
	struct loop_signal base;
	struct run *run;
};

struct run {
	struct run_options options;
	struct loop *loop;
	struct run_signal signals[SIGNAL_COUNT];
	int signal_count;
	struct loop_timer kill_timer;
	struct domains *domains;
	struct served *served;        /* the one domain, when it runs */
	struct active_domain *active; /* likewise */
	bool defined;                 /* it runs or has failed */
	struct error err;             /* why it failed */
	struct qemu_arguments qemu;
	struct guest_breaks *breaks;
	struct report *report;
	struct run_control *control; /* NULL: not yet, or closed */
	struct terminal *terminal;   /* NULL once closed */
	struct vmm vmm;
	struct rlimit files; /* the limit we were started with: the VMM's */
	bool stopping;       /* somebody wants the end */
	bool closing;
	int status;
};

static const struct domain *domain_of(const struct run *run)
{
	return active_domain_config(run->active);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* loop_drain() has waited for it. */
static void on_breaks_closed(void *user)
{
}

static void on_control_closed(void *user)
{
	struct run *run = user;
	run->control = NULL;
	domains_close(run->domains, false);
}

static void end(struct run *run)
{
	if (run->closing)
		return;
	run->closing = true;
	if (run->breaks != NULL)
		guest_breaks_close(run->breaks, on_breaks_closed, run);
	run->breaks = NULL;
	if (run->control != NULL)
		run_control_close(run->control, on_control_closed, run);
	else
		domains_close(run->domains, false);
}

/* A person or a supervisor wants the end; the second time at once. */
static void stop(struct run *run, int number)
{
	bool again = run->stopping;
	run->stopping = true;
	if (run->closing) {
		/* Even the orderly end, which is bounded, is too slow for them. */
		if (again)
			exit(run->status != 0 ? run->status : 1);
	} else if (run->vmm.pid == 0) {
		end(run);
	} else if (again) {
		vmm_signal(&run->vmm, SIGKILL);
	} else {
		vmm_signal(&run->vmm, number);
		loop_timer_start(&run->kill_timer, STOP_MS);
	}
}

static void on_kill_timer(struct loop_timer *timer)
{
	struct run *run = container_of(timer, struct run, kill_timer);
	vmm_signal(&run->vmm, SIGKILL);
}

static void on_signal(struct loop_signal *base, int number)
{
	struct run *run = container_of(base, struct run_signal, base)->run;
	if (number != SIGCHLD) {
		stop(run, number);
	} else if (vmm_ended(&run->vmm, &run->status)) {
		loop_timer_stop(&run->kill_timer);
		end(run);
	}
}

/* ---- the devices' events --------------------------------------------------------------------- */

/* A line that may stand beside what is typed on a raw terminal. */
static void say(void *user, const char *domain, const char *alias, const char *text)
{
	fprintf(stderr, "chardev: %s: %s%s", alias, text, terminal_newline());
}

static void on_happened(
	void *user, const char *event, const char *domain, const char *alias, const char *text)
{
	struct run *run = user;
	if (run->control != NULL)
		run_control_tell(run->control, event, domain, alias, text);
}

static const struct report_listener report_listener = {
	.say = say,
	.happened = on_happened,
};

static void on_break_failed(void *user, const struct device *device, const char *reason)
{
	fprintf(stderr, "chardev: %s: BREAK not sent: %s%s", device_config(device)->alias, reason,
		terminal_newline());
}

static bool on_guest_break(void *user, struct served *served, struct device *device)
{
	struct run *run = user;
	if (run->breaks == NULL)
		return false;
	const struct domain *domain = domain_of(run);
	const struct device_config *config =
		domain_find_device(domain, device_config(device)->alias);
	size_t index = config != NULL ? (size_t)(config - domain->devices) : SIZE_MAX;
	return index < run->qemu.chardev_ids.count &&
	       guest_breaks_send(run->breaks, active_domain_runtime(served_active(served)), device,
		       run->qemu.chardev_ids.items[index]);
}

static void on_changed(void *user, struct served *served, struct device *device)
{
	struct run *run = user;
	report_changed(run->report, served_name(served), device);
}

static void on_trouble(
	void *user, struct served *served, const struct device_config *config, const char *reason)
{
	struct run *run = user;
	report_trouble(run->report, served_name(served), config, reason);
}

static void on_ending(void *user, struct served *served, struct device *device)
{
	struct run *run = user;
	if (run->breaks != NULL)
		guest_breaks_forget(run->breaks, device);
	report_losses(run->report, served_name(served), device);
}

static void on_state(void *user, struct served *served)
{
}

static void on_closed(void *user)
{
	struct run *run = user;
	run->domains = NULL;
	loop_stop(run->loop);
}

static const struct domains_listener domains_listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.state = on_state,
	.closed = on_closed,
};

/* ---- the console ----------------------------------------------------------------------------- */

/* Nothing is typed from here on: what the VMM says of its end shall stand on lines of its own. */
static void on_leave(void *user)
{
	terminal_restore();
	fputc('\n', stderr);
	stop(user, SIGTERM);
}

static void on_terminal_closed(void *user)
{
	struct run *run = user;
	run->terminal = NULL;
}

static const struct terminal_listener terminal_listener = {
	.leave = on_leave,
	.closed = on_terminal_closed,
};

static int open_console(struct run *run, struct error *err)
{
	static const struct peer_info info = {.kind = PEER_CLIENT, .name = "console"};
	if (!run->options.console)
		return 0;
	struct device *device = served_device(run->served, run->options.console_alias, err);
	if (device == NULL)
		return err->code;
	int code = terminal_new(run->loop, STDIN_FILENO, STDOUT_FILENO, &terminal_listener, run,
		&run->terminal, err);
	if (code < 0)
		return code;
	if (terminal_is_raw(run->terminal))
		fprintf(stderr, "chardev: this is %s; ^] leaves, ^^ b sends a BREAK\r\n",
			device_config(device)->alias);
	device_add_peer(device, terminal_stream(run->terminal), &info);
	return 0;
}

/* ---- the VMM --------------------------------------------------------------------------------- */

static bool runs_qemu(const struct run *run)
{
	return run->options.vmm != NULL && qemu_is_program(run->options.vmm[0]);
}

static int make_arguments(struct run *run, struct strlist *ret, struct error *err)
{
	const char *dir = active_domain_runtime(run->active)->dir;
	for (char **arg = run->options.vmm; *arg != NULL; arg++) {
		int code = 0;
		if (runs_qemu(run))
			strlist_add(ret, *arg);
		else
			code = vmm_attach_other(domain_of(run), dir, *arg, ret, err);
		if (code < 0)
			return code;
	}
	for (size_t i = 0; runs_qemu(run) && i < run->qemu.args.count; i++)
		strlist_add(ret, run->qemu.args.items[i]);
	return ret->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}

/* The port that is the VMM's standard input and output, or NULL. */
static struct guest_port *stdio_port(const struct run *run)
{
	for (size_t i = 0; i < active_domain_count(run->active); i++) {
		struct device *device = active_domain_device(run->active, i);
		if (guest_port_type_of(device_config(device)) == GUEST_PORT_STDIO)
			return device_guest_port(device);
	}
	return NULL;
}

static int start_vmm(struct run *run, struct error *err)
{
	struct strlist argv = STRLIST_INIT;
	struct guest_port *port = stdio_port(run);
	int input = -1, output = -1;
	int code = make_arguments(run, &argv, err);
	if (code < 0) {
		run->status = 1;
		strlist_fini(&argv);
		return code;
	}
	if (port != NULL)
		guest_stdio_child_ends(port, &input, &output);
	code = vmm_start(&run->vmm, argv.items, input, output, &run->files, err);
	if (code == 0 && port != NULL)
		guest_stdio_child_started(port);
	if (code < 0)
		run->status = code == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
	strlist_fini(&argv);
	return code;
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* 0, 1 and 2 must be taken, or a device would get one of them and the VMM inherit it. */
static void take_standard_descriptors(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A device takes up to ten descriptors; the usual 1024 would end at a hundred. */
static void raise_limit(struct run *run)
{
	if (getrlimit(RLIMIT_NOFILE, &run->files) < 0)
		return;
	struct rlimit most = {run->files.rlim_max, run->files.rlim_max};
	setrlimit(RLIMIT_NOFILE, &most);
}

static bool is_ignored(int number)
{
	struct sigaction action;
	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int watch_signals(struct run *run, struct error *err)
{
	signal(SIGPIPE, SIG_IGN); /* this process is ours, and a peer that left is an errno */
	for (int i = 0; i < SIGNAL_COUNT; i++) {
		if (run_signals[i] == SIGHUP && is_ignored(SIGHUP))
			continue;
		struct run_signal *watched = &run->signals[run->signal_count];
		watched->run = run;
		int code = loop_signal_init(&watched->base, run->loop, run_signals[i], on_signal);
		if (code < 0)
			return error_set(err, code, "cannot watch signals: %s", error_text(code));
		run->signal_count++;
	}
	return 0;
}

static void warn_of_disk(const struct run *run)
{
	const struct runtime *runtime = active_domain_runtime(run->active);
	if (!runtime->in_memory)
		fprintf(stderr,
			"chardev: warning: %s is not on tmpfs, so the devices' history is written "
			"to a disk; give another --runtime-dir\n",
			runtime->dir);
}

/* All that needs the domain's devices to stand. */
static int begin(struct run *run, struct error *err)
{
	const struct run_options *options = &run->options;
	int code = vmm_attach_qemu(domain_of(run), active_domain_runtime(run->active)->dir,
		options->file, runs_qemu(run) ? options->vmm + 1 : NULL, &run->qemu, err);
	if (code < 0 && (options->vmm == NULL || runs_qemu(run)))
		return code;
	code = guest_breaks_new(run->loop, on_break_failed, run, &run->breaks);
	if (code < 0)
		return error_set(err, code, "cannot prepare for BREAK: %s", error_text(code));
	code = run_control_open(
		run->loop, run->domains, active_domain_runtime(run->active), &run->control, err);
	if (code < 0)
		return code;
	run_table_print(run->active, stdout);
	code = open_console(run, err);
	if (code < 0 || options->vmm != NULL)
		return code < 0 ? code : start_vmm(run, err);
	fprintf(stderr,
		"chardev: serving %s until SIGINT or SIGTERM; \"chardev qemu\" prints what "
		"attaches "
		"QEMU to it%s",
		domain_of(run)->name, terminal_newline());
	return 0;
}

static void on_defined(void *user, const struct domains_result *result)
{
	struct run *run = user;
	run->defined = true;
	if (result->code < 0) {
		error_set(&run->err, result->code, "%s", result->message);
	} else {
		run->served = result->served;
		run->active = served_active(result->served);
	}
	loop_stop(run->loop);
}

/* Serves the document, which is taken over; a start that fails ends in its own time. */
static int define(struct run *run, struct document *document, struct error *err)
{
	const struct domains_params params = {
		.loop = run->loop,
		.runtime_dir = run->options.runtime_dir,
		.log_dir = run->options.log_dir,
		.listener = &domains_listener,
		.user = run,
	};
	int code = domains_new(&params, &run->domains, err);
	if (code < 0) {
		document_free(document);
		return code;
	}
	domains_define(run->domains, document, NULL, true, on_defined, run);
	while (!run->defined)
		loop_run(run->loop);
	*err = run->err;
	return err->code;
}

/* Whatever was begun is ended, however far it came. */
static void finish(struct run *run)
{
	while (run->domains != NULL) {
		end(run);
		loop_run(run->loop);
	}
	for (int i = 0; i < run->signal_count; i++)
		loop_signal_close(&run->signals[i].base, NULL);
	loop_timer_close(&run->kill_timer, NULL);
	loop_drain(run->loop);
	run->loop = loop_free(run->loop);
	report_free(run->report);
}

static void serve(struct run *run, struct document *document)
{
	struct error err = {0};
	loop_timer_init(&run->kill_timer, run->loop, on_kill_timer);
	int code = watch_signals(run, &err);
	if (code == 0)
		code = report_new(run->loop, &report_listener, run, &run->report);
	if (code == -ENOMEM)
		error_set(&err, code, "out of memory");
	if (code == 0)
		code = define(run, document, &err);
	else
		document_free(document);
	if (code == 0) {
		warn_of_disk(run);
		code = begin(run, &err);
	}
	while (code == 0 && run->domains != NULL)
		loop_run(run->loop);
	if (code < 0 && run->status == 0)
		run->status = 1;
	finish(run);
	/* After the terminal is itself again. */
	if (code < 0)
		fprintf(stderr, "chardev: %s\n", err.message);
}

int cli_run(int argc, char **argv)
{
	struct run run = {0};
	struct document *document;
	if (run_options_parse(argc, argv, &run.options) < 0)
		return EXIT_USAGE;
	take_standard_descriptors();
	if (input_document(run.options.file, true, &document) < 0)
		return 1;
	raise_limit(&run);
	int code = loop_new(&run.loop);
	if (code < 0) {
		fprintf(stderr, "chardev: cannot make an event loop: %s\n", error_text(code));
		document_free(document);
		run.status = 1;
	} else {
		serve(&run, document);
	}
	qemu_arguments_fini(&run.qemu);
	return run.status;
}
