/* The live document of an active domain, and the file live.xml; see active_internal.h. */
#include "device/active_internal.h"

#include "util/hash.h"

#include <errno.h>
#include <stdlib.h>

static void describe_live(
	const struct device *device, struct device_status *status, struct device_live *ret)
{
	device_status(device, status);
	const struct backend_description *backend = &status->backend;
	*ret = (struct device_live){
		.alias = device_config(device)->alias,
		.pty_path = backend->pty_path[0] != '\0' ? backend->pty_path : NULL,
		.service = backend->service[0] != '\0' ? backend->service : NULL,
		.path = backend->path[0] != '\0' ? backend->path : NULL,
	};
}

char *active_domain_format_live(const struct active_domain *active)
{
	size_t count = active_domain_count(active);
	struct device_live *live = calloc(count + 1, sizeof(*live));
	struct device_status *statuses = calloc(count + 1, sizeof(*statuses));
	char *text = NULL;
	if (live != NULL && statuses != NULL) {
		for (size_t i = 0; i < count; i++)
			describe_live(active_domain_device(active, i), &statuses[i], &live[i]);
		text = document_format_live(active->params.document, live, count);
	}
	free(statuses);
	free(live);
	return text;
}

int active_write_live(struct active_domain *active, struct error *err)
{
	char *text = active_domain_format_live(active);
	if (text == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	int code = runtime_write(&active->runtime, "live.xml", text, err);
	free(text);
	return code;
}

/* What live.xml says of a device. */
static uint64_t facts_of(const struct device *device)
{
	struct device_status status;
	device_status(device, &status);
	uint64_t facts = hash_text(HASH_INIT, status.backend.pty_path);
	facts = hash_text(facts, status.backend.service);
	return hash_text(facts, status.backend.path);
}

void active_note_facts(struct member *member)
{
	member->facts = facts_of(member->device);
}

/* Clients come and go often, paths and ports hardly ever: the document follows the latter alone. */
void active_on_live_task(struct loop_task *task)
{
	struct active_domain *active = container_of(task, struct active_domain, live_task);
	bool outdated = false;
	for (size_t i = 0; i < active->open.count; i++) {
		struct member *member = active->open.items[i];
		if (!member->changed)
			continue;
		member->changed = false;
		uint64_t facts = facts_of(member->device);
		outdated |= facts != member->facts;
		member->facts = facts;
		active->params.listener->changed(active->params.user, member->device);
	}
	/* What cannot be written now is written with the next change. */
	if (outdated && active_write_live(active, NULL) < 0)
		for (size_t i = 0; i < active->open.count; i++)
			active->open.items[i]->facts = 0;
}
