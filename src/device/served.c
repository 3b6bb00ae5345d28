/* What a served domain is, asked from outside; see domains.h. */
#include "device/domains_internal.h"

#include <errno.h>

const char *served_name(const struct served *served)
{
	return served->name;
}

enum served_state served_state(const struct served *served)
{
	return served->state;
}

const char *served_reason(const struct served *served)
{
	return served->state == SERVED_FAILED ? served->err.message : "";
}

const char *served_origin(const struct served *served)
{
	return served->origin != NULL ? served->origin : "";
}

const struct document *served_document(const struct served *served)
{
	return served->document;
}

struct active_domain *served_active(const struct served *served)
{
	bool stays = served->operation == OPERATION_NONE || served->operation == OPERATION_CHANGE;
	return stays ? served->active : NULL;
}

char *served_format_live(const struct served *served)
{
	const struct active_domain *active = served_active(served);
	return active != NULL ? active_domain_format_live(active)
			      : document_format(served->document);
}

/* The first console, else the first serial port, that is presented. */
static struct device *first_device(const struct active_domain *active)
{
	static const enum device_kind kinds[] = {DEVICE_CONSOLE, DEVICE_SERIAL};
	const struct domain *domain = active_domain_config(active);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (size_t i = 0; i < domain->device_count; i++) {
			const struct device_config *config = &domain->devices[i];
			struct device *device = config->kind == kinds[k]
							? active_domain_find(active, config->alias)
							: NULL;
			if (device != NULL)
				return device;
		}
	}
	return NULL;
}

struct device *served_device(const struct served *served, const char *alias, struct error *err)
{
	const struct active_domain *active = served_active(served);
	if (active == NULL) {
		error_set(err, -ENOTCONN, "%s does not run; start it", served->name);
		return NULL;
	}
	struct device *device =
		alias != NULL ? active_domain_find(active, alias) : first_device(active);
	if (device == NULL && alias != NULL)
		error_set(err, -ENOENT,
			"%s presents no device \"%s\"; \"chardev status %s\" names those it does",
			served->name, alias, served->name);
	else if (device == NULL)
		error_set(err, -ENOENT, "%s has no console and no serial; name another device",
			served->name);
	return device;
}
