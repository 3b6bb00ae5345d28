/* The settings of chardevd; see settings.h. */
#include "daemon/settings.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/group.h"
#include "util/size.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAD_LINES_MAX = 20 };

struct reading {
	const char *text, *at, *end;
	unsigned line; /* the one that inih has, from 1 */
	/* Lines that are no INI, in order: inih is not shown them again. */
	unsigned bad[BAD_LINES_MAX];
	size_t bad_count;
	bool looking; /* for those: nothing else is said or done */
	struct settings *settings;
	struct diagnostics *diagnostics;
	bool no_memory;
	unsigned quota_domain_line, quota_host_line; /* where they were set; 0: nowhere yet */
};

#define COMPLAIN(reading, ...) \
	diagnostics_add((reading)->diagnostics, SEVERITY_ERROR, (reading)->line, __VA_ARGS__)

/* ---- values ---------------------------------------------------------------------------------- */

static void set_quota(
	struct reading *reading, const char *key, const char *value, uint64_t *ret, unsigned *line)
{
	if (*line != 0)
		COMPLAIN(reading, "%s was set on line %u already; remove one of the two", key,
			*line);
	else if (!size_parse(value, ret))
		COMPLAIN(reading,
			"%s: \"%s\" is no size; write one such as 64MiB or 1GiB, or 0 for no quota",
			key, value);
	*line = reading->line;
}

static void set_log(struct reading *reading, const char *key, const char *value)
{
	struct settings *settings = reading->settings;
	if (strcmp(key, "quota_domain") == 0)
		set_quota(
			reading, key, value, &settings->quota_domain, &reading->quota_domain_line);
	else if (strcmp(key, "quota_host") == 0)
		set_quota(reading, key, value, &settings->quota_host, &reading->quota_host_line);
	else
		COMPLAIN(reading, "[log] has no key \"%s\"; it has quota_domain and quota_host",
			key);
}

/* "viewers", "operators", "admins" */
static enum role role_of_key(const char *key)
{
	for (int role = ROLE_VIEWER; role < ROLE_COUNT; role++) {
		const char *name = role_name((enum role)role);
		size_t n = strlen(name);
		if (strncmp(key, name, n) == 0 && strcmp(key + n, "s") == 0)
			return (enum role)role;
	}
	return ROLE_NONE;
}

static void allow(struct reading *reading, enum role role, const char *group, const char *domain)
{
	gid_t gid;
	int code = group_find(group, &gid);
	if (code == -ENOENT) {
		COMPLAIN(reading, "no group \"%s\" on this host; name one of /etc/group", group);
	} else if (code < 0) {
		COMPLAIN(reading, "cannot look up the group \"%s\": %s", group, error_text(code));
	} else if (reading->settings->access.count == SETTINGS_MAX_RULES) {
		COMPLAIN(reading, "more than %d groups in all; make a group of the people instead",
			SETTINGS_MAX_RULES);
	} else if (access_allow(&reading->settings->access, role, gid, domain) < 0) {
		reading->no_memory = true;
	}
}

static void set_access(
	struct reading *reading, const char *domain, const char *key, const char *value)
{
	char words[SETTINGS_MAX_LINE + 1];
	char *rest = words;
	enum role role = role_of_key(key);
	if (role == ROLE_NONE) {
		COMPLAIN(reading,
			"[access] has no key \"%s\"; it has viewers, operators and admins", key);
		return;
	}
	memcpy(words, value, strlen(value) + 1);
	for (char *word = strsep(&rest, " \t,"); word != NULL; word = strsep(&rest, " \t,"))
		if (word[0] != '\0')
			allow(reading, role, word, domain);
}

/* ---- sections -------------------------------------------------------------------------------- */

/* "access NAME": the name. "access": "". NULL: another section. */
static const char *access_domain(const char *section)
{
	static const char word[] = "access";
	size_t n = sizeof(word) - 1;
	if (strncmp(section, word, n) != 0 || (section[n] != '\0' && section[n] != ' '))
		return NULL;
	return section + n + strspn(section + n, " ");
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	const char *domain = access_domain(section);
	if (reading->looking)
		return 1;
	if (section[0] == '\0')
		COMPLAIN(
			reading, "\"%s\" stands before the first [section]; move it into one", key);
	else if (domain != NULL)
		set_access(reading, domain[0] != '\0' ? domain : NULL, key, value);
	else if (strcmp(section, "log") == 0)
		set_log(reading, key, value);
	/* Of any other section its title was told. */
	return 1;
}

