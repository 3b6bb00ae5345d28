/* A bounded list of errors and warnings; see diagnostics.h. */
#include "model/diagnostics.h"

#include "util/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void diagnostics_add(struct diagnostics *diagnostics, enum severity severity, unsigned line,
	const char *format, ...)
{
	if (severity == SEVERITY_ERROR)
		diagnostics->errors++;
	else
		diagnostics->warnings++;
	if (diagnostics->count >= DIAGNOSTICS_MAX)
		return;
	if (diagnostics->entries == NULL)
		diagnostics->entries = calloc(DIAGNOSTICS_MAX, sizeof(diagnostics->entries[0]));
	if (diagnostics->entries == NULL)
		return;
	va_list args;
	va_start(args, format);
	char *message = NULL;
	int n = vasprintf(&message, format, args);
	va_end(args);
	if (n < 0)
		return;
	diagnostics->entries[diagnostics->count++] =
		(struct diagnostic){.severity = severity, .line = line, .message = message};
}

/* Stable, so that what is found first on a line stays first; the list is short. */
void diagnostics_sort(struct diagnostics *diagnostics)
{
	for (size_t i = 1; i < diagnostics->count; i++) {
		struct diagnostic entry = diagnostics->entries[i];
		size_t at = i;
		while (at > 0 && diagnostics->entries[at - 1].line > entry.line) {
			diagnostics->entries[at] = diagnostics->entries[at - 1];
			at--;
		}
		diagnostics->entries[at] = entry;
	}
}

static char *format_entry(const struct diagnostic *entry, const char *name)
{
	struct strbuf text = STRBUF_INIT;
	if (name != NULL)
		strbuf_add(&text, name);
	if (entry->line > 0)
		strbuf_addf(&text, name != NULL ? ":%u" : "line %u", entry->line);
	if (name != NULL || entry->line > 0)
		strbuf_add(&text, ": ");
	if (entry->severity == SEVERITY_WARNING)
		strbuf_add(&text, "warning: ");
	strbuf_add(&text, entry->message);
	return strbuf_steal(&text);
}

void diagnostics_list(const struct diagnostics *diagnostics, const char *name,
	enum severity severity, struct strlist *ret)
{
	struct strbuf more = STRBUF_INIT;
	for (size_t i = 0; i < diagnostics->count; i++)
		if (diagnostics->entries[i].severity >= severity)
			strlist_take(ret, format_entry(&diagnostics->entries[i], name));
	size_t found = diagnostics->errors + diagnostics->warnings;
	if (found <= diagnostics->count)
		return;
	strbuf_addf(&more, "%s%s%zu more errors and warnings are not shown",
		name != NULL ? name : "", name != NULL ? ": " : "", found - diagnostics->count);
	strlist_take(ret, strbuf_steal(&more));
}

void diagnostics_fini(struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++)
		free(diagnostics->entries[i].message);
	free(diagnostics->entries);
	*diagnostics = DIAGNOSTICS_INIT;
}
