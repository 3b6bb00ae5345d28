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
 */
#ifndef CHARDEV_CLI_RUN_BREAK_H
#define CHARDEV_CLI_RUN_BREAK_H

#include "device/active.h"
#include "loop/loop.h"
#include "util/strlist.h"

struct breaks;

/*
 * For the devices of an active domain. `chardev_ids` (borrowed) are QEMU's, by device of the
 * document. 0 or a negative errno.
 */
int breaks_new(struct loop *loop, const struct active_domain *active,
	const struct strlist *chardev_ids, struct breaks **ret);

/* As active_listener.guest_break. */
bool breaks_send(struct breaks *breaks, struct device *device);

/* Before the active domain is closed. Everything is freed later, before loop_drain() returns. */
void breaks_close(struct breaks *breaks);

#endif
