/* Ids, options and values on a QEMU command line; see qemu_build.h. */
#include "vmm/qemu_build.h"

#include <stdio.h>
#include <string.h>

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_id_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Whether `arg` gives something the id that stands at `at`: id=ID, or "id": "ID" in JSON. */
static bool gives_id(const char *arg, const char *at)
{
	const char *p = at;
	while (p > arg && strchr("\"' :=", p[-1]) != NULL)
		p--;
	return p != at && p >= arg + 2 && strncmp(p - 2, "id", 2) == 0 &&
	       (p == arg + 2 || !is_id_char(p[-3]));
}

static bool is_taken(const struct qemu_build *build, const char *id)
{
	size_t n = strlen(id);
	for (char *const *arg = build->params->user_args; arg != NULL && *arg != NULL; arg++)
		for (const char *at = strstr(*arg, id); at != NULL; at = strstr(at + 1, id))
			if (!is_id_char(at[n]) && gives_id(*arg, at))
				return true;
	return false;
}

void qemu_make_id(const struct qemu_build *build, const char *prefix, const char *alias,
	char ret[QEMU_ID_SIZE])
{
	char plain[QEMU_ID_SIZE - 16];
	snprintf(plain, sizeof(plain), "%s%s", prefix, alias);
	for (char *c = plain; *c != '\0'; c++)
		if (!is_id_char(*c))
			*c = '_';
	const char *lead = is_letter(plain[0]) ? "" : "id";
	snprintf(ret, QEMU_ID_SIZE, "%s%s", lead, plain);
	for (unsigned i = 2; is_taken(build, ret); i++)
		snprintf(ret, QEMU_ID_SIZE, "%s%s-%u", lead, plain, i);
}

/* QEMU takes an option with one dash or two. */
bool qemu_user_says(const struct qemu_build *build, const char *const *options)
{
	for (char *const *arg = build->params->user_args; arg != NULL && *arg != NULL; arg++) {
		if ((*arg)[0] != '-')
			continue;
		const char *word = *arg + ((*arg)[1] == '-' ? 2 : 1);
		for (const char *const *option = options; *option != NULL; option++)
			if (strcmp(word, *option) == 0)
				return true;
	}
	return false;
}

void qemu_add_value(struct strbuf *sb, const char *key, const char *value)
{
	strbuf_addf(sb, ",%s=", key);
	for (const char *c = value; *c != '\0'; c++)
		strbuf_add_bytes(sb, *c == ',' ? ",," : c, *c == ',' ? 2 : 1);
}

void qemu_add(struct qemu_build *build, const char *option, const char *value)
{
	strlist_add(&build->ret->args, option);
	strlist_add(&build->ret->args, value);
}

void qemu_add_built(struct qemu_build *build, const char *option, struct strbuf *sb)
{
	strlist_add(&build->ret->args, option);
	strlist_take(&build->ret->args, strbuf_steal(sb));
}
