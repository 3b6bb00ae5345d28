/* guest/unix: VMMs that connect to us, and VMMs that we connect to. */
#include "fake_guest_device.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static int vmm_connect(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = new_socket();
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int vmm_bind(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = new_socket();
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Blocks for at most 20 s: a test that waits for nothing fails. */
static ssize_t vmm_reads(int fd, char *bytes, size_t n)
{
	struct pollfd wait = {fd, POLLIN, 0};
	assert_int_equal(poll(&wait, 1, 20000), 1);
	return recv(fd, bytes, n, 0);
}

static struct fake_device *listening(void)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	fake_open(device, GUEST_PORT_UNIX);
	return device;
}

static void vmms_connect_one_after_the_other(void **state)
{
	struct fake_device *device = listening();
	const char *path = fake_path(device, "serial0.sock");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	fake_assert_idle(device);
	for (unsigned i = 1; i <= 3; i++) {
		char bytes[16];
		int vmm = vmm_connect(path);
		fake_until(device, device->arrivals == i);
		assert_int_equal(device->streams, i);
		assert_int_equal(send(vmm, "boot", 4, 0), 4);
		assert_int_equal(fake_type(device, "root\n"), 5);
		assert_int_equal(vmm_reads(vmm, bytes, sizeof(bytes)), 5);
		fake_until(device, device->received == 4 * i);
		fake_assert_idle(device);
		close(vmm);
		fake_until(device, device->departures == i);
		assert_int_equal(device->gones, i);
	}
	assert_memory_equal(device->kept, "bootbootboot", 12);
	fake_assert_idle(device);
	fake_free(device);
}

static void a_second_vmm_is_refused_while_the_first_lives(void **state)
{
	struct fake_device *device = listening();
	const char *path = fake_path(device, "serial0.sock");
	char byte;
	int first = vmm_connect(path);
	fake_until(device, device->present);
	int second = vmm_connect(path);
	fake_until(device, device->states == 1);
	assert_non_null(strstr(device->reason, "second connection"));
	assert_int_equal(vmm_reads(second, &byte, 1), 0);
	close(second);
	assert_int_equal(send(first, "x", 1, 0), 1);
	fake_until(device, device->received == 1);
	close(first);
	fake_until(device, !device->present);
	fake_free(device);
}

/* A restarted VMM must not be turned away because its former output is being held up. */
static void a_restarted_vmm_waits_for_its_turn(void **state)
{
	struct fake_device *device = listening();
	const char *path = fake_path(device, "serial0.sock");
	int vmm = vmm_connect(path);
	fake_until(device, device->present);
	stream_read_stop(device->stream);
	assert_int_equal(send(vmm, "old ", 4, 0), 4);
	close(vmm);
	vmm = vmm_connect(path);
	assert_int_equal(send(vmm, "new", 3, 0), 3);
	fake_assert_idle(device);
	assert_int_equal(device->streams, 1);
	stream_read_start(device->stream);
	fake_until(device, device->received == 7);
	assert_memory_equal(device->kept, "old new", 7);
	assert_int_equal(device->streams, 2);
	assert_int_equal(device->departures, 1);
	close(vmm);
	fake_until(device, device->departures == 2);
	fake_free(device);
}

static void assert_refused(struct fake_device *device, int code, const char *name)
{
	struct error err = {0};
	assert_int_equal(
		guest_ops_for(GUEST_PORT_UNIX)->open(&device->params, &device->port, &err), code);
	if (strstr(err.message, name) == NULL)
		fail_msg("%s is not named: %s", name, err.message);
	device->port = NULL;
}

