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
		report->entries[i].device = active_domain_device(active, i);
	return 0;
}

void report_fini(struct report *report)
{
	free(report->entries);
	*report = (struct report){0};
}

static struct report_entry *entry_of(struct report *report, const struct device *device)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->entries[i].device == device)
			return &report->entries[i];
	return NULL;
}

/* `again`: it happened once more, and is not just still so. */
static void tell(struct report *report, const struct device *device, struct report_told *told,
	const char *text, bool again)
{
	uint64_t hash = hash_text(HASH_INIT, text);
	uint64_t now = loop_now_ms(report->loop);
	if (text[0] == '\0' || (hash == told->text && (!again || now - told->ms < REPORT_AGAIN_MS)))
		return;
	*told = (struct report_told){hash, now};
	fprintf(stderr, "chardev: %s: %s%s", device_config(device)->alias, text,
		terminal_newline());
}

void report_changed(struct report *report, const struct device *device)
{
	struct report_entry *entry = entry_of(report, device);
	if (entry == NULL)
		return;
	struct device_status status;
	device_status(device, &status);
	if (status.errors != entry->errors)
		tell(report, device, &entry->error, status.last_error, true);
	entry->errors = status.errors;
	tell(report, device, &entry->backend, status.backend_note, false);
	tell(report, device, &entry->guest, status.guest_note, false);
}

void report_losses(const struct device *device)
{
	struct device_status status;
	device_status(device, &status);
	const char *alias = device_config(device)->alias;
	if (status.dropped != 0)
		fprintf(stderr,
			"chardev: %s: %" PRIu64 " bytes did not reach readers that were late%s",
			alias, status.dropped, terminal_newline());
	if (status.input_dropped != 0)
		fprintf(stderr, "chardev: %s: %" PRIu64 " bytes were typed that no guest took%s",
			alias, status.input_dropped, terminal_newline());
}
