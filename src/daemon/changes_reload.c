/*
 * Reload, file by file: each is read on a thread and served before the next one is read, so that
 * callers and consoles get their turns in between. What fails is that file's, or the settings',
 * alone.
 */
#include "daemon/changes_internal.h"
#include "daemon/definitions.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reload {
	bool with_settings;
	struct settings settings;
	int settings_code;
	struct diagnostics problems; /* of the settings */
	struct strlist leaves;       /* the files, in order */
	size_t at;                   /* the file, then the domain, that it is at */
	char *text;                  /* of the file */
	size_t text_size;
	bool is_new; /* the domain was not there before */
	struct strlist failed, reasons;
	char *domain; /* the name of the one that is being changed */
	struct change *change;
	struct loop_task task; /* goes on with `step` */
	void (*step)(struct change *change);
};

static struct change *change_of(struct loop_job *job)
{
	return container_of(job, struct change, job);
}

static void next_file(struct change *change);
static void next_domain(struct change *change);

/*
 * What was begun may be done at once: the next step is taken from the loop, however many follow
 * each other.
 */
static void go_on(struct change *change, void (*step)(struct change *change))
{
	change->reload->step = step;
	loop_task_post(&change->reload->task);
}

static void on_task(struct loop_task *task)
{
	struct reload *reload = container_of(task, struct reload, task);
	reload->step(reload->change);
}

/* ---- what failed ----------------------------------------------------------------------------- */

static void add_failure(struct reload *reload, const char *domain, const char *reason)
{
	strlist_add(&reload->failed, domain);
	strlist_add(&reload->reasons, reason);
}

/* Each error on a line of its own, with the file's name. */
static void add_problems(struct reload *reload, const char *domain, const char *path,
	const struct diagnostics *diagnostics)
{
	struct strlist lines = STRLIST_INIT;
	diagnostics_list(diagnostics, path, SEVERITY_ERROR, &lines);
	for (size_t i = 0; i < lines.count; i++)
		add_failure(reload, domain, lines.items[i]);
	reload->failed.failed |= lines.failed;
	strlist_fini(&lines);
}

/* The domain's name, as far as a file's name tells. */
static void add_file_failure(struct reload *reload, const char *leaf, const char *reason)
{
	char name[RUNTIME_NAME_SIZE];
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(leaf) - strlen(".xml")), leaf);
	add_failure(reload, name, reason);
}

/* ---- the end --------------------------------------------------------------------------------- */

void reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	diagnostics_fini(&reload->problems);
	strlist_fini(&reload->leaves);
	strlist_fini(&reload->failed);
	strlist_fini(&reload->reasons);
	free(reload->text);
	free(reload->domain);
	free(reload);
}

/* Lends what failed; NULL: no memory, also for what should have been remembered. */
static struct control_failure *failures_of(const struct change *change)
{
	const struct reload *reload = change->reload;
	if (reload->failed.failed || reload->reasons.failed || change->changed.failed)
		return NULL;
	struct control_failure *failures = calloc(reload->failed.count + 1, sizeof(*failures));
	for (size_t i = 0; failures != NULL && i < reload->failed.count; i++)
		failures[i] = (struct control_failure){
			.domain = reload->failed.items[i],
			.message = reload->reasons.items[i],
		};
	return failures;
}

static void end(struct change *change)
{
	struct control_failure *failures = failures_of(change);
	if (failures == NULL && change->err.code == 0)
		error_set(&change->err, -ENOMEM, "no memory for what has changed and failed");
	struct control_outcome outcome = {
		.code = change->err.code,
		.message = change->err.message,
		.names = (const char *const *)change->changed.items,
		.name_count = change->changed.count,
		.failures = failures,
		.failure_count = failures != NULL ? change->reload->failed.count : 0,
	};
	change_end_with(change, &outcome);
	free(failures);
}

static bool is_ending(struct change *change)
{
	if (change->changes->closed == NULL)
		return false;
	error_set(&change->err, -ECANCELED, "this server is ending");
	end(change);
	return true;
}

/* ---- domains without a file ------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those of a document that came from elsewhere are nobody's to remove here. */
static bool has_lost_its_file(const struct change *change, const struct served *served)
{
	const struct reload *reload = change->reload;
	const char *dir = change->changes->params.dir;
	const char *origin = served_origin(served);
	size_t n = strlen(dir);
	if (strncmp(origin, dir, n) != 0 || origin[n] != '/')
		return false;
	const char *leaf = origin + n + 1;
	return reload->leaves.count == 0 ||
	       bsearch(&leaf, reload->leaves.items, reload->leaves.count, sizeof(char *),
		       compare_names) == NULL;
}

static void on_undefined(void *user, const struct domains_result *result)
{
	struct change *change = user;
	struct reload *reload = change->reload;
	if (result->code < 0) {
		add_failure(reload, reload->domain, result->message);
		reload->at++; /* it is still there */
	} else {
		strlist_add(&change->changed, reload->domain);
	}
	go_on(change, next_domain);
}

