/* Comparing two devices; see device_equal.h. What a source says is compared in source_equals.c. */
#include "model/device_equal.h"

#include <string.h>

#include "model/parse.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_seclabels(const struct source *a, const struct source *b)
{
	bool equal = a->seclabel_count == b->seclabel_count;
	for (size_t i = 0; equal && i < a->seclabel_count; i++)
		equal = same(a->seclabels[i].model, b->seclabels[i].model) &&
			same(a->seclabels[i].label, b->seclabels[i].label) &&
			a->seclabels[i].relabel == b->seclabels[i].relabel;
	return equal;
}

static bool same_target(const struct target *a, const struct target *b)
{
	return a->port == b->port && a->serial == b->serial && a->model == b->model &&
	       a->console == b->console && a->channel == b->channel && a->iobase == b->iobase &&
	       a->irq == b->irq && same(a->name, b->name) && same(a->address, b->address) &&
	       a->guestfwd_port == b->guestfwd_port;
}

static bool same_history(const struct extensions *a, const struct extensions *b)
{
	return a->history.size == b->history.size && a->history.size_set == b->history.size_set &&
	       a->history.replay == b->history.replay && a->overflow.policy == b->overflow.policy &&
	       a->overflow.patience_ms == b->overflow.patience_ms;
}

static bool same_log(const struct device_config *a, const struct device_config *b)
{
	const struct extensions *x = &a->extensions, *y = &b->extensions;
	return device_log_equals(a, b) && a->log.append == b->log.append &&
	       x->log.max_size == y->log.max_size && x->log.max_size_set == y->log.max_size_set &&
	       x->log.max_backups == y->log.max_backups && x->log.timestamps == y->log.timestamps &&
	       x->log.compress == y->log.compress;
}

static bool same_line(const struct extensions *a, const struct extensions *b)
{
	return a->line.speed == b->line.speed && a->line.bits == b->line.bits &&
	       a->line.parity == b->line.parity && a->line.stop == b->line.stop &&
	       a->line.flow == b->line.flow;
}

static bool same_tls(const struct extensions *a, const struct extensions *b)
{
	return a->tls.said == b->tls.said && same(a->tls.dir, b->tls.dir) &&
	       a->tls.verify == b->tls.verify && same(a->tls.allow, b->tls.allow);
}

bool device_log_equals(const struct device_config *a, const struct device_config *b)
{
	return same(a->log.file, b->log.file);
}

bool device_guest_equals(const struct device_config *a, const struct device_config *b)
{
	const struct extensions *x = &a->extensions, *y = &b->extensions;
	return a->kind == b->kind && x->guest.type == y->guest.type &&
	       same(x->guest.path, y->guest.path) && x->guest.listens == y->guest.listens;
}

bool device_file_equals(const struct device_config *a, const struct device_config *b)
{
	return a->source.type == b->source.type &&
	       (a->source.type != SOURCE_FILE ||
		       same(a->source.u.file.path, b->source.u.file.path));
}

static bool same_presentation(const struct device_config *a, const struct device_config *b)
{
	const struct extensions *x = &a->extensions, *y = &b->extensions;
	if (!source_equals(&a->source, &b->source) || !same_seclabels(&a->source, &b->source))
		return false;
	/* source_equals() compares as libvirt does, to whom this is not the source's. */
	if (a->source.type == SOURCE_TCP && a->source.u.tcp.tls != b->source.u.tcp.tls)
		return false;
	return x->clients_max == y->clients_max && same_line(x, y) && same_tls(x, y) &&
	       x->socket.mode == y->socket.mode && same(x->socket.group, y->socket.group);
}

bool device_config_equals(const struct device_config *a, const struct device_config *b)
{
	return same(a->alias, b->alias) && a->alias_is_user == b->alias_is_user &&
	       a->alias_of_serial == b->alias_of_serial && device_guest_equals(a, b) &&
	       same_presentation(a, b) && same_target(&a->target, &b->target) &&
	       same_history(&a->extensions, &b->extensions) && same_log(a, b);
}
