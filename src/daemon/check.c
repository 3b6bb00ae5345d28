/* chardevd --check; see check.h. */
#include "daemon/check.h"

#include "daemon/definitions.h"
#include "daemon/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints what was found; true: no error. */
static bool report(const char *path, struct diagnostics *diagnostics, int code)
{
	struct strlist lines = STRLIST_INIT;
	diagnostics_list(diagnostics, path, SEVERITY_WARNING, &lines);
	for (size_t i = 0; i < lines.count; i++)
		fprintf(stderr, "%s\n", lines.items[i]);
	if (code == -ENOMEM || lines.failed)
		fprintf(stderr, "%s: out of memory\n", path);
	strlist_fini(&lines);
	diagnostics_fini(diagnostics);
	return code == 0;
}

static bool check_settings(const struct options *options)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct settings settings;
	int code =
		settings_read(options->config_file, options->config_given, &settings, &diagnostics);
	if (code == 0)
		settings_fini(&settings);
	return report(options->config_file, &diagnostics, code);
}

static bool check_definition(const char *dir, const char *leaf)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	struct error err = {0};
	char *text = NULL, *path = NULL;
	size_t n = 0;
	if (definitions_read(dir, leaf, &text, &n, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return false;
	}
	int code = definition_parse(leaf, text, n, &diagnostics, &document);
	free(text);
	document_free(document);
	if (asprintf(&path, "%s/%s", dir, leaf) < 0)
		path = NULL;
	bool good = report(path != NULL ? path : leaf, &diagnostics, code);
	free(path);
	return good;
}

bool check_all(const struct options *options)
{
	struct strlist leaves = STRLIST_INIT;
	struct error err = {0};
	bool good = check_settings(options);
	if (definitions_list(options->config_dir, &leaves, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		good = false;
	}
	for (size_t i = 0; i < leaves.count; i++)
		good &= check_definition(options->config_dir, leaves.items[i]);
	strlist_fini(&leaves);
	return good;
}
