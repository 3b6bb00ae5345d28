/* The guest ports by type. To add one: its file, its row here, and its name in the model. */
#include "guest/fifo_files.h"
#include "guest/port.h"

static const struct guest_ops *const table[] = {
	[GUEST_PORT_DEFAULT] = NULL,
	[GUEST_PORT_FIFO] = &guest_fifo_ops,
	[GUEST_PORT_UNIX] = &guest_unix_ops,
	[GUEST_PORT_PTY] = &guest_pty_ops,
	[GUEST_PORT_STDIO] = &guest_stdio_ops,
	[GUEST_PORT_PROCESS] = &guest_process_ops,
};

_Static_assert(sizeof(table) / sizeof(table[0]) == GUEST_PORT_COUNT, "one row per guest port");

const struct guest_ops *guest_ops_for(enum guest_port_type type)
{
	return table[type];
}

enum guest_port_type guest_port_type_of(const struct device_config *config)
{
	if (config->extensions.guest.type != GUEST_PORT_DEFAULT)
		return config->extensions.guest.type;
	return config->kind == DEVICE_CHANNEL ? GUEST_PORT_UNIX : GUEST_PORT_FIFO;
}

int guest_plan(const struct device_config *config, const char *runtime_dir,
	struct guest_description *ret, struct error *err)
{
	static const char *const suffixes[GUEST_PORT_COUNT] = {
		[GUEST_PORT_FIFO] = "",
		[GUEST_PORT_UNIX] = GUEST_UNIX_SUFFIX,
		[GUEST_PORT_PTY] = GUEST_PTY_SUFFIX,
	};
	struct guest_params params = {.config = config, .runtime_dir = runtime_dir};
	enum guest_port_type type = guest_port_type_of(config);
	struct guest_description plan = {.type = type, .listens = true};
	if (type == GUEST_PORT_UNIX || type == GUEST_PORT_PTY)
		plan.listens = guest_port_listens(config);
	if (suffixes[type] != NULL) {
		int code = guest_port_path(&params, suffixes[type], plan.path, err);
		if (code < 0)
			return code;
	}
	*ret = plan;
	return 0;
}

void guest_discard(const struct device_config *config, const char *runtime_dir)
{
	const struct guest_params params = {.config = config, .runtime_dir = runtime_dir};
	if (guest_port_type_of(config) == GUEST_PORT_FIFO)
		fifo_files_discard(&params);
}
