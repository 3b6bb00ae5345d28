/*
 * The first look at a document: is it something that an XML parser may be shown at all?
 *
 * One pass over the bytes, no memory. It ends at the first of: a byte that is not UTF-8, a NUL, a
 * document type declaration, a foreign encoding, a limit that is passed. Whether the document is
 * well formed is not asked here; libxml2 says that afterwards, on a text that cannot hurt it (its
 * search for duplicate attributes and its namespaces are quadratic).
 */
#ifndef CHARDEV_MODEL_XML_SCAN_H
#define CHARDEV_MODEL_XML_SCAN_H

#include <stddef.h>

#include "util/error.h"

enum {
	XML_MAX_NODES = 500 * 1000,         /* elements, attributes, comments, instructions */
	XML_MAX_ATTRIBUTES = 100,           /* of one element */
	XML_MAX_NAMESPACES = 1000,          /* declarations in the whole document */
	XML_MAX_ATTRIBUTE_BYTES = 64 * 1024 /* of one start tag, its attributes included */
};

/* 0, or -EINVAL with the sentence in *err and the line in *ret_line (0: the whole document). */
int xml_scan(const char *xml, size_t n, unsigned *ret_line, struct error *err);

#endif
