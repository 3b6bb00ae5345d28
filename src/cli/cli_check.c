/* chardev check: every error and warning of a domain's XML, with its line. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/input.h"

int cli_check(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "chardev: check takes one FILE (\"-\" is standard input)\n");
		return EXIT_USAGE;
	}
	struct document *document = NULL;
	int r = input_document(argv[1], true, &document);
	document_free(document);
	return r < 0 ? 1 : 0;
}
