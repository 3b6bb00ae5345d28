/* Define and undefine, in their steps; see changes.h. */
#include "daemon/changes_internal.h"
#include "daemon/definitions.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct change *change_of(struct loop_job *job)
{
	return container_of(job, struct change, job);
}

static const char *dir_of(const struct change *change)
{
	return change->changes->params.dir;
}

/* ---- define: the document -------------------------------------------------------------------- */

/* All that is wrong with it, one sentence a line. */
static void refuse_document(const struct diagnostics *diagnostics, control_done *done, void *call)
{
	struct strlist lines = STRLIST_INIT;
	struct strbuf text = STRBUF_INIT;
	diagnostics_list(diagnostics, NULL, SEVERITY_ERROR, &lines);
	for (size_t i = 0; i < lines.count; i++)
		strbuf_addf(&text, "%s%s", i > 0 ? "\n" : "", lines.items[i]);
	strlist_fini(&lines);
	char *message = strbuf_steal(&text);
	change_refuse(done, call, -EINVAL, message != NULL ? message : "the document is wrong");
	free(message);
}

/* Everything of the document that is needed later. 0 or -ENOMEM. */
static int keep_document(
	struct change *change, const char *xml, size_t n, const struct diagnostics *diagnostics)
{
	change->name = strdup(document_domain(change->document)->name);
	change->xml = malloc(n + 1);
	if (change->name == NULL || change->xml == NULL)
		return -ENOMEM;
	memcpy(change->xml, xml, n);
	change->xml_size = n;
	diagnostics_list(diagnostics, NULL, SEVERITY_WARNING, &change->warnings);
	return change->warnings.failed ? -ENOMEM : 0;
}

/* ---- define: the steps ----------------------------------------------------------------------- */

static void keep_draft(struct loop_job *job)
{
	struct change *change = change_of(job);
	definitions_keep_draft(dir_of(change), change->name, &change->err);
}

static void drop_draft(struct loop_job *job)
{
	struct change *change = change_of(job);
	definitions_drop_draft(dir_of(change), change->name);
}

static void after_keep(struct change *change)
{
	if (change->err.code < 0)
		error_prefix(&change->err, "the domain is changed, but not for long: ");
	else if (change->not_started.code < 0)
		change->err = change->not_started;
	change_end(change);
}

/* The domain has the new document, and failed to start with it. */
static bool is_taken(const struct domains_result *result)
{
	return result->code == 0 ||
	       (result->served != NULL && served_state(result->served) == SERVED_FAILED);
}

static void on_defined(void *user, const struct domains_result *result)
{
	struct change *change = user;
	if (!is_taken(result)) {
		error_set(&change->err, result->code, "%s", result->message);
		change_on_thread(change, drop_draft, change_end);
		return;
	}
	if (result->code < 0)
		error_set(&change->not_started, result->code,
			"%s is defined, but could not be started: %s", change->name,
			result->message);
	change_keep_names(&change->changed, result->devices, result->device_count);
	change_on_thread(change, keep_draft, after_keep);
}

static void after_draft(struct change *change)
{
	char leaf[DEFINITION_LEAF_SIZE];
	char *origin = NULL;
	if (change->err.code < 0) {
		change_end(change);
		return;
	}
	struct document *document = change->document;
	change->document = NULL;
	definition_leaf(change->name, leaf);
	if (asprintf(&origin, "%s/%s", dir_of(change), leaf) < 0)
		origin = NULL;
	domains_define(change->changes->params.domains, document, origin, change->start, on_defined,
		change);
	free(origin);
}

static void write_draft(struct loop_job *job)
{
	struct change *change = change_of(job);
	definitions_draft(
		dir_of(change), change->name, change->xml, change->xml_size, &change->err);
}

static void begin_define(struct change *change)
{
	change_on_thread(change, write_draft, after_draft);
}

void changes_define(struct changes *changes, const char *xml, size_t n, bool start,
	control_done *done, void *call)
{
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct change *change = change_new(changes, done, call);
	int code =
		change != NULL ? document_parse(xml, n, &diagnostics, &change->document) : -ENOMEM;
	if (code == 0)
		code = keep_document(change, xml, n, &diagnostics);
	if (code == 0) {
		change->start = start;
		change_queue(change, begin_define);
	} else if (code == -EINVAL) {
		refuse_document(&diagnostics, done, call);
		change_free(change);
	} else {
		change_refuse(done, call, code, "no memory for the document");
		change_free(change);
	}
	diagnostics_fini(&diagnostics);
}

/* ---- undefine -------------------------------------------------------------------------------- */

static void remove_file(struct loop_job *job)
{
	struct change *change = change_of(job);
	definitions_remove(dir_of(change), change->name, &change->err);
}

static void after_remove(struct change *change)
{
	if (change->err.code < 0)
		error_prefix(
			&change->err, "the domain is not served any more, but will be again: ");
	change_end(change);
}

static void on_undefined(void *user, const struct domains_result *result)
{
	struct change *change = user;
	if (result->code < 0) {
		error_set(&change->err, result->code, "%s", result->message);
		change_end(change);
		return;
	}
	change_on_thread(change, remove_file, after_remove);
}

/* It may have gone while this change waited. */
static void after_check(struct change *change)
{
	struct served *served = domains_find(change->changes->params.domains, change->name);
	if (change->err.code == 0 && served == NULL)
		error_set(&change->err, -ENOENT,
			"there is no domain %s any more; \"chardev list\" names those there are",
			change->name);
	if (change->err.code < 0)
		change_end(change);
	else
		domains_undefine(served, on_undefined, change);
}

static void check_removal(struct loop_job *job)
{
	struct change *change = change_of(job);
	definitions_check_removal(dir_of(change), change->name, &change->err);
}

static void begin_undefine(struct change *change)
{
	change_on_thread(change, check_removal, after_check);
}

void changes_undefine(struct changes *changes, const char *domain, control_done *done, void *call)
{
	struct change *change = change_new(changes, done, call);
	if (change != NULL)
		change->name = strdup(domain);
	if (change != NULL && change->name != NULL) {
		change_queue(change, begin_undefine);
		return;
	}
	change_free(change);
	change_refuse(done, call, -ENOMEM, "no memory to undefine the domain");
}