static void check_section(struct reading *reading, const char *line, size_t n)
{
	const char *end = memchr(line, ']', n);
	char section[SETTINGS_MAX_SECTION + 1];
	if (end == NULL)
		return; /* inih finds that */
	size_t size = (size_t)(end - line) - 1;
	if (size > SETTINGS_MAX_SECTION) {
		COMPLAIN(reading, "the name of a section has at most %d bytes; shorten this one",
			SETTINGS_MAX_SECTION);
		return;
	}
	memcpy(section, line + 1, size);
	section[size] = '\0';
	if (access_domain(section) == NULL && strcmp(section, "log") != 0)
		COMPLAIN(reading,
			"there is no section [%s]; there are [log], [access] and [access DOMAIN]",
			section);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool is_bad(const struct reading *reading)
{
	for (size_t i = 0; i < reading->bad_count; i++)
		if (reading->bad[i] == reading->line)
			return true;
	return false;
}

/* Whether inih may have the line. */
static bool check_line(struct reading *reading, const char *line, size_t n)
{
	if (is_bad(reading))
		return false;
	if (n > SETTINGS_MAX_LINE) {
		if (!reading->looking)
			COMPLAIN(reading,
				"the line has more than %d bytes; shorten it (a key of [access] "
				"may "
				"stand on several lines)",
				SETTINGS_MAX_LINE);
		return false;
	}
	if (memchr(line, '\0', n) != NULL) {
		if (!reading->looking)
			COMPLAIN(
				reading, "the line has a NUL byte in it; this must be a text file");
		return false;
	}
	if (n > 0 && line[0] == '[' && !reading->looking)
		check_section(reading, line, n);
	return true;
}

/* As fgets(3), without what is before a line's first word: to inih it would go on the line before.
 */
static char *next_line(char *ret, int size, void *user)
{
	struct reading *reading = user;
	if (reading->at == reading->end)
		return NULL;
	const char *line = reading->at;
	const char *newline = memchr(line, '\n', (size_t)(reading->end - line));
	const char *end = newline != NULL ? newline : reading->end;
	reading->at = newline != NULL ? newline + 1 : reading->end;
	reading->line++;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	size_t n = (size_t)(end - line);
	if (!check_line(reading, line, n) || n + 2 > (size_t)size)
		n = 0;
	memcpy(ret, line, n);
	memcpy(ret + n, "\n", 2);
	return ret;
}

static int read_lines(struct reading *reading)
{
	reading->at = reading->text;
	reading->line = 0;
	return ini_parse_stream(next_line, reading, on_key, reading);
}

/* inih tells of the first one only, so that one is taken out and the rest is looked at again. */
static void find_bad_lines(struct reading *reading)
{
	reading->looking = true;
	int bad = read_lines(reading);
	while (bad > 0 && reading->bad_count < BAD_LINES_MAX) {
		diagnostics_add(reading->diagnostics, SEVERITY_ERROR, (unsigned)bad,
			"this is neither a [section] nor KEY = VALUE");
		reading->bad[reading->bad_count++] = (unsigned)bad;
		bad = read_lines(reading);
	}
	reading->looking = false;
}

/* ---- all of it ------------------------------------------------------------------------------- */

void settings_init(struct settings *settings)
{
	*settings = (struct settings){
		.access = {.owner = geteuid()},
		.quota_domain = SETTINGS_QUOTA_DOMAIN,
		.quota_host = SETTINGS_QUOTA_HOST,
	};
}

void settings_fini(struct settings *settings)
{
	access_fini(&settings->access);
}

int settings_parse(
	const char *text, size_t n, struct settings *ret, struct diagnostics *diagnostics)
{
	struct settings settings;
	struct reading reading = {
		.text = text, .end = text + n, .settings = &settings, .diagnostics = diagnostics};
	size_t errors = diagnostics->errors;
	settings_init(&settings);
	if (n > SETTINGS_MAX_BYTES) {
		COMPLAIN(&reading, "the file has more than %d bytes", SETTINGS_MAX_BYTES);
	} else {
		find_bad_lines(&reading);
		read_lines(&reading);
		diagnostics_sort(diagnostics);
	}
	int code = reading.no_memory ? -ENOMEM : diagnostics->errors > errors ? -EINVAL : 0;
	if (code < 0)
		settings_fini(&settings);
	else
		*ret = settings;
	return code;
}

int settings_read(
	const char *path, bool must_exist, struct settings *ret, struct diagnostics *diagnostics)
{
	char *text = NULL;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT && !must_exist) {
		settings_init(ret);
		return 0;
	}
	int code = fd < 0 ? -errno : fd_read_all(fd, SETTINGS_MAX_BYTES, &text, &n);
	fd_close(fd);
	if (code == -ENOMEM)
		return code;
	if (code < 0) {
		diagnostics_add(
			diagnostics, SEVERITY_ERROR, 0, "cannot be read: %s", error_text(code));
		return -EINVAL;
	}
	code = settings_parse(text, n, ret, diagnostics);
	free(text);
	return code;
}
