/* What is said of devices; see report.h. */
#include "device/report.h"

#include "util/hash.h"
#include "util/list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT = 256, LINE_SIZE = 128 };

struct entry {
	struct list link;
	char *domain, *alias;
	uint64_t trouble; /* what was last told, as a hash, */
	uint64_t trouble_ms;
	uint64_t backend; /* and of the two ends' states */
	uint64_t guest;
	uint64_t counted_from_ms; /* the lines, and what was one too many */
	unsigned lines;
	unsigned untold;
	bool compared; /* what follows is known */
	bool guest_present;
	enum backend_state state;
};

struct report {
	struct loop *loop;
	const struct report_listener *listener;
	void *user;
	struct list buckets[BUCKET_COUNT];
};

/* ---- entries --------------------------------------------------------------------------------- */

static struct list *bucket_of(struct report *report, const char *domain, const char *alias)
{
	return &report->buckets[hash_text(hash_text(HASH_INIT, domain), alias) % BUCKET_COUNT];
}

static struct entry *find_entry(struct report *report, const char *domain, const char *alias)
{
	struct list *bucket = bucket_of(report, domain, alias);
	list_for_each(node, bucket) {
		struct entry *entry = container_of(node, struct entry, link);
		if (strcmp(entry->domain, domain) == 0 && strcmp(entry->alias, alias) == 0)
			return entry;
	}
	return NULL;
}

static void free_entry(struct entry *entry)
{
	list_remove(&entry->link);
	free(entry->domain);
	free(entry->alias);
	free(entry);
}

/* NULL: no memory. Then nothing is said: what is not remembered could be said without end. */
static struct entry *entry_of(struct report *report, const char *domain, const char *alias)
{
	struct entry *entry = find_entry(report, domain, alias);
	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	list_init(&entry->link);
	entry->domain = strdup(domain);
	entry->alias = strdup(alias);
	if (entry->domain == NULL || entry->alias == NULL) {
		free_entry(entry);
		return NULL;
	}
	list_append(bucket_of(report, domain, alias), &entry->link);
	return entry;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void say_number(struct report *report, const char *domain, const char *alias,
	uint64_t number, const char *text)
{
	char line[LINE_SIZE];
	if (number == 0)
		return;
	snprintf(line, sizeof(line), "%" PRIu64 " %s", number, text);
	report->listener->say(report->user, domain, alias, line);
}

static void say_untold(struct report *report, struct entry *entry)
{
	say_number(report, entry->domain, entry->alias, entry->untold,
		"more troubles were too many to be told");
	entry->untold = 0;
}

static void say_note(struct report *report, struct entry *entry, uint64_t *told, const char *text)
{
	uint64_t hash = hash_text(HASH_INIT, text);
	if (text[0] == '\0' || hash == *told)
		return;
	*told = hash;
	report->listener->say(report->user, entry->domain, entry->alias, text);
}

/* ---- what happens ---------------------------------------------------------------------------- */

void report_trouble(struct report *report, const char *domain, const struct device_config *config,
	const char *reason)
{
	struct entry *entry = entry_of(report, domain, config->alias);
	uint64_t hash = hash_text(HASH_INIT, reason);
	uint64_t now = loop_now_ms(report->loop);
	if (entry == NULL || (hash == entry->trouble && now - entry->trouble_ms < REPORT_AGAIN_MS))
		return;
	if (now - entry->counted_from_ms >= REPORT_AGAIN_MS) {
		say_untold(report, entry);
		entry->counted_from_ms = now;
		entry->lines = 0;
	}
	if (entry->lines == REPORT_LINES_MAX) {
		entry->untold++;
		return;
	}
	entry->lines++;
	entry->trouble = hash;
	entry->trouble_ms = now;
	report->listener->say(report->user, domain, config->alias, reason);
	report->listener->happened(report->user, "trouble", domain, config->alias, reason);
}

static void happened(
	struct report *report, const struct entry *entry, const char *event, const char *text)
{
	report->listener->happened(report->user, event, entry->domain, entry->alias, text);
}

static void compare_states(
	struct report *report, struct entry *entry, const struct device_status *status)
{
	static const char *const texts[BACKEND_STATE_COUNT] = {
		[BACKEND_IDLE] = "idle",
		[BACKEND_LISTENING] = "listening",
		[BACKEND_CONNECTING] = "connecting",
		[BACKEND_CONNECTED] = "connected",
	};
	bool is_first = !entry->compared;
	bool guest_changed = entry->guest_present != status->guest_present;
	bool state_changed = entry->state != status->backend_state;
	entry->compared = true;
	entry->guest_present = status->guest_present;
	entry->state = status->backend_state;
	if (guest_changed)
		happened(report, entry, "guest",
			status->guest_present ? "the VMM has come" : "the VMM has left");
	if (state_changed || is_first)
		happened(report, entry, "state", texts[status->backend_state]);
}

void report_changed(struct report *report, const char *domain, const struct device *device)
{
	struct entry *entry = entry_of(report, domain, device_config(device)->alias);
	struct device_status status;
	if (entry == NULL)
		return;
	device_status(device, &status);
	say_note(report, entry, &entry->backend, status.backend_note);
	say_note(report, entry, &entry->guest, status.guest_note);
	compare_states(report, entry, &status);
}

void report_losses(struct report *report, const char *domain, const struct device *device)
{
	const char *alias = device_config(device)->alias;
	struct entry *entry = find_entry(report, domain, alias);
	struct device_status status;
	device_status(device, &status);
	if (entry != NULL) {
		say_untold(report, entry);
		free_entry(entry);
	}
	say_number(report, domain, alias, status.dropped, "bytes did not reach their readers");
	say_number(
		report, domain, alias, status.input_dropped, "bytes were typed that no guest took");
}

/* ---- the whole ------------------------------------------------------------------------------- */

int report_new(
	struct loop *loop, const struct report_listener *listener, void *user, struct report **ret)
{
	struct report *report = calloc(1, sizeof(*report));
	if (report == NULL)
		return -ENOMEM;
	report->loop = loop;
	report->listener = listener;
	report->user = user;
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		list_init(&report->buckets[i]);
	*ret = report;
	return 0;
}

struct report *report_free(struct report *report)
{
	for (size_t i = 0; report != NULL && i < BUCKET_COUNT; i++)
		list_for_each_safe(node, &report->buckets[i])
			free_entry(container_of(node, struct entry, link));
	free(report);
	return NULL;
}
