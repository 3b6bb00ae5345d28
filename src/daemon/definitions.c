/* The directory of definitions; see definitions.h. */
#include "daemon/definitions.h"

#include "util/dir.h"
#include "util/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char SUFFIX[] = ".xml";

/* ---- names ----------------------------------------------------------------------------------- */

void definition_leaf(const char *domain_name, char ret[DEFINITION_LEAF_SIZE])
{
	char name[RUNTIME_NAME_SIZE];
	runtime_name(domain_name, name);
	snprintf(ret, DEFINITION_LEAF_SIZE, "%s%s", name, SUFFIX);
}

static void draft_leaf(const char *domain_name, char ret[DEFINITION_LEAF_SIZE + 8])
{
	char leaf[DEFINITION_LEAF_SIZE];
	definition_leaf(domain_name, leaf);
	snprintf(ret, DEFINITION_LEAF_SIZE + 8, ".%s.new", leaf);
}

/* A file that may be a definition. Hidden ones are drafts, and what editors leave. */
static bool is_definition(const char *leaf)
{
	size_t n = strlen(leaf), end = sizeof(SUFFIX) - 1;
	return leaf[0] != '.' && n > end && strcmp(leaf + n - end, SUFFIX) == 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 0 or a negative errno. */
static int list_names(DIR *dir, struct strlist *ret)
{
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (entry == NULL)
			return -errno;
		if (!is_definition(entry->d_name))
			continue;
		if (ret->count == DEFINITIONS_MAX)
			return -E2BIG;
		strlist_add(ret, entry->d_name);
		if (ret->failed)
			return -ENOMEM;
	}
}

int definitions_list(const char *dir, struct strlist *ret, struct error *err)
{
	struct strlist names = STRLIST_INIT;
	DIR *open_dir = opendir(dir);
	if (open_dir == NULL && errno != ENOENT)
		return error_set(err, -errno, "cannot read the directory of definitions %s: %s",
			dir, error_text(errno));
	int code = open_dir != NULL ? list_names(open_dir, &names) : 0;
	if (open_dir != NULL)
		closedir(open_dir);
	if (code < 0) {
		strlist_fini(&names);
		return error_set(err, code, "cannot read the directory of definitions %s: %s", dir,
			code == -E2BIG ? "there are more files in it than this program serves"
				       : error_text(code));
	}
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(names.items[0]), compare);
	*ret = names;
	return 0;
}

static int open_file(int dir_fd, const char *leaf)
{
	struct stat st;
	int fd = openat(dir_fd, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int code = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (code < 0)
		fd_close(fd);
	return code < 0 ? code : fd;
}

static const char *why_unreadable(int code)
{
	if (code == -ELOOP)
		return "it is a symbolic link, which is not followed; put the file itself there";
	if (code == -EINVAL)
		return "it is no regular file";
	return error_text(code);
}

int definitions_read(
	const char *dir, const char *leaf, char **ret, size_t *ret_n, struct error *err)
{
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir_fd < 0 ? -errno : open_file(dir_fd, leaf);
	fd_close(dir_fd);
	int code = fd < 0 ? fd : fd_read_all(fd, DOCUMENT_MAX_BYTES, ret, ret_n);
	fd_close(fd);
	if (code < 0)
		return error_set(
			err, code, "cannot read %s/%s: %s", dir, leaf, why_unreadable(code));
	return 0;
}

int definition_parse(const char *leaf, const char *text, size_t n, struct diagnostics *diagnostics,
	struct document **ret)
{
	struct document *document = NULL;
	char fitting[DEFINITION_LEAF_SIZE];
	int code = document_parse(text, n, diagnostics, &document);
	if (code < 0)
		return code;
	const char *name = document_domain(document)->name;
	definition_leaf(name, fitting);
	if (strcmp(leaf, fitting) != 0) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, 0,
			"the domain's name is \"%s\", whose file is %s; rename one of the two",
			name, fitting);
		document_free(document);
		return -EINVAL;
	}
	*ret = document;
	return 0;
}

/* ---- keeping --------------------------------------------------------------------------------- */

