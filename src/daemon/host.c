/* What the daemon does for its domains and its callers; see daemon_internal.h. */
#include "daemon/daemon_internal.h"

#include "backend/log_quota.h"
#include "version.h"
#include "vmm/qemu.h"

#include <errno.h>
#include <systemd/sd-daemon.h>

/* ---- the domains' events --------------------------------------------------------------------- */

static void tell(struct daemon *daemon, const char *event, const char *domain, const char *alias,
	const char *text)
{
	if (daemon->server != NULL)
		control_server_tell(
			daemon->server, &(struct control_event){event, domain, alias, text, NULL});
}

static void on_happened(
	void *user, const char *event, const char *domain, const char *alias, const char *text)
{
	tell(user, event, domain, alias, text);
}

static void on_say(void *user, const char *domain, const char *alias, const char *text)
{
	struct daemon *daemon = user;
	message(&daemon->messages, LOG_WARNING, "%s/%s: %s", domain, alias, text);
}

const struct report_listener daemon_report_listener = {
	.say = on_say,
	.happened = on_happened,
};

static bool on_guest_break(void *user, struct served *served, struct device *device)
{
	struct daemon *daemon = user;
	char id[QEMU_ID_SIZE];
	if (daemon->breaks == NULL || served_active(served) == NULL)
		return false;
	qemu_chardev_id(device_config(device), id);
	return guest_breaks_send(
		daemon->breaks, active_domain_runtime(served_active(served)), device, id);
}

void daemon_on_break_failed(void *user, const struct device *device, const char *reason)
{
	struct daemon *daemon = user;
	message(&daemon->messages, LOG_WARNING, "%s: BREAK not sent: %s",
		device_config(device)->alias, reason);
}

static void on_changed(void *user, struct served *served, struct device *device)
{
	struct daemon *daemon = user;
	report_changed(daemon->report, served_name(served), device);
}

static void on_trouble(
	void *user, struct served *served, const struct device_config *config, const char *reason)
{
	struct daemon *daemon = user;
	report_trouble(daemon->report, served_name(served), config, reason);
}

static void on_ending(void *user, struct served *served, struct device *device)
{
	struct daemon *daemon = user;
	if (daemon->breaks != NULL)
		guest_breaks_forget(daemon->breaks, device);
	report_losses(daemon->report, served_name(served), device);
}

static void on_state(void *user, struct served *served)
{
	struct daemon *daemon = user;
	static const char *const events[SERVED_STATE_COUNT] = {
		[SERVED_STOPPED] = "stopped",
		[SERVED_RUNNING] = "started",
		[SERVED_FAILED] = "failed",
	};
	const char *event = events[served_state(served)];
	if (event != NULL)
		tell(daemon, event, served_name(served), "", served_reason(served));
}

const struct domains_listener daemon_domains_listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.state = on_state,
	.closed = daemon_domains_closed,
};

/* ---- the callers' wishes --------------------------------------------------------------------- */

static void on_define(
	void *user, const char *xml, size_t n, bool start, control_done *done, void *call)
{
	struct daemon *daemon = user;
	changes_define(daemon->changes, xml, n, start, done, call);
}

static void on_undefine(void *user, struct served *served, control_done *done, void *call)
{
	struct daemon *daemon = user;
	changes_undefine(daemon->changes, served_name(served), done, call);
}

static void on_reload(void *user, control_done *done, void *call)
{
	struct daemon *daemon = user;
	changes_reload(daemon->changes, done, call);
}

static void on_audit(void *user, const struct control_event *event)
{
	struct daemon *daemon = user;
	message_audit(&daemon->messages, event);
}

const struct control_host daemon_control_host = {
	.vendor = "chardev",
	.product = "chardevd",
	.version = CHARDEV_VERSION,
	.url = "urn:chardev",
	.define = on_define,
	.undefine = on_undefine,
	.reload = on_reload,
	.audit = on_audit,
};

/* ---- reading again --------------------------------------------------------------------------- */

void daemon_new_settings(void *user, struct settings *settings)
{
	struct daemon *daemon = user;
	settings_fini(&daemon->settings);
	daemon->settings = *settings;
	log_quota_limit(daemon->quota, daemon->settings.quota_host, daemon->settings.quota_domain);
}

void daemon_tell_ready(struct daemon *daemon)
{
	sd_notifyf(0, "READY=1\nSTATUS=Serving %zu domains", domains_count(daemon->domains));
}

static void say_failures(struct daemon *daemon, const struct control_outcome *outcome)
{
	if (outcome->code < 0)
		message(&daemon->messages, LOG_ERR, "%s", outcome->message);
	for (size_t i = 0; i < outcome->failure_count; i++)
		message(&daemon->messages, LOG_ERR, "%s", outcome->failures[i].message);
}

void daemon_on_loaded(void *user, const struct control_outcome *outcome)
{
	struct daemon *daemon = user;
	say_failures(daemon, outcome);
	if (daemon->ending)
		return;
	message(&daemon->messages, LOG_INFO, "serving %zu domains of %s at %s",
		domains_count(daemon->domains), daemon->options->config_dir,
		daemon->socket.path != NULL ? daemon->socket.path : "the socket of systemd");
	daemon_tell_ready(daemon);
}

void daemon_on_reloaded(void *user, const struct control_outcome *outcome)
{
	struct daemon *daemon = user;
	say_failures(daemon, outcome);
	message(&daemon->messages, LOG_INFO, "reloaded: %zu domains changed, %zu failed",
		outcome->name_count, outcome->failure_count);
	if (!daemon->ending)
		daemon_tell_ready(daemon);
}
