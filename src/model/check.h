/* The two halves of domain_check(); internal to model/. */
#ifndef CHARDEV_MODEL_CHECK_H
#define CHARDEV_MODEL_CHECK_H

#include "model/diagnostics.h"
#include "model/domain.h"

/* Two devices that want one alias, one path, one port, or the VMM's one stdin and stdout. */
void check_conflicts(const struct domain *domain, struct diagnostics *diagnostics);

#endif
