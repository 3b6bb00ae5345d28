/*
 * Log: a device's log, whether its domain runs or not, handed to a feed (log_feed.h) with the
 * connection.
 */
#include "control/method_functions.h"

#include "control/log_feed.h"
#include "util/time_text.h"

#include <stdlib.h>

/* The first of a kind that is presented; a console that is a serial's other face is that serial. */
static const struct device_config *first_of(const struct domain *domain, enum device_kind kind)
{
	for (size_t i = 0; i < domain->device_count; i++) {
		const struct device_config *device = &domain->devices[i];
		const struct device_config *real = domain_resolve_alias(domain, device);
		if (device->kind == kind && device_is_presented(real))
			return real;
	}
	return NULL;
}

/* NULL: the call has ended. */
static const struct device_config *find_device(struct call *call, const struct served *served)
{
	const struct domain *domain = document_domain(served_document(served));
	const char *alias = call_text(call, "device");
	const struct device_config *device;
	if (alias != NULL) {
		device = domain_find_device(domain, alias);
		device = device != NULL ? domain_resolve_alias(domain, device) : NULL;
	} else {
		device = first_of(domain, DEVICE_CONSOLE);
		device = device != NULL ? device : first_of(domain, DEVICE_SERIAL);
	}
	if (device == NULL)
		call_fail(call, CONTROL_NOT_FOUND,
			"%s has no device \"%.64s\"; chardev status %s shows them", domain->name,
			alias != NULL ? alias : "console", domain->name);
	else if (device->log.file == NULL)
		call_fail(call, CONTROL_NOT_FOUND,
			"%s of %s has no log; <log file=\"...\"/> gives it one", device->alias,
			domain->name);
	return device != NULL && device->log.file != NULL ? device : NULL;
}

/* False: the call has ended. */
static bool find_start(struct call *call, struct log_reader_start *ret)
{
	struct log_reader_start start = {.follow = call_flag(call, "follow")};
	const char *since = call_text(call, "since");
	start.has_tail = call_number(call, "tail", &start.tail);
	start.has_since = since != NULL;
	if (start.has_tail && start.has_since)
		call_fail(call, CONTROL_INVALID, "only one of tail and since says where to begin");
	else if (since != NULL && time_parse(since, &start.since_ms) < 0)
		call_fail(call, CONTROL_INVALID,
			"since is a time as 2026-01-31T23:59:59Z (RFC 3339), not \"%.40s\"", since);
	else {
		*ret = start;
		return true;
	}
	return false;
}

void method_log(struct call *call)
{
	struct log_reader_start start;
	const char *rest;
	size_t n = 0, rest_size;
	struct error err;
	struct log_feeds *feeds = call_server(call)->feeds;
	const struct served *served = call_served(call);
	const struct device_config *device = served != NULL ? find_device(call, served) : NULL;
	if (device == NULL || !find_start(call, &start))
		return;
	char *reply = message_reply(json_pack("{s:o, s:o}", "device", message_text(device->alias),
					    "path", message_text(device->log.file)),
		false, &n);
	if (reply == NULL) {
		call_fail(call, CONTROL_FAILED, "no memory for the reply");
		return;
	}
	/* What the caller sends after its call is of no use to a log. A failure is told by the
	 * feed. */
	uid_t uid = call_peer(call)->uid;
	int fd = call_upgrade(call, &rest, &rest_size);
	log_feeds_add(feeds, device->log.file, &start, uid, fd, reply, n, &err);
}
