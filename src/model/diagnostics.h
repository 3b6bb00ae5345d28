/*
 * Every error and warning found in one document, in the order of its lines. Bounded: after
 * DIAGNOSTICS_MAX entries the rest are counted, not kept.
 */
#ifndef CHARDEV_MODEL_DIAGNOSTICS_H
#define CHARDEV_MODEL_DIAGNOSTICS_H

#include "util/strlist.h"

#include <stdbool.h>
#include <stddef.h>

enum { DIAGNOSTICS_MAX = 1000 };

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct diagnostic {
	enum severity severity;
	unsigned line; /* 0: concerns the document as a whole */
	char *message; /* one sentence: what is wrong and what to do */
};

struct diagnostics {
	struct diagnostic *entries;
	size_t count;
	size_t errors;   /* all of them, kept or not */
	size_t warnings; /* likewise */
};

#define DIAGNOSTICS_INIT ((struct diagnostics){0})

void diagnostics_add(struct diagnostics *diagnostics, enum severity severity, unsigned line,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void diagnostics_sort(struct diagnostics *diagnostics);
/*
 * Adds each entry of at least that severity as a line: "NAME:LINE: sentence", or "line LINE:
 * sentence" when there is no name; and, if some were not kept, how many.
 */
void diagnostics_list(const struct diagnostics *diagnostics, const char *name,
	enum severity severity, struct strlist *ret);
void diagnostics_fini(struct diagnostics *diagnostics);

#endif
