/* Any bytes as what QEMU's monitor says: every call ends in exactly one answer. */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "loop/loop.h"
#include "vmm/qmp.h"

static void on_done(void *user, int status, const char *reason)
{
	(*(int *)user)++;
	assert(status == 0 || strlen(reason) > 0);
}

static void on_closed(void *user)
{
	*(int *)user += 100;
}

static int listen_at(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "/tmp/chardev-fuzz-%d",
		(int)getpid());
	unlink(address->sun_path);
	assert(bind(fd, (struct sockaddr *)address, sizeof(*address)) == 0);
	assert(listen(fd, 4) == 0);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un address;
	struct loop *loop;
	struct qmp *qmp;
	int answers = 0;
	int listener = listen_at(&address);
	assert(loop_new(&loop) == 0);
	assert(qmp_new(loop, address.sun_path, &qmp) == 0);
	assert(qmp_send_break(qmp, "charserial0", on_done, &answers) == 0);
	struct pollfd wait = {.fd = listener, .events = POLLIN};
	while (poll(&wait, 1, 0) == 0)
		loop_turn(loop);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ssize_t n = send(fd, data, size, MSG_NOSIGNAL); /* a part of much: the end comes early */
	(void)n;
	shutdown(fd, SHUT_WR);
	int turns = 0;
	do
		loop_turn(loop);
	while (answers == 0 && ++turns < 1000000);
	assert(answers == 1);
	qmp_close(qmp, on_closed, &answers);
	loop_drain(loop);
	assert(answers == 101);
	loop_free(loop);
	close(fd);
	close(listener);
	unlink(address.sun_path);
	return 0;
}
