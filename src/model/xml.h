/*
 * Reading XML into a libxml2 tree, and asking the tree; internal to model/.
 *
 * Attributes are found by their local name in any namespace and elements only without a namespace,
 * because that is how libvirt finds them.
 */
#ifndef CHARDEV_MODEL_XML_H
#define CHARDEV_MODEL_XML_H

#include <stdbool.h>
#include <stddef.h>

#include <libxml/tree.h>

#include "util/error.h"

#define CHARDEV_NAMESPACE "urn:chardev:1"

/*
 * 0 and the tree (xmlFreeDoc() it), or -EINVAL or -ENOMEM with a sentence and its line (0: the
 * document as a whole). No DTD, no network, no entities but XML's five; limits: xml_scan.h.
 */
int xml_read(const char *xml, size_t n, xmlDoc **ret, unsigned *ret_line, struct error *err);

/*
 * libxml2 goes on when memory runs out and leaves out what did not fit; only its last error tells.
 * Begin with the first, ask the second before the result is believed.
 */
void xml_memory_begin(void);
bool xml_memory_failed(void);

/* The line on which the element's tag begins, exact beyond 65535. */
unsigned xml_line(const xmlNode *element);

/* An attribute's value, borrowed from the tree; NULL when it is absent. */
const char *xml_attribute(const xmlNode *element, const char *name);

/* Is this the element of that name, without a namespace? */
bool xml_is(const xmlNode *node, const char *name);

/* Is this an element of our own namespace? */
bool xml_is_ours(const xmlNode *node);

/* The first child element of that name at or after `node` (a child, or NULL). */
xmlNode *xml_find(xmlNode *node, const char *name);

/* The node after `node` in document order, below `root`; NULL after the last. */
xmlNode *xml_next(const xmlNode *root, const xmlNode *node);

/* The text below an element; owned by the caller (free()); NULL: no memory. */
char *xml_text(const xmlNode *element);

#endif
