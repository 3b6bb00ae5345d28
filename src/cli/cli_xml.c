/* chardev xml: a domain's XML as libvirt would keep it, or the live XML of a running domain. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/input.h"

enum { PATH_BYTES = 4096 };

static int print_file(const char *path)
{
	struct document *document = NULL;
	if (input_document(path, false, &document) < 0)
		return 1;
	char *text = document_format(document);
	document_free(document);
	if (text == NULL) {
		fprintf(stderr, "chardev: out of memory\n");
		return 1;
	}
	fputs(text, stdout);
	free(text);
	return 0;
}

static int runtime_dir(char *ret, size_t n)
{
	const char *user = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		return snprintf(ret, n, "/run/chardev") > 0 ? 0 : -EINVAL;
	if (user == NULL || user[0] != '/')
		return -EINVAL;
	return snprintf(ret, n, "%s/chardev", user) < (int)n ? 0 : -ENAMETOOLONG;
}

/* A running `chardev run` keeps the live document beside its devices. */
static int print_live(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	char *text = NULL;
	size_t n = 0;
	struct error err = {0};
	if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0') {
		fprintf(stderr, "chardev: \"%s\" is not the name of a domain\n", name);
		return EXIT_USAGE;
	}
	if (snprintf(path, sizeof(path), "%s/%s/live.xml", directory, name) >= (int)sizeof(path)) {
		fprintf(stderr, "chardev: the runtime directory's name is too long\n");
		return 1;
	}
	int r = input_read(path, DOCUMENT_MAX_BYTES, &text, &n, &err);
	if (r == -ENOENT || r == -ENOTDIR)
		fprintf(stderr,
			"chardev: domain \"%s\" is not running (there is no %s); start it with "
			"\"chardev run\"\n",
			name, path);
	else if (r < 0)
		fprintf(stderr, "chardev: %s\n", err.message);
	else
		fwrite(text, 1, n, stdout);
	free(text);
	return r < 0 ? 1 : 0;
}

int cli_xml(int argc, char **argv)
{
	static const struct option options[] = {
		{"live", required_argument, NULL, 'l'},
		{"runtime-dir", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *live = NULL;
	char directory[PATH_BYTES] = "";
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		if (c == 'l') {
			live = optarg;
		} else if (c == 'r') {
			snprintf(directory, sizeof(directory), "%s", optarg);
		} else {
			fprintf(stderr, "chardev: xml: %s: see \"chardev help xml\"\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != (live == NULL ? 1 : 0)) {
		fprintf(stderr, "chardev: xml takes one FILE (\"-\" is standard input), or --live "
				"NAME\n");
		return EXIT_USAGE;
	}
	if (live == NULL)
		return print_file(argv[optind]);
	if (directory[0] == '\0' && runtime_dir(directory, sizeof(directory)) < 0) {
		fprintf(stderr, "chardev: XDG_RUNTIME_DIR is not set; set it, or give "
				"--runtime-dir DIR\n");
		return 1;
	}
	return print_live(directory, live);
}
