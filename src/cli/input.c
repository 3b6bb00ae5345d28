/* Reading a command's input file; see input.h. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

int input_read(const char *path, size_t limit, char **ret, size_t *ret_n, struct error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %s", path, error_text(-errno));
	int r = fd_read_all(fd, limit, ret, ret_n);
	if (!is_stdin)
		fd_close(fd);
	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", path, error_text(r));
	return 0;
}

void input_print(const char *path, const struct diagnostics *diagnostics, bool warnings)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	struct strlist lines = STRLIST_INIT;
	diagnostics_list(diagnostics, name, warnings ? SEVERITY_WARNING : SEVERITY_ERROR, &lines);
	for (size_t i = 0; i < lines.count; i++)
		fprintf(stderr, "%s\n", lines.items[i]);
	strlist_fini(&lines);
}

int input_document(const char *path, bool warnings, struct document **ret)
{
	char *xml = NULL;
	size_t n = 0;
	struct error err = {0};
	int r = input_read(path, DOCUMENT_MAX_BYTES, &xml, &n, &err);
	if (r < 0) {
		fprintf(stderr, "chardev: %s\n", err.message);
		return r;
	}
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	r = document_parse(xml, n, &diagnostics, ret);
	free(xml);
	input_print(path, &diagnostics, warnings);
	if (r == -ENOMEM)
		fprintf(stderr, "chardev: out of memory\n");
	diagnostics_fini(&diagnostics);
	return r;
}
