/*
 * chardev xml: a domain's XML as libvirt would keep it, or the live XML of a running domain.
 *
 * The live one is asked for at the domain's server. A domain that no server knows may be served by
 * a program with libchardev, which has no server and leaves its document beside its devices.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control_options.h"
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
	if (snprintf(path, sizeof(path), "%s/%s/lock", directory, name) >= (int)sizeof(path) ||
		input_read(path, 64, &text, &n, NULL) < 0)
		return true;
	char number[24];
	snprintf(number, sizeof(number), "%.*s", (int)(n < 20 ? n : 20), text);
	free(text);
	long pid = strtol(number, NULL, 10);
	return pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static int print_live_file(const char *directory, const char *domain_name)
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
			"\"chardev run\", or \"chardev start\" if chardevd has it\n",
			domain_name, path);
	else if (r < 0)
		control_failed(&err);
	else
		fwrite(text, 1, n, stdout);
	free(text);
	return r < 0 ? 1 : 0;
}

/* 0, -ENOENT: no server knows it, or another failure. */
static int print_described(
	const struct control_options *options, const char *name, struct error *err)
{
	json_t *reply = NULL;
	int code = control_call(options, name, "org.chardev.Describe",
		json_pack("{s:s, s:b}", "domain", name, "live", 1), &reply, err);
	const json_t *xml = json_object_get(reply, "xml");
	if (code == 0 && !json_is_string(xml))
		code = error_set(err, -EPROTO, "the server's answer has no document in it");
	if (code == 0)
		fwrite(json_string_value(xml), 1, json_string_length(xml), stdout);
	json_decref(reply);
	return code;
}

static int print_live(const struct control_options *options, const char *name)
{
	struct control_target target;
	char directory[PATH_BYTES];
	struct error err = {0};
	int code = control_target_parse(name, &target, &err);
	if (code < 0)
		return control_failed(&err);
	control_target_fini(&target);
	code = print_described(options, name, &err);
	if (code != -ENOENT || options->socket != NULL)
		return code < 0 ? control_failed(&err) : 0;
	if (options->runtime_dir != NULL)
		return print_live_file(options->runtime_dir, name);
	if (runtime_default_dir(directory, sizeof(directory), &err) < 0)
		return control_failed(&err);
	return print_live_file(directory, name);
}

int cli_xml(int argc, char **argv)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"live", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	struct control_options options = {0};
	const char *live = NULL;
	for (int c; (c = control_options_next(&options, argc, argv, ":", table)) != -1;) {
		if (c != 'l')
			return EXIT_USAGE;
		live = optarg;
	}
	if (argc - optind != (live == NULL ? 1 : 0))
		return control_usage(
			argv[0], "it takes one FILE (\"-\" is standard input), or --live NAME");
	return live == NULL ? print_file(argv[optind]) : print_live(&options, live);
}
