/* The control interface's sockets; see socket.h. */
#include "daemon/socket.h"

#include "util/fd.h"

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static int add_passed(struct control_server *server, int fd, struct error *err)
{
	int is_ours = sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1);
	if (is_ours <= 0)
		return error_set(err, is_ours < 0 ? is_ours : -EINVAL,
			"descriptor %d, which systemd passes, is no listening UNIX socket; use "
			"ListenStream= with a path",
			fd);
	int code = fd_set_nonblocking(fd);
	if (code < 0)
		return error_set(err, code, "cannot serve descriptor %d: %s", fd, error_text(code));
	return control_server_add(server, fd, err);
}

static int open_own(struct control_socket *socket, struct control_server *server,
	const struct options *options, struct error *err)
{
	int code = unix_socket_listen(options->socket_path, CONTROL_SOCKET_MODE, NULL,
		CONTROL_BACKLOG, &socket->own, err);
	if (code < 0)
		return code;
	socket->path = options->socket_path;
	code = control_server_add(server, socket->own.fd, err);
	if (code < 0)
		control_socket_unlink(socket);
	return code;
}

int control_socket_open(struct control_socket *socket, struct control_server *server,
	const struct options *options, struct error *err)
{
	int count = sd_listen_fds(1);
	*socket = (struct control_socket){0};
	if (count < 0)
		return error_set(err, count, "cannot take the sockets that systemd passes: %s",
			error_text(count));
	if (count == 0)
		return open_own(socket, server, options, err);
	if (options->socket_given)
		return error_set(err, -EINVAL,
			"systemd passes the sockets, so --socket has no meaning; remove it, or do "
			"not use socket activation");
	int code = 0;
	for (int i = 0; i < count && code == 0; i++)
		code = add_passed(server, SD_LISTEN_FDS_START + i, err);
	return code;
}

void control_socket_unlink(struct control_socket *socket)
{
	if (socket->path != NULL)
		unix_socket_unlink(&socket->own, socket->path);
	socket->path = NULL;
}
