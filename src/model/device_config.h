/* Making, copying and releasing one device's configuration. */
#ifndef CHARDEV_MODEL_DEVICE_CONFIG_H
#define CHARDEV_MODEL_DEVICE_CONFIG_H

#include "model/domain.h"

/* Every field is given the value that means "not said". */
void device_config_init(struct device_config *device, enum device_kind kind);
void device_config_fini(struct device_config *device);

/* A copy that shares nothing with the device. 0 or -ENOMEM. */
int device_config_copy(const struct device_config *device, struct device_config *ret);

#endif
