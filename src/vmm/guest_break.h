/*
 * BREAK for the guests of QEMU, which takes one through QMP only.
 *
 * What is kept: bytes typed before the BREAK come to the guest before it, bytes typed after it,
 * after it. The device holds back the later ones until QEMU has answered. The earlier ones have
 * left us when we are asked, but may stand in the FIFO, and then in the UART: so we wait until the
 * FIFO is empty (nothing tells, so it is looked at every few milliseconds, for a second at most),
 * and then BREAK_SETTLE_MS for a guest that reads its UART promptly. A guest that has not read its
 * port for that long gets the BREAK before those bytes; so it would on a real line whose UART is
 * full. Ports other than FIFOs are given the settling time only.
 *
 * One for all domains of a process. Nothing is kept of a domain between its BREAKs.
 */
#ifndef CHARDEV_VMM_GUEST_BREAK_H
#define CHARDEV_VMM_GUEST_BREAK_H

#include "device/device.h"
#include "device/runtime.h"
#include "loop/loop.h"

struct guest_breaks;

/*
 * `failed`: a BREAK did not come to the guest, for a reason (one clause). Not called with
 * guest_breaks_send() on the stack. 0 or a negative errno.
 */
int guest_breaks_new(struct loop *loop,
	void (*failed)(void *user, const struct device *device, const char *reason), void *user,
	struct guest_breaks **ret);

/*
 * As device_listener.guest_break: true when a BREAK is under way to the QEMU whose monitor listens
 * in the domain's directory (as `chardev qemu` says), for its chardev of that id (copied; "": QEMU
 * does not have the device). device_break_done() follows.
 */
bool guest_breaks_send(struct guest_breaks *breaks, const struct runtime *runtime,
	struct device *device, const char *chardev_id);

/* The device ends: nothing is said of it, or to it, any more. */
void guest_breaks_forget(struct guest_breaks *breaks, const struct device *device);

/* Forgets all. `closed` once, on a later turn, with everything freed. */
void guest_breaks_close(struct guest_breaks *breaks, void (*closed)(void *user), void *user);

#endif
