/* What stands in replies; see json_text.h. */
#include "cli/json_text.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

json_int_t json_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int json_print_line(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	if (text == NULL)
		return -ENOMEM;
	puts(text);
	fflush(stdout);
	free(text);
	return 0;
}

void who_text(const json_t *who, char ret[WHO_SIZE])
{
	json_int_t uid = json_number(who, "uid");
	const struct passwd *user = getpwuid((uid_t)uid);
	if (user != NULL)
		snprintf(ret, WHO_SIZE, "%.40s (pid %" JSON_INTEGER_FORMAT ")", user->pw_name,
			json_number(who, "pid"));
	else
		snprintf(ret, WHO_SIZE,
			"uid %" JSON_INTEGER_FORMAT " (pid %" JSON_INTEGER_FORMAT ")", uid,
			json_number(who, "pid"));
}
