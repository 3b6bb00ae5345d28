/* What a document holds; internal to model/. */
#ifndef CHARDEV_MODEL_DOCUMENT_INTERNAL_H
#define CHARDEV_MODEL_DOCUMENT_INTERNAL_H

#include <libxml/tree.h>

#include "model/document.h"

struct document {
	xmlDoc *xml;
	struct domain *domain;
	xmlNode **elements; /* of each of the domain's devices; NULL: none in the document */
};

#endif
