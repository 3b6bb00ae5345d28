/* chardev stop: serves a domain no more, and keeps its definition. */
#include "cli/command.h"
#include "cli/control_simple.h"

int cli_stop(int argc, char **argv)
{
	return control_simple(argc, argv, "org.chardev.Stop");
}
