/* chardev break: sends a BREAK to the guest. */
#include "cli/command.h"
#include "cli/control_typing.h"

int cli_break(int argc, char **argv)
{
	struct control_options options;
	struct error err = {0};
	bool force;
	if (control_typing_options(argc, argv, 1, "DOMAIN[/DEVICE]", &options, &force) != 0)
		return EXIT_USAGE;
	int code = control_type(&options, "org.chardev.Break", argv[optind], "", 0, force, &err);
	return code < 0 ? control_failed(&err) : 0;
}
