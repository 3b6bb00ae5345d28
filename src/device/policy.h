/*
 * What the engine does when the XML does not say: who may hold up the guest, how much history is
 * kept, what a peer sees first. The guest's device decides, because it decides what a pause does.
 */
#ifndef CHARDEV_DEVICE_POLICY_H
#define CHARDEV_DEVICE_POLICY_H

#include "device/reader.h"
#include "model/domain.h"

#include <stdint.h>

enum {
	POLICY_UART_PATIENCE_MS = 1000,
	POLICY_FILE_PATIENCE_MS = 1000, /* one write of a log may take this long */
	POLICY_FILE_RETRY_MS = 1000,    /* after a write failed, and while bytes wait */
};

struct policy {
	uint64_t history_size; /* bytes */
	enum replay replay;    /* never REPLAY_DEFAULT */
	enum reader_policy overflow;
	uint32_t patience_ms;
};

struct policy policy_of(const struct device_config *config);

#endif
