/* The control interface of `chardev run`; see run_control.h. */
#include "cli/run_control.h"

#include "backend/unix_socket.h"
#include "control/server.h"
#include "version.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct run_control {
	struct control_server *server;
	struct access access;
	struct unix_socket socket; /* the server closes it */
	char path[RUNTIME_PATH_SIZE];
	void (*closed)(void *user);
	void *user;
};

/* Everybody who may do something here is this user or root: who did what is no news to them. */
static void on_audit(void *user, const struct control_event *event)
{
}

static const struct control_host host = {
	.vendor = "chardev",
	.product = "chardev run",
	.version = CHARDEV_VERSION,
	.url = "urn:chardev",
	.fixed = "\"chardev run\" serves the one domain that it was started with, and ends "
		 "with it; chardevd defines, starts and stops domains",
	.audit = on_audit,
};

static int listen_at(struct run_control *control, const struct runtime *runtime, struct error *err)
{
	int code = runtime_path(runtime, "control.sock", control->path, sizeof(control->path));
	if (code < 0)
		return error_set(err, code,
			"the control socket %s/control.sock has too long a path; give a shorter "
			"--runtime-dir",
			runtime->dir);
	return unix_socket_listen(control->path, -1, NULL, CONTROL_BACKLOG, &control->socket, err);
}

static void on_closed(void *user)
{
	struct run_control *control = user;
	void (*closed)(void *user) = control->closed;
	void *closed_user = control->user;
	access_fini(&control->access);
	free(control);
	if (closed != NULL)
		closed(closed_user);
}

int run_control_open(struct loop *loop, struct domains *domains, const struct runtime *runtime,
	struct run_control **ret, struct error *err)
{
	struct run_control *control = calloc(1, sizeof(*control));
	if (control == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	control->access.owner = geteuid();
	const struct control_server_params params = {
		.loop = loop,
		.domains = domains,
		.access = &control->access,
		.host = &host,
		.user = control,
	};
	int code = control_server_new(&params, &control->server, err);
	if (code < 0) {
		free(control);
		return code;
	}
	code = listen_at(control, runtime, err);
	if (code == 0)
		code = control_server_add(control->server, control->socket.fd, err);
	if (code < 0) {
		if (control->socket.inode != 0)
			unix_socket_unlink(&control->socket, control->path);
		control_server_close(control->server, on_closed);
		return code;
	}
	*ret = control;
	return 0;
}

void run_control_tell(struct run_control *control, const char *event, const char *domain,
	const char *alias, const char *text)
{
	control_server_tell(
		control->server, &(struct control_event){event, domain, alias, text, NULL});
}

void run_control_close(struct run_control *control, void (*closed)(void *user), void *user)
{
	control->closed = closed;
	control->user = user;
	/* While the descriptor is open, which keeps the inode ours. */
	unix_socket_unlink(&control->socket, control->path);
	control_server_close(control->server, on_closed);
}
