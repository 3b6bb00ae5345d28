/* A host of the control interface for tests; see control_host.h. */
#include "control_host.h"

#include "device/domains.h"
#include "util/fd.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "test host: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- what happens to the domains ------------------------------------------------------------- */

static void tell(struct test_host *host, const char *event, struct served *served,
	const char *device, const char *text)
{
	const struct control_event what = {event, served_name(served), device, text, NULL};
	if (host->server != NULL)
		control_server_tell(host->server, &what);
}

static bool on_guest_break(void *user, struct served *served, struct device *device)
{
	return false;
}

static void on_changed(void *user, struct served *served, struct device *device)
{
	tell(user, "guest", served, device_config(device)->alias, "");
}

static void on_trouble(
	void *user, struct served *served, const struct device_config *config, const char *reason)
{
	tell(user, "trouble", served, config->alias, reason);
}

static void on_ending(void *user, struct served *served, struct device *device)
{
}

static void on_state(void *user, struct served *served)
{
	static const char *const events[SERVED_STATE_COUNT] = {
		[SERVED_STOPPED] = "stopped",
		[SERVED_RUNNING] = "started",
		[SERVED_FAILED] = "failed",
	};
	const char *event = events[served_state(served)];
	if (event != NULL)
		tell(user, event, served, "", served_reason(served));
}

static void on_closed(void *user)
{
	((struct test_host *)user)->open--;
}

static const struct domains_listener domains_listener = {
	.guest_break = on_guest_break,
	.changed = on_changed,
	.trouble = on_trouble,
	.ending = on_ending,
	.state = on_state,
	.closed = on_closed,
};

/* ---- what the server asks for --------------------------------------------------------------- */

struct asked {
	control_done *done;
	void *call;
};

static void answer(void *user, const struct domains_result *result)
{
	struct asked *asked = user;
	const struct control_outcome outcome = {
		.code = result->code,
		.message = result->message,
		.domain = result->served != NULL ? served_name(result->served) : NULL,
		.names = result->devices,
		.name_count = result->device_count,
	};
	asked->done(asked->call, &outcome);
	free(asked);
}

static struct asked *asked_new(control_done *done, void *call)
{
	struct asked *asked = malloc(sizeof(*asked));
	must(asked != NULL, "memory");
	*asked = (struct asked){done, call};
	return asked;
}

static bool hold(struct test_host *host, control_done *done, void *call)
{
	if (host->holds) {
		host->held_done = done;
		host->held_call = call;
	}
	return host->holds;
}

void host_release(struct test_host *host)
{
	const struct control_outcome outcome = {.domain = "held"};
	control_done *done = host->held_done;
	host->held_done = NULL;
	done(host->held_call, &outcome);
}

static void define(
	void *user, const char *xml, size_t n, bool start, control_done *done, void *call)
{
	struct test_host *host = user;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document;
	if (hold(host, done, call))
		return;
	must(document_parse(xml, n, &diagnostics, &document) == 0, "document");
	diagnostics_fini(&diagnostics);
	domains_define(host->domains, document, NULL, start, answer, asked_new(done, call));
}

static void undefine(void *user, struct served *served, control_done *done, void *call)
{
	if (!hold(user, done, call))
		domains_undefine(served, answer, asked_new(done, call));
}

static void reload(void *user, control_done *done, void *call)
{
	static const struct control_failure failure = {"broken", "line 3: no such type"};
	static const char *const names[] = {"vm"};
	const struct control_outcome outcome = {
		.names = names, .name_count = 1, .failures = &failure, .failure_count = 1};
	if (!hold(user, done, call))
		done(call, &outcome);
}

static void audit(void *user, const struct control_event *event)
{
	struct test_host *host = user;
	struct control_host_told *told = &host->audit[host->audit_count++ % CONTROL_HOST_AUDIT_MAX];
	snprintf(told->event, sizeof(told->event), "%s", event->event);
	snprintf(told->domain, sizeof(told->domain), "%s", event->domain);
	snprintf(told->device, sizeof(told->device), "%s", event->device);
	snprintf(told->text, sizeof(told->text), "%s", event->text);
	told->uid = event->by != NULL ? event->by->uid : (uid_t)-1;
}

const struct control_host_told *host_audit(const struct test_host *host, const char *event)
{
	for (unsigned i = 0; i < CONTROL_HOST_AUDIT_MAX && i < host->audit_count; i++) {
		const struct control_host_told *told =
			&host->audit[(host->audit_count - 1 - i) % CONTROL_HOST_AUDIT_MAX];
		if (strcmp(told->event, event) == 0)
			return told;
	}
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(fd >= 0 && strlen(path) < sizeof(address.sun_path), "socket");
	strcpy(address.sun_path, path);
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, path);
	must(listen(fd, CONTROL_BACKLOG) == 0, path);
	return fd;
}

void host_init(struct test_host *host)
{
	struct error err;
	*host = (struct test_host){
		.access = {.owner = getuid()},
		.host = {.vendor = "tests",
			.product = "test host",
			.version = "1",
			.url = "about:",
			.define = define,
			.undefine = undefine,
			.reload = reload,
			.audit = audit},
		.dir = "/tmp/chardev-control-XXXXXX",
		.open = 2,
	};
	must(mkdtemp(host->dir) != NULL, "mkdtemp");
	snprintf(host->socket, sizeof(host->socket), "%s/control.sock", host->dir);
	must(loop_new(&host->loop) == 0, "loop");
	const struct domains_params domains = {.loop = host->loop,
		.runtime_dir = host->dir,
		.log_dir = host->dir,
		.listener = &domains_listener,
		.user = host};
	must(domains_new(&domains, &host->domains, &err) == 0, "domains");
	const struct control_server_params server = {.loop = host->loop,
		.domains = host->domains,
		.access = &host->access,
		.host = &host->host,
		.user = host};
	must(control_server_new(&server, &host->server, &err) == 0, "server");
	must(control_server_add(host->server, listen_at(host->socket), &err) == 0, "listen");
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

void host_fini(struct test_host *host)
{
	control_server_close(host->server, on_closed);
	host->server = NULL;
	if (host->held_done != NULL)
		host_release(host);
	domains_close(host->domains, false);
	loop_drain(host->loop);
	must(host->open == 0, "something has not ended");
	loop_free(host->loop);
	access_fini(&host->access);
	must(nftw(host->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, host->dir);
}

static void on_defined(void *user, const struct domains_result *result)
{
	if (result->code < 0)
		fprintf(stderr, "test host: %s\n", result->message);
	must(result->code == 0, "define");
}

void host_define(struct test_host *host, const char *name)
{
	char xml[512];
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document;
	int n = snprintf(xml, sizeof(xml), CONTROL_HOST_XML, name, host->dir);
	must(document_parse(xml, (size_t)n, &diagnostics, &document) == 0, "document");
	diagnostics_fini(&diagnostics);
	domains_define(host->domains, document, "/etc/a definition.xml", true, on_defined, host);
}
