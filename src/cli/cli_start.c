/* chardev start: serves a domain that is defined. */
#include "cli/command.h"
#include "cli/control_simple.h"

int cli_start(int argc, char **argv)
{
	return control_simple(argc, argv, "org.chardev.Start");
}
