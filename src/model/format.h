/* Writing one device as libvirt prints it; internal to model/. */
#ifndef CHARDEV_MODEL_FORMAT_H
#define CHARDEV_MODEL_FORMAT_H

#include <stdbool.h>

#include <libxml/tree.h>

#include "model/document.h"

/*
 * Everything that belongs to one printed device. For a console that is the other face of a serial,
 * `content` is the serial and `face` the console; else they are one.
 */
struct printed_device {
	const struct device_config *face;
	const struct device_config *content;
	bool live;
	const struct device_live *running; /* of `content`; NULL: not known, or not live */
};

/*
 * Fills an empty element, which gets its name, attributes and children up to <alias>. What follows
 * in libvirt's order (<acpi>, <address>) is the caller's. False: no memory.
 */
bool format_device(xmlNode *element, const struct printed_device *device);

#endif
