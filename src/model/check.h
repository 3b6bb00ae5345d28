/* What is wrong with a domain beyond its grammar; internal to model/. */
#ifndef CHARDEV_MODEL_CHECK_H
#define CHARDEV_MODEL_CHECK_H

#include "model/diagnostics.h"
#include "model/domain.h"

/*
 * Adds what a domain that reads well still cannot have here: types and protocols that are not there
 * yet, two devices on one path or port, policies that would freeze a guest.
 */
void domain_check(const struct domain *domain, struct diagnostics *diagnostics);

/* Its part that compares devices: two that want one alias, one path, one port, or the VMM's one
 * stdin and stdout. */
void check_conflicts(const struct domain *domain, struct diagnostics *diagnostics);

#endif
