/* guest/process: a VMM in the same process. */
#include "fake_guest_device.h"

#include <errno.h>

struct vmm {
	unsigned inputs, rooms, breaks;
	char at_break[64]; /* what was read when the BREAK came */
	char typed[64];
	size_t typed_n;
	struct fake_device *device;
};

static void on_input(void *user)
{
	((struct vmm *)user)->inputs++;
}

static void on_room(void *user)
{
	((struct vmm *)user)->rooms++;
}

static void on_break(void *user)
{
	struct vmm *vmm = user;
	vmm->breaks++;
	memcpy(vmm->at_break, vmm->typed, sizeof(vmm->at_break));
}

static const struct guest_process_events events = {
	.on_input = on_input,
	.on_room = on_room,
	.on_break = on_break,
};

static struct fake_device *opened(struct vmm *vmm)
{
	struct fake_device *device = fake_new(DEVICE_SERIAL, "serial0");
	device->params.runtime_dir = NULL;
	*vmm = (struct vmm){.device = device};
	fake_open(device, GUEST_PORT_PROCESS);
	guest_process_listen(device->port, &events, vmm);
	return device;
}

static void read_typed(struct vmm *vmm)
{
	ssize_t n = guest_process_read(
		vmm->device->port, vmm->typed + vmm->typed_n, sizeof(vmm->typed) - vmm->typed_n);
	assert_true(n >= 0);
	vmm->typed_n += (size_t)n;
}

static void output_is_taken_at_once(void **state)
{
	struct vmm vmm;
	struct fake_device *device = opened(&vmm);
	assert_int_equal(guest_process_write(device->port, "early", 5), -ENOTCONN);
	fake_until(device, device->present && vmm.rooms == 1);
	assert_int_equal(guest_process_write(device->port, "hello", 5), 5);
	assert_int_equal(device->received, 5);
	assert_memory_equal(device->kept, "hello", 5);
	assert_int_equal(guest_process_write(device->port, NULL, 0), 0);
	static uint8_t much[3 * FAKE_SPACE + 11];
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (uint8_t)(i % 251);
	assert_int_equal(guest_process_write(device->port, much, sizeof(much)), sizeof(much));
	assert_memory_equal(device->kept + 5, much, sizeof(much));
	fake_assert_idle(device);
	assert_int_equal(vmm.rooms, 1);
	stream_close(device->stream);
	device->stream = NULL;
	assert_int_equal(guest_process_write(device->port, "late", 4), -ENOTCONN);
	fake_free(device);
}

static void a_held_up_vmm_is_told_of_room(void **state)
{
	struct vmm vmm;
	struct fake_device *device = opened(&vmm);
	fake_until(device, device->present);
	device->room = 0;
	assert_int_equal(guest_process_write(device->port, "held", 4), 0);
	device->room = FAKE_SPACE; /* not by itself: the device starts reading again */
	assert_int_equal(guest_process_write(device->port, "held", 4), 0);
	fake_assert_idle(device);
	assert_int_equal(vmm.rooms, 0);
	stream_read_start(device->stream);
	assert_int_equal(vmm.rooms, 0); /* never on the device's stack */
	fake_until(device, vmm.rooms == 1);
	assert_int_equal(guest_process_write(device->port, "held", 4), 4);
	stream_read_stop(device->stream);
	assert_int_equal(guest_process_write(device->port, "x", 1), 0);
	stream_read_start(device->stream);
	stream_read_stop(device->stream);
	fake_assert_idle(device);
	assert_int_equal(vmm.rooms, 1); /* there is none again */
	stream_read_start(device->stream);
	fake_until(device, vmm.rooms == 2);
	fake_free(device);
}

static void input_waits_in_a_bounded_place(void **state)
{
	struct vmm vmm;
	struct fake_device *device = opened(&vmm);
	fake_until(device, device->present);
	static char typed[6000], got[6000];
	for (size_t i = 0; i < sizeof(typed); i++)
		typed[i] = (char)(i % 241);
	struct iovec iov[2] = {{typed, 1000}, {typed + 1000, 5000}};
	ssize_t taken = stream_write(device->stream, iov, 2);
	assert_int_equal(taken, 4096);
	assert_int_equal(vmm.inputs, 0);
	fake_until(device, vmm.inputs == 1);
	assert_int_equal(device->writables, 0);
	assert_int_equal(guest_process_read(device->port, got, 100), 100);
	fake_until(device, device->writables == 1);
	struct iovec rest = {typed + taken, sizeof(typed) - (size_t)taken};
	assert_int_equal(stream_write(device->stream, &rest, 1), 100); /* around the ring's end */
	size_t total = 100;
	ssize_t n;
	while ((n = guest_process_read(device->port, got + total, 777)) > 0)
		total += (size_t)n;
	assert_int_equal(total, 4196);
	assert_memory_equal(got, typed, total);
	fake_until(device, device->writables == 2);
	assert_int_equal(fake_type(device, "x"), 1);
	fake_until(device, vmm.inputs == 2);
	fake_assert_idle(device);
	fake_free(device);
}

static void a_break_keeps_its_place(void **state)
{
	struct vmm vmm;
	struct fake_device *device = opened(&vmm);
	struct stream_signal signal = {STREAM_SIGNAL_BREAK};
	fake_until(device, device->present);
	assert_int_equal(fake_type(device, "before"), 6);
	assert_int_equal(stream_signal(device->stream, &signal), 0);
	assert_int_equal(stream_signal(device->stream, &signal), -EAGAIN);
	assert_int_equal(fake_type(device, " after"), 6);
	fake_until(device, vmm.inputs == 1);
	read_typed(&vmm);
	read_typed(&vmm); /* not past it */
	assert_string_equal(vmm.typed, "before");
	fake_until(device, vmm.breaks == 1);
	assert_string_equal(vmm.at_break, "before");
	fake_until(device, vmm.inputs == 2);
	read_typed(&vmm);
	assert_string_equal(vmm.typed, "before after");
	assert_int_equal(stream_signal(device->stream, &signal), 0);
	fake_until(device, vmm.breaks == 2); /* nothing to wait for */
	fake_assert_idle(device);
	fake_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_is_taken_at_once),
		cmocka_unit_test(a_held_up_vmm_is_told_of_room),
		cmocka_unit_test(input_waits_in_a_bounded_place),
		cmocka_unit_test(a_break_keeps_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
