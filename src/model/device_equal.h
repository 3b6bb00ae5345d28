/*
 * Do two configurations of a device say the same? Everything counts that the document says of it,
 * but where it says so (the line of its element).
 */
#ifndef CHARDEV_MODEL_DEVICE_EQUAL_H
#define CHARDEV_MODEL_DEVICE_EQUAL_H

#include "model/domain.h"

bool device_config_equals(const struct device_config *a, const struct device_config *b);

/* Whether what the one has written is the other's to go on with: it is not in another file. */
bool device_file_equals(const struct device_config *a, const struct device_config *b);

/* Whether the VMM attaches in the same way and at the same place. */
bool device_guest_equals(const struct device_config *a, const struct device_config *b);

/* Whether the log is the same file, or there is none in both. */
bool device_log_equals(const struct device_config *a, const struct device_config *b);

#endif