static int open_dir_for_change(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What stands in a definition's place must be one. */
static int check_place(int dir_fd, const char *leaf)
{
	struct stat st;
	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static int write_draft(int dir_fd, const char *leaf, const char *text, size_t n)
{
	/* What a killed process left; O_EXCL then makes sure that the mode is ours. */
	unlinkat(dir_fd, leaf, 0);
	int fd = openat(dir_fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int code = fd_write_all(fd, text, n);
	if (code == 0 && fsync(fd) < 0)
		code = -errno;
	fd_close(fd);
	if (code < 0)
		unlinkat(dir_fd, leaf, 0);
	return code;
}

static int cannot_keep(const char *dir, const char *leaf, int code, struct error *err)
{
	return error_set(
		err, code, "cannot keep the definition %s/%s: %s", dir, leaf, why_unreadable(code));
}

int definitions_draft(
	const char *dir, const char *domain_name, const char *text, size_t n, struct error *err)
{
	char leaf[DEFINITION_LEAF_SIZE], draft[DEFINITION_LEAF_SIZE + 8];
	definition_leaf(domain_name, leaf);
	draft_leaf(domain_name, draft);
	int dir_fd = dir_make(dir, 0700, NULL);
	if (dir_fd == 0)
		dir_fd = open_dir_for_change(dir);
	int code = dir_fd < 0 ? dir_fd : check_place(dir_fd, leaf);
	if (code == 0)
		code = write_draft(dir_fd, draft, text, n);
	fd_close(dir_fd);
	return code < 0 ? cannot_keep(dir, leaf, code, err) : 0;
}

int definitions_keep_draft(const char *dir, const char *domain_name, struct error *err)
{
	char leaf[DEFINITION_LEAF_SIZE], draft[DEFINITION_LEAF_SIZE + 8];
	definition_leaf(domain_name, leaf);
	draft_leaf(domain_name, draft);
	int dir_fd = open_dir_for_change(dir);
	int code = dir_fd < 0 ? dir_fd : check_place(dir_fd, leaf);
	if (code == 0 && renameat(dir_fd, draft, dir_fd, leaf) < 0)
		code = -errno;
	/* Without it a power failure may bring back the old one. */
	if (code == 0 && fsync(dir_fd) < 0)
		code = -errno;
	fd_close(dir_fd);
	return code < 0 ? cannot_keep(dir, leaf, code, err) : 0;
}

void definitions_drop_draft(const char *dir, const char *domain_name)
{
	char draft[DEFINITION_LEAF_SIZE + 8];
	draft_leaf(domain_name, draft);
	int dir_fd = open_dir_for_change(dir);
	if (dir_fd >= 0)
		unlinkat(dir_fd, draft, 0);
	fd_close(dir_fd);
}

/* ---- removing -------------------------------------------------------------------------------- */

static int cannot_remove(const char *dir, const char *leaf, int code, struct error *err)
{
	return error_set(err, code, "cannot remove the definition %s/%s: %s", dir, leaf,
		why_unreadable(code));
}

int definitions_check_removal(const char *dir, const char *domain_name, struct error *err)
{
	char leaf[DEFINITION_LEAF_SIZE];
	definition_leaf(domain_name, leaf);
	int dir_fd = open_dir_for_change(dir);
	if (dir_fd == -ENOENT)
		return 0;
	int code = dir_fd < 0 ? dir_fd : check_place(dir_fd, leaf);
	if (code == 0 && faccessat(dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		code = -errno;
	fd_close(dir_fd);
	return code < 0 ? cannot_remove(dir, leaf, code, err) : 0;
}

int definitions_remove(const char *dir, const char *domain_name, struct error *err)
{
	char leaf[DEFINITION_LEAF_SIZE];
	definition_leaf(domain_name, leaf);
	int dir_fd = open_dir_for_change(dir);
	if (dir_fd == -ENOENT)
		return 0;
	int code = dir_fd < 0 ? dir_fd : check_place(dir_fd, leaf);
	if (code == 0 && unlinkat(dir_fd, leaf, 0) < 0)
		code = errno == ENOENT ? 0 : -errno;
	if (code == 0 && fsync(dir_fd) < 0)
		code = -errno;
	fd_close(dir_fd);
	return code < 0 ? cannot_remove(dir, leaf, code, err) : 0;
}