static void next_domain(struct change *change)
{
	struct reload *reload = change->reload;
	struct domains *domains = change->changes->params.domains;
	while (reload->at < domains_count(domains) &&
		!has_lost_its_file(change, domains_at(domains, reload->at)))
		reload->at++;
	if (is_ending(change))
		return;
	if (reload->at >= domains_count(domains)) {
		end(change);
		return;
	}
	struct served *served = domains_at(domains, reload->at);
	free(reload->domain);
	reload->domain = strdup(served_name(served));
	if (reload->domain == NULL) {
		error_set(&change->err, -ENOMEM, "no memory to undefine a domain");
		end(change);
		return;
	}
	domains_undefine(served, on_undefined, change);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void on_defined(void *user, const struct domains_result *result)
{
	struct change *change = user;
	struct reload *reload = change->reload;
	if (result->code < 0)
		add_failure(reload, reload->domain, result->message);
	else if (reload->is_new || result->device_count > 0)
		strlist_add(&change->changed, reload->domain);
	go_on(change, next_file);
}

static void serve(struct change *change, struct document *document, const char *path)
{
	struct reload *reload = change->reload;
	struct domains *domains = change->changes->params.domains;
	free(reload->domain);
	reload->domain = strdup(document_domain(document)->name);
	if (reload->domain == NULL) {
		document_free(document);
		error_set(&change->err, -ENOMEM, "no memory for a domain");
		end(change);
		return;
	}
	reload->is_new = domains_find(domains, reload->domain) == NULL;
	domains_define(domains, document, path, true, on_defined, change);
}

/* Whether the file is being served; else the next one is due. */
static bool serve_text(struct change *change, const char *leaf)
{
	struct reload *reload = change->reload;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	struct document *document = NULL;
	char *path = NULL, name[RUNTIME_NAME_SIZE];
	int code = asprintf(&path, "%s/%s", change->changes->params.dir, leaf) < 0 ? -ENOMEM : 0;
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(leaf) - strlen(".xml")), leaf);
	if (code == 0)
		code = definition_parse(
			leaf, reload->text, reload->text_size, &diagnostics, &document);
	if (code == -EINVAL)
		add_problems(reload, name, path, &diagnostics);
	else if (code < 0)
		add_failure(reload, name, "no memory for the document");
	else
		serve(change, document, path);
	diagnostics_fini(&diagnostics);
	if (path != NULL)
		free(path);
	return code == 0;
}

static void after_read(struct change *change)
{
	struct reload *reload = change->reload;
	const char *leaf = reload->leaves.items[reload->at++];
	struct error err = change->err;
	change->err = (struct error){0};
	if (err.code < 0) {
		add_file_failure(reload, leaf, err.message);
		go_on(change, next_file);
		return;
	}
	if (!serve_text(change, leaf))
		go_on(change, next_file);
}

static void read_file(struct loop_job *job)
{
	struct change *change = change_of(job);
	struct reload *reload = change->reload;
	free(reload->text);
	reload->text = NULL;
	definitions_read(change->changes->params.dir, reload->leaves.items[reload->at],
		&reload->text, &reload->text_size, &change->err);
}

static void next_file(struct change *change)
{
	struct reload *reload = change->reload;
	if (is_ending(change))
		return;
	if (reload->at < reload->leaves.count) {
		change_on_thread(change, read_file, after_read);
		return;
	}
	reload->at = 0;
	next_domain(change);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void after_list(struct change *change)
{
	struct reload *reload = change->reload;
	const struct changes_params *params = &change->changes->params;
	if (reload->with_settings && reload->settings_code == 0)
		params->new_settings(params->user, &reload->settings);
	else if (reload->settings_code == -EINVAL)
		add_problems(reload, "", params->settings_path, &reload->problems);
	/* Whoever has moved the logs says so with a reload, be the settings right or wrong. */
	if (reload->with_settings)
		domains_reopen_logs(params->domains);
	if (change->err.code < 0)
		end(change);
	else
		next_file(change);
}

static void read_list(struct loop_job *job)
{
	struct change *change = change_of(job);
	struct reload *reload = change->reload;
	const struct changes_params *params = &change->changes->params;
	if (reload->with_settings)
		reload->settings_code = settings_read(params->settings_path,
			params->settings_must_exist, &reload->settings, &reload->problems);
	if (reload->settings_code == -ENOMEM)
		error_set(&change->err, -ENOMEM, "no memory for the settings");
	else
		definitions_list(params->dir, &reload->leaves, &change->err);
}

static void begin_reload(struct change *change)
{
	change_on_thread(change, read_list, after_list);
}

static void reload(struct changes *changes, bool with_settings, control_done *done, void *call)
{
	struct change *change = change_new(changes, done, call);
	if (change != NULL)
		change->reload = calloc(1, sizeof(*change->reload));
	if (change != NULL && change->reload != NULL) {
		change->reload->change = change;
		loop_task_init(&change->reload->task, changes->params.loop, on_task);
		change->reload->with_settings = with_settings;
		change->reload->settings_code = with_settings ? -ECANCELED : 0;
		change_queue(change, begin_reload);
		return;
	}
	change_free(change);
	change_refuse(done, call, -ENOMEM, "no memory to reload");
}

void changes_reload(struct changes *changes, control_done *done, void *call)
{
	reload(changes, true, done, call);
}

void changes_load(struct changes *changes, control_done *done, void *call)
{
	reload(changes, false, done, call);
}
