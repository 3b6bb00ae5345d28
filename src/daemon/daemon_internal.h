/* What the daemon's files share: its life (daemon.c), and what it does for its domains and callers
 * (host.c). */
#ifndef CHARDEV_DAEMON_DAEMON_INTERNAL_H
#define CHARDEV_DAEMON_DAEMON_INTERNAL_H

#include "daemon/changes.h"
#include "daemon/message.h"
#include "daemon/options.h"
#include "daemon/settings.h"
#include "daemon/socket.h"
#include "device/report.h"
#include "vmm/guest_break.h"

enum { DAEMON_SIGNALS = 3 };

struct daemon_signal {
	struct loop_signal base;
	struct daemon *daemon;
};

struct daemon {
	const struct options *options;
	struct messages messages;
	struct settings settings;
	struct loop *loop;
	struct daemon_signal signals[DAEMON_SIGNALS];
	size_t signal_count;
	int lock_fd;
	char *lock_path;
	struct log_quota *quota;
	struct domains *domains; /* NULL: not yet, or closed */
	struct report *report;
	struct guest_breaks *breaks;   /* likewise */
	struct changes *changes;       /* likewise */
	struct control_server *server; /* likewise */
	struct control_socket socket;
	bool ending;
	int status;
};

extern const struct domains_listener daemon_domains_listener; /* user: the daemon */
extern const struct report_listener daemon_report_listener;
extern const struct control_host daemon_control_host;

void daemon_on_break_failed(void *user, const struct device *device, const char *reason);
void daemon_new_settings(void *user, struct settings *settings);

/* As a control_done for what nobody called for: the first reading, and a reload by SIGHUP. */
void daemon_on_loaded(void *user, const struct control_outcome *outcome);
void daemon_on_reloaded(void *user, const struct control_outcome *outcome);

/* daemon.c: the domains are closed. */
void daemon_domains_closed(void *user);

/* "READY=1", with the number of domains as the status. */
void daemon_tell_ready(struct daemon *daemon);

#endif
