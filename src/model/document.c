/* A document: its tree and its domain; see document.h. Printing it is format.c. */
#include "model/document_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "model/check.h"
#include "model/device_config.h"
#include "model/parse.h"
#include "model/xml.h"

/* Devices that were not yet moved into the domain, when reading ended early. */
static void parsing_fini(struct parsing *parsing)
{
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
		struct device_list *list = &parsing->lists[kind];
		for (size_t i = 0; list->devices != NULL && i < list->count; i++)
			device_config_fini(&list->devices[i]);
		free(list->devices);
		free(list->elements);
	}
}

/* The elements of all devices, in the domain's order. */
static int keep_elements(struct document *document, const struct parsing *parsing)
{
	size_t count = document->domain->device_count;
	size_t at = 0;
	document->elements = calloc(count != 0 ? count : 1, sizeof(document->elements[0]));
	if (document->elements == NULL)
		return -ENOMEM;
	for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++)
		for (size_t i = 0; i < parsing->lists[kind].count; i++)
			document->elements[at++] = parsing->lists[kind].elements[i];
	return 0;
}

static int read_document(
	struct document *document, const char *xml, size_t n, struct diagnostics *diagnostics)
{
	struct error err = {0};
	unsigned line = 0;
	int r = xml_read(xml, n, &document->xml, &line, &err);
	if (r < 0) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, line, "%s", err.message);
		return r;
	}
	document->domain = calloc(1, sizeof(*document->domain));
	if (document->domain == NULL)
		return -ENOMEM;
	size_t errors = diagnostics->errors;
	struct parsing parsing = {.diagnostics = diagnostics, .domain = document->domain};
	r = parse_domain(&parsing, document->xml);
	if (r == 0)
		r = keep_elements(document, &parsing);
	parsing_fini(&parsing);
	if (r == 0)
		domain_check(document->domain, diagnostics);
	diagnostics_sort(diagnostics);
	return r == 0 && diagnostics->errors > errors ? -EINVAL : r;
}

int document_parse(
	const char *xml, size_t n, struct diagnostics *diagnostics, struct document **ret)
{
	struct document *document = calloc(1, sizeof(*document));
	if (document == NULL)
		return -ENOMEM;
	int r = read_document(document, xml, n, diagnostics);
	if (r < 0) {
		document_free(document);
		return r;
	}
	*ret = document;
	return 0;
}

const struct domain *document_domain(const struct document *document)
{
	return document->domain;
}

struct document *document_free(struct document *document)
{
	if (document == NULL)
		return NULL;
	free(document->elements);
	domain_free(document->domain);
	xmlFreeDoc(document->xml);
	free(document);
	return NULL;
}
