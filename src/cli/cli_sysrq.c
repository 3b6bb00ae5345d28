/* chardev sysrq: a BREAK and a key, which Linux takes for its magic SysRq on a serial console. */
#include "cli/command.h"
#include "cli/control_typing.h"

int cli_sysrq(int argc, char **argv)
{
	struct control_options options;
	struct error err = {0};
	bool force;
	if (control_typing_options(argc, argv, 2, "DOMAIN[/DEVICE] and a KEY", &options, &force) !=
		0)
		return EXIT_USAGE;
	const char *key = argv[optind + 1];
	if (key[0] <= ' ' || key[0] >= 0x7f || key[1] != '\0')
		return control_usage(argv[0], "the KEY is one character, such as \"b\" or \"h\"");
	int code = control_type(&options, "org.chardev.Break", argv[optind], key, 1, force, &err);
	return code < 0 ? control_failed(&err) : 0;
}
