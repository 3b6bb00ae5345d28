/*
 * Any bytes as a domain document: read, checked, printed, read again. What we print of a document
 * that we accept must be accepted again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/document.h"

static void print_live(const struct document *document)
{
	const struct domain *domain = document_domain(document);
	struct device_live live[2] = {0};
	size_t count = 0;
	for (size_t i = 0; i < domain->device_count && count < 2; i++)
		live[count++] = (struct device_live){
			.alias = domain->devices[i].alias,
			.pty_path = "/dev/pts/3",
			.service = "4000",
			.path = "/run/chardev/a/b.sock",
		};
	free(document_format_live(document, live, count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	if (document_parse((const char *)data, size, &diagnostics, &document) == 0) {
		struct document *again = NULL;
		char *text = document_format(document);
		print_live(document);
		assert(text != NULL);
		assert(document_parse(text, strlen(text), &diagnostics, &again) == 0);
		free(text);
		document_free(again);
		document_free(document);
	} else {
		assert(diagnostics.errors > 0);
	}
	diagnostics_fini(&diagnostics);
	return 0;
}
