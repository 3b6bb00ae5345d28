/*
 * chardev qemu: the arguments that attach QEMU to a domain's devices, one a line. They do not need
 * the devices to be there: what `chardev run` makes of the same file stands where these point to.
 */
#include "cli/command.h"
#include "cli/input.h"
#include "cli/vmm_attach.h"
#include "device/runtime.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

static int domain_dir(
	const struct domain *domain, const char *base, char *ret, size_t size, struct error *err)
{
	char name[RUNTIME_NAME_SIZE], standard[RUNTIME_PATH_SIZE];
	if (base == NULL) {
		int code = runtime_default_dir(standard, sizeof(standard), err);
		if (code < 0)
			return code;
		base = standard;
	}
	runtime_name(domain->name, name);
	if (snprintf(ret, size, "%s/%s", base, name) >= (int)size)
		return error_set(err, -ENAMETOOLONG,
			"the runtime directory %.64s... has too long a name; give a shorter one",
			base);
	return 0;
}

static int print_arguments(const char *file, const char *runtime_dir)
{
	struct document *document = NULL;
	struct qemu_arguments arguments = {0};
	struct error err = {0};
	char dir[RUNTIME_PATH_SIZE];
	if (input_document(file, true, &document) < 0)
		return 1;
	const struct domain *domain = document_domain(document);
	int code = domain_dir(domain, runtime_dir, dir, sizeof(dir), &err);
	if (code == 0)
		code = vmm_attach_qemu(domain, dir, file, NULL, &arguments, &err);
	if (code < 0)
		fprintf(stderr, "chardev: %s\n", err.message);
	for (size_t i = 0; code == 0 && i < arguments.args.count; i++)
		puts(arguments.args.items[i]);
	qemu_arguments_fini(&arguments);
	document_free(document);
	return code < 0 ? 1 : 0;
}

int cli_qemu(int argc, char **argv)
{
	static const struct option options[] = {
		{"runtime-dir", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *runtime_dir = NULL;
	optind = 1;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		if (c != 'r') {
			fprintf(stderr, "chardev: qemu: %s: see \"chardev help qemu\"\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
		runtime_dir = optarg;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "chardev: qemu takes one FILE (\"-\" is standard input)\n");
		return EXIT_USAGE;
	}
	return print_arguments(argv[optind], runtime_dir);
}
