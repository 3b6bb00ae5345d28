/* chardev xml: a domain's XML as libvirt would keep it, or the live XML of a running domain. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/input.h"
#include "device/runtime.h"

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

/*
 * Does the process that wrote the live document still live? Its number stands in the lock file; the
 * lock itself is not tried, lest a start at the same moment be refused.
 */
static bool is_running(const char *directory, const char *name)
{
	char path[PATH_BYTES];
	char *text = NULL;
	size_t n = 0;
	snprintf(path, sizeof(path), "%s/%s/lock", directory, name);
	if (input_read(path, 64, &text, &n, NULL) < 0)
		return true;
	char number[24];
	snprintf(number, sizeof(number), "%.*s", (int)(n < 20 ? n : 20), text);
	free(text);
	long pid = strtol(number, NULL, 10);
	return pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

/* A running `chardev run` keeps the live document beside its devices. */
static int print_live(const char *directory, const char *domain_name)
{
	char path[PATH_BYTES];
	char name[RUNTIME_NAME_SIZE];
	char *text = NULL;
	size_t n = 0;
	struct error err = {0};
	runtime_name(domain_name, name);
	if (snprintf(path, sizeof(path), "%s/%s/live.xml", directory, name) >= (int)sizeof(path)) {
		fprintf(stderr, "chardev: the runtime directory's name is too long\n");
		return 1;
	}
	int r = is_running(directory, name) ? input_read(path, DOCUMENT_MAX_BYTES, &text, &n, &err)
					    : -ENOENT;
	if (r == -ENOENT || r == -ENOTDIR)
		fprintf(stderr,
			"chardev: domain \"%s\" is not running (nothing serves %s); start it with "
			"\"chardev run\"\n",
			domain_name, path);
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
	struct error err = {0};
	if (directory[0] == '\0' && runtime_default_dir(directory, sizeof(directory), &err) < 0) {
		fprintf(stderr, "chardev: %s\n", err.message);
		return 1;
	}
	return print_live(directory, live);
}
