/* The registry: which implementation presents a source type to the host. */
#include "backend/table.h"

static const struct backend_ops *const table[] = {
	[SOURCE_NULL] = &null_backend,
	[SOURCE_VC] = &vc_backend,
	[SOURCE_PTY] = &pty_backend,
	[SOURCE_DEV] = &dev_backend,
	[SOURCE_FILE] = &file_backend,
	[SOURCE_PIPE] = &pipe_backend,
	[SOURCE_STDIO] = &stdio_backend,
	[SOURCE_UDP] = &udp_backend,
	[SOURCE_TCP] = &tcp_backend,
	[SOURCE_UNIX] = &unix_backend,
	[SOURCE_SPICEVMC] = NULL,
	[SOURCE_SPICEPORT] = NULL,
	[SOURCE_NMDM] = NULL,
	[SOURCE_QEMU_VDAGENT] = NULL,
	[SOURCE_DBUS] = NULL,
};

_Static_assert(sizeof(table) / sizeof(table[0]) == SOURCE_TYPE_COUNT,
	"a source type is missing here; NULL for one that is not presented to the host");

const struct backend_ops *backend_ops_for(enum source_type type)
{
	return type < SOURCE_TYPE_COUNT ? table[type] : NULL;
}

void backend_has_no_file(struct backend *backend)
{
}
