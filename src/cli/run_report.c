/* What `chardev run` says of its devices; see run_report.h. */
#include "cli/run_report.h"

#include "cli/terminal.h"
#include "util/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int report_init(struct report *report, struct loop *loop, const struct active_domain *active)
{
	size_t count = active_domain_count(active);
	*report = (struct report){.loop = loop, .count = count};
	report->entries = calloc(count + 1, sizeof(*report->entries));
	if (report->entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		report->entries[i].config = device_config(active_domain_device(active, i));
	return 0;
}

void report_fini(struct report *report)
{
	free(report->entries);
	*report = (struct report){0};
}

static struct report_entry *entry_of(struct report *report, const struct device_config *config)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->entries[i].config == config)
			return &report->entries[i];
	return NULL;
}

static void say(const struct device_config *config, const char *text)
{
	fprintf(stderr, "chardev: %s: %s%s", config->alias, text, terminal_newline());
}

static void say_number(const struct device_config *config, uint64_t number, const char *text)
{
	if (number != 0)
		fprintf(stderr, "chardev: %s: %" PRIu64 " %s%s", config->alias, number, text,
			terminal_newline());
}

static void say_untold(struct report_entry *entry)
{
	say_number(entry->config, entry->untold, "more troubles were too many to be told");
	entry->untold = 0;
}

void report_trouble(struct report *report, const struct device_config *config, const char *reason)
{
	struct report_entry *entry = entry_of(report, config);
	uint64_t hash = hash_text(HASH_INIT, reason);
	uint64_t now = loop_now_ms(report->loop);
	if (entry == NULL || (hash == entry->trouble && now - entry->trouble_ms < REPORT_AGAIN_MS))
		return;
	if (now - entry->counted_from_ms >= REPORT_AGAIN_MS) {
		say_untold(entry);
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
	say(config, reason);
}

static void say_note(const struct device_config *config, uint64_t *told, const char *text)
{
	uint64_t hash = hash_text(HASH_INIT, text);
	if (text[0] == '\0' || hash == *told)
		return;
	*told = hash;
	say(config, text);
}

void report_changed(struct report *report, const struct device *device)
{
	struct report_entry *entry = entry_of(report, device_config(device));
	if (entry == NULL)
		return;
	struct device_status status;
	device_status(device, &status);
	say_note(entry->config, &entry->backend, status.backend_note);
	say_note(entry->config, &entry->guest, status.guest_note);
}

void report_losses(struct report *report, const struct device *device)
{
	struct report_entry *entry = entry_of(report, device_config(device));
	struct device_status status;
	device_status(device, &status);
	if (entry != NULL)
		say_untold(entry);
	say_number(device_config(device), status.dropped, "bytes did not reach their readers");
	say_number(
		device_config(device), status.input_dropped, "bytes were typed that no guest took");
}
