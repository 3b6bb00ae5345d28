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

static int read_all(int fd, size_t limit, char **ret, size_t *ret_n)
{
	size_t capacity = 64 * 1024;
	size_t n = 0;
	char *text = malloc(capacity);
	while (text != NULL) {
		ssize_t got = read(fd, text + n, capacity - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int r = -errno;
			free(text);
			return r;
		}
		n += (size_t)got;
		if (got == 0 || n > limit) {
			*ret = text;
			*ret_n = n;
			return 0;
		}
		if (n < capacity)
			continue;
		capacity = capacity * 2 < limit ? capacity * 2 : limit + 1;
		char *larger = realloc(text, capacity);
		if (larger == NULL)
			free(text);
		text = larger;
	}
	return -ENOMEM;
}

int input_read(const char *path, size_t limit, char **ret, size_t *ret_n, struct error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %s", path, error_text(-errno));
	int r = read_all(fd, limit, ret, ret_n);
	if (!is_stdin)
		fd_close(fd);
	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", path, error_text(r));
	return 0;
}

static void print(const char *name, const struct diagnostic *entry)
{
	const char *label = entry->severity == SEVERITY_WARNING ? "warning: " : "";
	if (entry->line > 0)
		fprintf(stderr, "%s:%u: %s%s\n", name, entry->line, label, entry->message);
	else
		fprintf(stderr, "%s: %s%s\n", name, label, entry->message);
}

static void print_all(const char *name, const struct diagnostics *diagnostics, bool warnings)
{
	for (size_t i = 0; i < diagnostics->count; i++)
		if (warnings || diagnostics->entries[i].severity == SEVERITY_ERROR)
			print(name, &diagnostics->entries[i]);
	size_t found = diagnostics->errors + diagnostics->warnings;
	if (found > diagnostics->count)
		fprintf(stderr, "%s: %zu more errors and warnings are not shown\n", name,
			found - diagnostics->count);
}

void input_print(const char *path, const struct diagnostics *diagnostics, bool warnings)
{
	print_all(strcmp(path, "-") == 0 ? "stdin" : path, diagnostics, warnings);
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
