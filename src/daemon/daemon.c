/* The life of chardevd; see daemon.h. */
#include "daemon/daemon.h"

#include "backend/log_quota.h"
#include "daemon/daemon_internal.h"
#include "util/dir.h"
#include "util/fd.h"
#include "util/lock_file.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static const int numbers[DAEMON_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

/* ---- the end --------------------------------------------------------------------------------- */
/* In this order: changes end and callers get their replies, the callers go, the domains, the rest.
 */

static void on_breaks_closed(void *user)
{
	struct daemon *daemon = user;
	daemon->breaks = NULL;
	loop_stop(daemon->loop);
}

void daemon_domains_closed(void *user)
{
	struct daemon *daemon = user;
	daemon->domains = NULL;
	guest_breaks_close(daemon->breaks, on_breaks_closed, daemon);
}

static void on_server_closed(void *user)
{
	struct daemon *daemon = user;
	daemon->server = NULL;
	domains_close(daemon->domains, true);
}

static void on_changes_closed(void *user)
{
	struct daemon *daemon = user;
	daemon->changes = NULL;
	control_server_close(daemon->server, on_server_closed);
}

static void end(struct daemon *daemon)
{
	if (daemon->ending)
		return;
	daemon->ending = true;
	control_socket_unlink(&daemon->socket);
	changes_close(daemon->changes, on_changes_closed);
}

/* ---- signals --------------------------------------------------------------------------------- */

static uint64_t monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_signal(struct loop_signal *base, int number)
{
	struct daemon *daemon = container_of(base, struct daemon_signal, base)->daemon;
	if (number == SIGHUP && !daemon->ending) {
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us());
		changes_reload(daemon->changes, daemon_on_reloaded, daemon);
	} else if (number != SIGHUP && daemon->ending) {
		_exit(1); /* an orderly end is too slow for them */
	} else if (number != SIGHUP) {
		sd_notify(0, "STOPPING=1");
		end(daemon);
	}
}