static void only_a_dead_socket_is_replaced(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	const char *path = fake_path(device, "serial0.sock");
	int other = vmm_bind(path);
	assert_int_equal(listen(other, 1), 0);
	assert_refused(device, -EADDRINUSE, path);
	close(other); /* leaves the file */
	fake_open(device, GUEST_PORT_UNIX);
	int vmm = vmm_connect(path);
	fake_until(device, device->present);
	close(vmm);
	fake_until(device, !device->present);
	fake_close_port(device);

	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_refused(device, -EEXIST, path);
	assert_int_equal(unlink(path), 0);
	char longer[120];
	memset(longer, 'l', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	device->config.extensions.guest.path = longer;
	assert_refused(device, -ENAMETOOLONG, longer);
	fake_free(device);
}

/* ---- the VMM listens ------------------------------------------------------------------------- */

static struct fake_device *connecting(void)
{
	struct fake_device *device = fake_new(DEVICE_CHANNEL, "channel0");
	fake_open(device, GUEST_PORT_UNIX);
	return device;
}

static void attend(struct fake_device *device, bool peers)
{
	device->port->ops->attend(device->port, peers);
}

static void the_guest_sees_the_port_open_and_close(void **state)
{
	struct fake_device *device = connecting();
	struct guest_description description;
	device->port->ops->describe(device->port, &description);
	assert_false(description.listens);
	char path[128], byte;
	snprintf(path, sizeof(path), "%s", fake_path(device, "channel0.sock"));
	assert_string_equal(description.path, path);
	int vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	fake_assert_idle(device); /* nobody wants it yet */
	for (unsigned i = 1; i <= 5; i++) {
		attend(device, true);
		attend(device, true);
		assert_int_equal(device->streams, i - 1);
		fake_until(device, device->arrivals == i);
		int fd = accept(vmm, NULL, NULL);
		assert_int_equal(send(fd, "out", 3, 0), 3);
		fake_until(device, device->received == 3);
		fake_forget(device);
		attend(device, false);
		assert_int_equal(vmm_reads(fd, &byte, 1), 0);
		/* What the guest says until QEMU closes is still heard. */
		assert_int_equal(send(fd, "bye", 3, MSG_NOSIGNAL), 3);
		close(fd);
		fake_until(device, device->departures == i);
		assert_int_equal(device->received, 3);
		fake_forget(device);
	}
	fake_assert_idle(device);
	close(vmm);
	unlink(path);
	fake_free(device);
}

static void a_vmm_that_is_late_or_comes_back_is_found(void **state)
{
	struct fake_device *device = connecting();
	char path[128];
	snprintf(path, sizeof(path), "%s", fake_path(device, "channel0.sock"));
	attend(device, true);
	fake_assert_idle(device); /* waiting costs nothing */
	assert_int_equal(device->failure, 0);
	int vmm = vmm_bind(path);
	fake_until(device, strstr(device->reason, "refused") != NULL);
	assert_int_equal(listen(vmm, 1), 0); /* the directory does not tell of this */
	fake_until(device, device->present);
	int fd = accept(vmm, NULL, NULL);
	close(vmm);
	close(fd);
	fake_until(device, !device->present);
	assert_int_equal(unlink(path), 0);
	vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	fake_until(device, device->arrivals == 2);
	fd = accept(vmm, NULL, NULL);
	/* Asked for again while it is ending: the guest sees it close and open. */
	attend(device, false);
	attend(device, true);
	close(fd);
	fake_until(device, device->arrivals == 3);
	close(vmm);
	unlink(path);
	fake_until(device, !device->present);
	attend(device, false);
	fake_assert_idle(device);
	fake_free(device);
}

/* A socket that stays dead is not knocked at for ever. */
static void a_dead_socket_is_given_up_until_it_is_replaced(void **state)
{
	struct fake_device *device = connecting();
	char path[128];
	snprintf(path, sizeof(path), "%s", fake_path(device, "channel0.sock"));
	int vmm = vmm_bind(path);
	attend(device, true);
	struct pollfd wait = {loop_fd(device->loop), POLLIN, 0};
	unsigned turns = 0;
	while (poll(&wait, 1, 1500) > 0) {
		loop_turn(device->loop);
		assert_true(turns++ < 50);
	}
	close(vmm);
	assert_int_equal(unlink(path), 0);
	vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	fake_until(device, device->present);
	close(vmm);
	unlink(path);
	fake_until(device, !device->present);
	fake_free(device);
}

static void all_input_arrives_before_the_end(void **state)
{
	enum { TOTAL = 100000 };
	struct fake_device *device = connecting();
	char path[128];
	static char bytes[TOTAL];
	snprintf(path, sizeof(path), "%s", fake_path(device, "channel0.sock"));
	int vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	attend(device, true);
	fake_until(device, device->present);
	int fd = accept(vmm, NULL, NULL);
	struct iovec iov = {bytes, TOTAL};
	assert_int_equal(stream_write(device->stream, &iov, 1), TOTAL);
	attend(device, false);
	size_t total = 0;
	ssize_t n;
	while ((n = vmm_reads(fd, bytes, 8)) > 0) /* as a UART takes it */
		total += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(total, TOTAL);
	assert_true(device->present);
	close(fd);
	fake_until(device, !device->present);
	close(vmm);
	unlink(path);
	fake_free(device);
}

static void a_vmm_that_reads_nothing_is_cut_off(void **state)
{
	struct fake_device *device = connecting();
	char path[128];
	snprintf(path, sizeof(path), "%s", fake_path(device, "channel0.sock"));
	int vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	attend(device, true);
	fake_until(device, device->present);
	int fd = accept(vmm, NULL, NULL);
	assert_int_equal(fake_type(device, "unread"), 6);
	assert_int_equal(send(fd, "heard", 5, 0), 5);
	attend(device, false);
	fake_until(device, !device->present);
	assert_int_equal(device->received, 5);
	assert_non_null(strstr(device->reason, "cut off"));
	close(fd);
	close(vmm);
	unlink(path);
	fake_assert_idle(device);
	fake_free(device);
}

/* A serial port's output is worth having with no peer there. */
static void other_devices_connect_at_once(void **state)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	char path[128];
	snprintf(path, sizeof(path), "%s", fake_path(device, "ch.socket"));
	device->config.extensions.guest.path = path;
	device->config.extensions.guest.listens = TRISTATE_NO;
	fake_open(device, GUEST_PORT_UNIX);
	int vmm = vmm_bind(path);
	assert_int_equal(listen(vmm, 1), 0);
	fake_until(device, device->present);
	attend(device, false);
	fake_assert_idle(device);
	assert_true(device->present);
	close(vmm);
	unlink(path);
	fake_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmms_connect_one_after_the_other),
		cmocka_unit_test(a_second_vmm_is_refused_while_the_first_lives),
		cmocka_unit_test(a_restarted_vmm_waits_for_its_turn),
		cmocka_unit_test(only_a_dead_socket_is_replaced),
		cmocka_unit_test(the_guest_sees_the_port_open_and_close),
		cmocka_unit_test(a_vmm_that_is_late_or_comes_back_is_found),
		cmocka_unit_test(a_dead_socket_is_given_up_until_it_is_replaced),
		cmocka_unit_test(all_input_arrives_before_the_end),
		cmocka_unit_test(a_vmm_that_reads_nothing_is_cut_off),
		cmocka_unit_test(other_devices_connect_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
