/* What the guest ports share; see port.h. */
#include "guest/port.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_SIZE = 1024 * 1024 };

int guest_port_path(const struct guest_params *params, const char *suffix,
	char ret[GUEST_PATH_SIZE], struct error *err)
{
	const struct device_config *config = params->config;
	const char *given = config->extensions.guest.path;
	char path[GUEST_PATH_SIZE];
	int n;
	if (given != NULL)
		n = snprintf(path, sizeof(path), "%s", given);
	else if (strchr(config->alias, '/') != NULL)
		return error_set(err, -EINVAL,
			"%s: an alias that contains \"/\" cannot name a file; give the device "
			"another alias, or <chardev:guest path='...'/>",
			config->alias);
	else if (params->runtime_dir == NULL)
		return error_set(err, -EINVAL,
			"%s: no runtime directory for the guest's side; give "
			"<chardev:guest path='...'/>",
			config->alias);
	else
		n = snprintf(
			path, sizeof(path), "%s/%s%s", params->runtime_dir, config->alias, suffix);
	if (n < 0 || n + 4 >= GUEST_PATH_SIZE)
		return error_set(err, -ENAMETOOLONG,
			"%s: the path of the guest's side (%.80s...) is longer than %d bytes; give "
			"a shorter one with <chardev:guest path='...'/>",
			config->alias, path, GUEST_PATH_SIZE - 5);
	memcpy(ret, path, sizeof(path));
	return 0;
}

bool guest_port_listens(const struct device_config *config)
{
	if (config->extensions.guest.listens != TRISTATE_ABSENT)
		return config->extensions.guest.listens == TRISTATE_YES;
	return config->kind != DEVICE_CHANNEL;
}

void guest_port_ignore_attend(struct guest_port *port, bool peers)
{
}

void guest_port_enlarge_pipe(const struct guest_port *port, int fd)
{
	if (fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE) >= 0)
		return;
	guest_port_state(port, 0,
		"pipe not enlarged to 1 MiB (%s): the guest waits sooner when it outruns us; raise "
		"fs.pipe-user-pages-soft or fs.pipe-max-size",
		error_text(errno));
}

void guest_port_state(const struct guest_port *port, int failure, const char *format, ...)
{
	char reason[GUEST_TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	port->params.sink->state(port->params.device, failure, reason);
}

void guest_file_remove(struct guest_file *file, const char *path)
{
	struct stat st;
	if (file->inode != 0 && lstat(path, &st) == 0 && st.st_dev == file->device &&
		st.st_ino == file->inode)
		unlink(path);
	file->inode = 0;
}