static int watch_signals(struct daemon *daemon, struct error *err)
{
	signal(SIGPIPE, SIG_IGN); /* a peer that left is an errno */
	for (size_t i = 0; i < DAEMON_SIGNALS; i++) {
		struct daemon_signal *watched = &daemon->signals[i];
		watched->daemon = daemon;
		int code = loop_signal_init(&watched->base, daemon->loop, numbers[i], on_signal);
		if (code < 0)
			return error_set(err, code, "cannot watch signals: %s", error_text(code));
		daemon->signal_count++;
	}
	return 0;
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* A device takes up to ten descriptors; the usual 1024 would end at a hundred. */
static void raise_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int read_settings(struct daemon *daemon, struct error *err)
{
	const struct options *options = daemon->options;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct strlist lines = STRLIST_INIT;
	int code = settings_read(
		options->config_file, options->config_given, &daemon->settings, &diagnostics);
	diagnostics_list(&diagnostics, options->config_file, SEVERITY_WARNING, &lines);
	for (size_t i = 0; i < lines.count; i++)
		message(&daemon->messages, LOG_ERR, "%s", lines.items[i]);
	strlist_fini(&lines);
	diagnostics_fini(&diagnostics);
	if (code < 0) {
		settings_init(&daemon->settings);
		return error_set(
			err, code, "cannot start with the settings of %s", options->config_file);
	}
	return 0;
}

/* No domain's directory has a name that begins with a dot. */
static int lock(struct daemon *daemon, struct error *err)
{
	const char *dir = daemon->options->runtime_dir;
	pid_t holder = 0;
	int code = dir_make(dir, 0755, NULL);
	if (code < 0)
		return error_set(err, code, "cannot make the runtime directory %s: %s", dir,
			error_text(code));
	if (asprintf(&daemon->lock_path, "%s/.chardevd.lock", dir) < 0) {
		daemon->lock_path = NULL;
		return error_set(err, -ENOMEM, "out of memory");
	}
	code = lock_file_take(daemon->lock_path, &daemon->lock_fd, &holder);
	if (code == -EWOULDBLOCK)
		return error_set(err, code,
			"another chardevd, process %d, serves %s; end that, or give another "
			"--runtime-dir",
			(int)holder, dir);
	if (code < 0)
		return error_set(
			err, code, "cannot lock %s: %s", daemon->lock_path, error_text(code));
	return 0;
}

static int make_parts(struct daemon *daemon, struct error *err)
{
	const struct options *options = daemon->options;
	daemon->quota = log_quota_new(daemon->settings.quota_host, daemon->settings.quota_domain);
	const struct domains_params domains = {
		.loop = daemon->loop,
		.runtime_dir = options->runtime_dir,
		.log_dir = options->log_dir,
		.quota = daemon->quota,
		.listener = &daemon_domains_listener,
		.user = daemon,
	};
	int code = daemon->quota != NULL ? 0 : -ENOMEM;
	if (code == 0)
		code = report_new(daemon->loop, &daemon_report_listener, daemon, &daemon->report);
	if (code == 0)
		code = guest_breaks_new(
			daemon->loop, daemon_on_break_failed, daemon, &daemon->breaks);
	if (code < 0)
		return error_set(err, code, "out of memory");
	return domains_new(&domains, &daemon->domains, err);
}

static int make_interface(struct daemon *daemon, struct error *err)
{
	const struct options *options = daemon->options;
	const struct changes_params changes = {
		.loop = daemon->loop,
		.domains = daemon->domains,
		.dir = options->config_dir,
		.settings_path = options->config_file,
		.settings_must_exist = options->config_given,
		.new_settings = daemon_new_settings,
		.user = daemon,
	};
	const struct control_server_params server = {
		.loop = daemon->loop,
		.domains = daemon->domains,
		.access = &daemon->settings.access,
		.host = &daemon_control_host,
		.user = daemon,
	};
	int code = changes_new(&changes, &daemon->changes);
	if (code < 0)
		return error_set(err, code, "out of memory");
	code = control_server_new(&server, &daemon->server, err);
	if (code == 0)
		code = control_socket_open(&daemon->socket, daemon->server, options, err);
	return code;
}

/* What was begun is ended, however far it came. */
static void abandon(struct daemon *daemon)
{
	if (daemon->server != NULL)
		end(daemon);
	else if (daemon->domains != NULL)
		domains_close(daemon->domains, true);
	else if (daemon->breaks != NULL)
		guest_breaks_close(daemon->breaks, on_breaks_closed, daemon);
	while (daemon->breaks != NULL)
		loop_run(daemon->loop);
	free(daemon->changes); /* of which nothing was asked */
}

static int start(struct daemon *daemon, struct error *err)
{
	int code = read_settings(daemon, err);
	if (code == 0)
		code = lock(daemon, err);
	if (code == 0)
		code = watch_signals(daemon, err);
	if (code == 0)
		code = make_parts(daemon, err);
	if (code == 0)
		code = make_interface(daemon, err);
	return code;
}

static void serve(struct daemon *daemon)
{
	struct error err = {0};
	if (start(daemon, &err) < 0) {
		message(&daemon->messages, LOG_ERR, "%s", err.message);
		daemon->status = 1;
		abandon(daemon);
	} else {
		changes_load(daemon->changes, daemon_on_loaded, daemon);
		while (daemon->breaks != NULL)
			loop_run(daemon->loop);
	}
	for (size_t i = 0; i < daemon->signal_count; i++)
		loop_signal_close(&daemon->signals[i].base, NULL);
	loop_drain(daemon->loop);
	loop_free(daemon->loop);
	report_free(daemon->report);
	log_quota_free(daemon->quota);
	if (daemon->lock_fd >= 0)
		lock_file_release(daemon->lock_path, daemon->lock_fd);
	free(daemon->lock_path);
	settings_fini(&daemon->settings);
}

int daemon_run(const struct options *options)
{
	struct daemon daemon = {.options = options, .lock_fd = -1};
	messages_init(&daemon.messages);
	settings_init(&daemon.settings);
	raise_limit();
	int code = loop_new(&daemon.loop);
	if (code == 0) {
		serve(&daemon);
		return daemon.status;
	}
	message(&daemon.messages, LOG_ERR, "cannot make an event loop: %s", error_text(code));
	return 1;
}
