/* libchardev's domains: a document that was read, and the devices in it; see chardev.h. */
#include "lib/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version.h"

_Static_assert(sizeof(((struct chardev_error *)0)->message) >= ERROR_MESSAGE_SIZE,
	"a sentence fits into the caller's error");

const char *chardev_version(void)
{
	return CHARDEV_VERSION;
}

int library_error(const struct error *err, struct chardev_error *ret)
{
	if (ret != NULL) {
		ret->code = err->code;
		snprintf(ret->message, sizeof(ret->message), "%s", err->message);
	}
	return err->code;
}

/* The first place in the document that is wrong. */
static int first_error(const struct diagnostics *diagnostics, struct error *err)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *entry = &diagnostics->entries[i];
		if (entry->severity != SEVERITY_ERROR)
			continue;
		if (entry->line == 0)
			return error_set(err, -EINVAL, "%s", entry->message);
		return error_set(err, -EINVAL, "line %u: %s", entry->line, entry->message);
	}
	return error_set(err, -EINVAL, "not a domain document");
}

int chardev_domain_parse(const char *xml, size_t size, struct chardev_domain **ret_domain,
	struct chardev_error *error)
{
	struct error err = {0};
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct chardev_domain *domain = calloc(1, sizeof(*domain));
	int code = -ENOMEM;
	if (domain != NULL)
		code = document_parse(xml != NULL ? xml : "", xml != NULL ? size : 0, &diagnostics,
			&domain->document);
	if (code == -ENOMEM)
		error_set(&err, -ENOMEM, "out of memory");
	else if (code < 0)
		code = first_error(&diagnostics, &err);
	diagnostics_fini(&diagnostics);
	if (code < 0) {
		free(domain);
		return library_error(&err, error);
	}
	domain->references = 1;
	*ret_domain = domain;
	return 0;
}

struct chardev_domain *library_domain_hold(const struct chardev_domain *domain)
{
	struct chardev_domain *held = (struct chardev_domain *)domain;
	__atomic_add_fetch(&held->references, 1, __ATOMIC_RELAXED);
	return held;
}

struct chardev_domain *chardev_domain_free(struct chardev_domain *domain)
{
	if (domain == NULL || __atomic_sub_fetch(&domain->references, 1, __ATOMIC_ACQ_REL) > 0)
		return NULL;
	document_free(domain->document);
	free(domain);
	return NULL;
}

const char *chardev_domain_name(const struct chardev_domain *domain)
{
	return document_domain(domain->document)->name;
}

size_t chardev_domain_device_count(const struct chardev_domain *domain)
{
	const struct domain *all = document_domain(domain->document);
	size_t count = 0;
	for (size_t i = 0; i < all->device_count; i++)
		count += device_is_presented(&all->devices[i]);
	return count;
}

const char *chardev_domain_alias(const struct chardev_domain *domain, size_t index)
{
	const struct domain *all = document_domain(domain->document);
	for (size_t i = 0; i < all->device_count; i++) {
		if (device_is_presented(&all->devices[i]) && index-- == 0)
			return all->devices[i].alias;
	}
	return NULL;
}
