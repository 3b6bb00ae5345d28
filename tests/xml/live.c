/*
 * Prints the live document of the domain whose XML comes on standard input, for the tests. Each
 * argument is a running device: ALIAS,PTY,SERVICE,PATH; an empty field is not known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/document.h"

static const char *field(char **rest)
{
	const char *text = strsep(rest, ",");
	return text != NULL && text[0] != '\0' ? text : NULL;
}

int main(int argc, char **argv)
{
	static char xml[64 * 1024];
	size_t n = fread(xml, 1, sizeof(xml), stdin);
	struct device_live *live = calloc((size_t)argc, sizeof(live[0]));
	for (int i = 1; live != NULL && i < argc; i++) {
		char *rest = argv[i];
		live[i - 1].alias = field(&rest);
		live[i - 1].pty_path = field(&rest);
		live[i - 1].service = field(&rest);
		live[i - 1].path = field(&rest);
	}
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	int status = EXIT_FAILURE;
	if (live != NULL && document_parse(xml, n, &diagnostics, &document) == 0) {
		char *text = document_format_live(document, live, (size_t)argc - 1);
		if (text != NULL && fputs(text, stdout) >= 0)
			status = EXIT_SUCCESS;
		free(text);
	}
	for (size_t i = 0; i < diagnostics.count; i++)
		fprintf(stderr, "%u: %s\n", diagnostics.entries[i].line,
			diagnostics.entries[i].message);
	document_free(document);
	diagnostics_fini(&diagnostics);
	free(live);
	return status;
}
