/*
 * <serial type='dev'> and <parallel type='dev'>: a device of the host, of the same kind as the
 * guest's. Here stands only which kind a path is; it is found out without opening it, because
 * opening the wrong device (a watchdog, a tape) already does something to it.
 */
#include "backend/dev.h"

#include "backend/file_kind.h"
#include "backend/table.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* "serial /dev/ttyS 4 64-95 serial": whether a line of /proc/tty/drivers speaks of the device. */
static bool line_has(const char *line, dev_t device)
{
	unsigned number, first, last;
	int n = sscanf(line, "%*s %*s %u %u-%u", &number, &first, &last);
	if (n == 2)
		last = first;
	return n >= 2 && number == major(device) && minor(device) >= first && minor(device) <= last;
}

static bool is_tty(dev_t device)
{
	FILE *drivers = fopen("/proc/tty/drivers", "re");
	if (drivers == NULL)
		return true; /* cannot be told here: opening it will */
	char line[256];
	bool found = false;
	while (!found && fgets(line, sizeof(line), drivers) != NULL)
		found = line_has(line, device);
	fclose(drivers);
	return found;
}

static bool is_parallel(dev_t device)
{
	return major(device) == MAJOR_LP || major(device) == MAJOR_PARPORT;
}

static int cannot_find(const char *path, int code, struct error *err)
{
	return error_set(err, code, "cannot find \"%s\": %s%s", path, error_text(code),
		code == -ENOENT ? "; plug the device in, or name another path" : "");
}

static int dev_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	const struct device_config *config = params->config;
	const char *path = config->source.u.dev.path;
	const char *kind = device_kind_name(config->kind);
	bool wants_parallel = config->kind == DEVICE_PARALLEL;
	struct stat st;
	if (stat(path, &st) < 0)
		return cannot_find(path, -errno, err);
	if (!S_ISCHR(st.st_mode))
		return error_set(err, -ENODEV, "\"%s\" is %s; <%s type='dev'> needs a %s port",
			path, file_kind(st.st_mode), kind, wants_parallel ? "parallel" : "serial");
	if (is_parallel(st.st_rdev) && !wants_parallel)
		return error_set(err, -ENOTTY,
			"\"%s\" is a parallel port; <%s type='dev'> needs a serial port", path,
			kind);
	if (wants_parallel && is_parallel(st.st_rdev))
		return dev_parallel_open(params, ret, err);
	bool serial = is_tty(st.st_rdev);
	if (wants_parallel)
		return error_set(err, -ENODEV,
			"\"%s\" is %s; <parallel type='dev'> needs a parallel port", path,
			serial ? "a serial port" : "no parallel port");
	if (!serial)
		return error_set(err, -ENOTTY,
			"\"%s\" is a device, but no serial port; name one such as /dev/ttyS0",
			path);
	return dev_serial_open(params, ret, err);
}

static void dev_close(struct backend *backend, void (*closed)(void *device))
{
	backend->ops->close(backend, closed);
}

static void dev_describe(const struct backend *backend, struct backend_description *ret)
{
	backend->ops->describe(backend, ret);
}

const struct backend_ops dev_backend = {
	.open = dev_open,
	.close = dev_close,
	.describe = dev_describe,
	.reopen = backend_has_no_file,
};
