/* Calls about one domain; see control_simple.h. */
#include "cli/control_simple.h"

#include "cli/command.h"
#include "cli/control_options.h"

int control_simple(int argc, char **argv, const char *method)
{
	static const struct option table[] = {CONTROL_OPTIONS, {NULL, 0, NULL, 0}};
	struct control_options options = {0};
	struct control_target target;
	struct error err = {0};
	json_t *reply = NULL;
	if (control_options_next(&options, argc, argv, ":", table) != -1)
		return EXIT_USAGE;
	if (argc - optind != 1)
		return control_usage(argv[0], "it takes the NAME of one domain");
	if (control_target_parse(argv[optind], &target, &err) < 0)
		return control_usage(argv[0], "%s", err.message);
	int code = -1;
	if (target.device != NULL)
		control_usage(argv[0], "%s is a device, and this is done to a whole domain",
			argv[optind]);
	else
		code = control_call(&options, target.domain, method,
			control_target_parameters(&target), &reply, &err);
	int status = code == 0 ? 0 : target.device != NULL ? EXIT_USAGE : control_failed(&err);
	json_decref(reply);
	control_target_fini(&target);
	return status;
}
