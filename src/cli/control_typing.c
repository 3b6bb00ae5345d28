/* Typing through one call; see control_typing.h. */
#include "cli/control_typing.h"

#include "cli/command.h"
#include "util/base64.h"

#include <errno.h>
#include <stdlib.h>

static json_t *make_parameters(
	const struct control_target *target, const char *bytes, size_t n, bool force)
{
	char *text = malloc(BASE64_ENCODED_SIZE(n) + 1);
	json_t *parameters = control_target_parameters(target);
	int code = text == NULL || parameters == NULL ? -1 : 0;
	if (code == 0) {
		base64_encode((const uint8_t *)bytes, n, text);
		code = json_object_set_new(parameters, "data", json_string(text));
	}
	if (code == 0 && force)
		code = json_object_set_new(parameters, "force", json_true());
	free(text);
	if (code == 0)
		return parameters;
	json_decref(parameters);
	return NULL;
}

int control_type(const struct control_options *options, const char *method, const char *where,
	const char *bytes, size_t n, bool force, struct error *err)
{
	struct control_target target;
	json_t *reply = NULL;
	if (n > CONTROL_TYPING_MAX)
		return error_set(err, -E2BIG,
			"that is more than the %d bytes that are typed as one piece; \"chardev "
			"attach\" "
			"takes any number of them",
			CONTROL_TYPING_MAX);
	int code = control_target_parse(where, &target, err);
	if (code < 0)
		return code;
	code = control_call(options, target.domain, method,
		make_parameters(&target, bytes, n, force), &reply, err);
	json_decref(reply);
	control_target_fini(&target);
	return code;
}

int control_typing_options(int argc, char **argv, int words, const char *usage,
	struct control_options *ret, bool *ret_force)
{
	static const struct option table[] = {
		CONTROL_OPTIONS,
		{"force", no_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	*ret = (struct control_options){0};
	*ret_force = false;
	for (int c; (c = control_options_next(ret, argc, argv, ":", table)) != -1;) {
		if (c != 'f')
			return EXIT_USAGE;
		*ret_force = true;
	}
	return argc - optind == words ? 0 : control_usage(argv[0], "it takes %s", usage);
}
