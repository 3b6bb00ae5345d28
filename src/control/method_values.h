/* The types of org.chardev as JSON. NULL: no memory. */
#ifndef CHARDEV_CONTROL_METHOD_VALUES_H
#define CHARDEV_CONTROL_METHOD_VALUES_H

#include "control/viewer.h"
#include "device/domains.h"

#include <jansson.h>

json_t *value_of_domain(const struct served *served);
json_t *value_of_device(const struct viewers *viewers, struct device *device);
/* All viewers of a device. */
json_t *value_of_viewers(const struct viewers *viewers, const struct device *device);
/* RFC 3339, or null for 0. */
json_t *value_of_time(int64_t realtime_ms);
json_t *value_of_strings(const char *const *texts, size_t count);
/* A text that may be absent: null for NULL. */
json_t *value_of_text(const char *text);

#endif
