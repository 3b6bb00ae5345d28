/*
 * The directory of definitions: one domain's document in each NAME.xml, where NAME is the domain's
 * name as it stands on disk (runtime_name()). What else is there is not looked at.
 *
 * Everything here but definition_parse() waits for the disk: for threads, and for a program that
 * serves nobody yet. Symbolic links are neither read nor written through.
 */
#ifndef CHARDEV_DAEMON_DEFINITIONS_H
#define CHARDEV_DAEMON_DEFINITIONS_H

#include "device/runtime.h"
#include "model/document.h"
#include "util/error.h"
#include "util/strlist.h"

enum {
	DEFINITIONS_MAX = 16384,                      /* in a directory */
	DEFINITION_LEAF_SIZE = RUNTIME_NAME_SIZE + 8, /* NAME.xml, .NAME.xml.new */
};

/* The file's name for a domain's name. */
void definition_leaf(const char *domain_name, char ret[DEFINITION_LEAF_SIZE]);

/*
 * The names of the files, in the order of strcmp(). A directory that is not there is empty. 0, or a
 * negative errno and a sentence.
 */
int definitions_list(const char *dir, struct strlist *ret, struct error *err);

/* The text of one file, owned by the caller. -ENOENT when it is gone. */
int definitions_read(
	const char *dir, const char *leaf, char **ret, size_t *ret_n, struct error *err);

/*
 * What a file's text says; every error and warning goes to `diagnostics`, which is an error when
 * the domain's name is not the one that the file's name is made of. 0 and the document, -EINVAL or
 * -ENOMEM.
 */
int definition_parse(const char *leaf, const char *text, size_t n, struct diagnostics *diagnostics,
	struct document **ret);

/*
 * A definition is kept in two steps, so that what can fail has been done before a domain is
 * changed: first everything is on the disk under another name, then it is given its own. The
 * directory is made (0700) if need be. A draft that a killed process left is of no effect, and is
 * replaced.
 */
int definitions_draft(
	const char *dir, const char *domain_name, const char *text, size_t n, struct error *err);
int definitions_keep_draft(const char *dir, const char *domain_name, struct error *err);
void definitions_drop_draft(const char *dir, const char *domain_name);

/* Whether definitions_remove() may remove something: the first step of an undefine. */
int definitions_check_removal(const char *dir, const char *domain_name, struct error *err);
/* 0 also when there is none. */
int definitions_remove(const char *dir, const char *domain_name, struct error *err);

#endif
