/* chardev undefine: serves a domain no more, and forgets its definition. */
#include "cli/command.h"
#include "cli/control_simple.h"

int cli_undefine(int argc, char **argv)
{
	return control_simple(argc, argv, "org.chardev.Undefine");
}
