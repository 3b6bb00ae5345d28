/* A VMM's command line and a domain's guest ports; see vmm_attach.h. */
#include "cli/vmm_attach.h"

#include "cli/input.h"
#include "device/device.h"
#include "guest/guest.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int plan_ports(const struct domain *domain, const char *domain_dir,
	struct guest_description *plans, struct qemu_port *ports, size_t *ret_count,
	struct error *err)
{
	size_t n = 0;
	for (size_t i = 0; i < domain->device_count; i++) {
		const struct device_config *config = &domain->devices[i];
		if (!device_is_presented(config))
			continue;
		int code = guest_plan(config, domain_dir, &plans[n], err);
		if (code < 0)
			return code;
		ports[n] = (struct qemu_port){
			.config = config,
			.type = plans[n].type,
			.listens = plans[n].listens,
			.path = plans[n].path,
		};
		n++;
	}
	*ret_count = n;
	return 0;
}

/* From "by port" to "by device". */
static void spread_ids(const struct domain *domain, const struct qemu_port *ports,
	struct qemu_arguments *arguments)
{
	struct strlist ids = STRLIST_INIT;
	size_t n = 0;
	for (size_t i = 0; i < domain->device_count; i++) {
		bool has_port =
			n < arguments->chardev_ids.count && ports[n].config == &domain->devices[i];
		strlist_add(&ids, has_port ? arguments->chardev_ids.items[n++] : "");
	}
	strlist_fini(&arguments->chardev_ids);
	arguments->chardev_ids = ids;
}

static int make_qemu(struct qemu_params *params, const char *domain_dir, const char *file,
	struct qemu_arguments *ret, struct error *err)
{
	struct sockaddr_un address;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	char qmp_path[sizeof(address.sun_path)];
	int n = snprintf(qmp_path, sizeof(qmp_path), "%s/qmp.sock", domain_dir);
	if (n > 0 && (size_t)n < sizeof(qmp_path))
		params->qmp_path = qmp_path;
	else
		diagnostics_add(&diagnostics, SEVERITY_WARNING, 0,
			"the path of QEMU's monitor, %s/qmp.sock, is longer than %zu bytes, so no "
			"BREAK can be sent; give a shorter --runtime-dir",
			domain_dir, sizeof(qmp_path) - 1);
	params->diagnostics = &diagnostics;
	int code = qemu_arguments_make(params, ret, err);
	if (code == 0)
		spread_ids(params->domain, params->ports, ret);
	if (code == 0 && ret->chardev_ids.failed)
		code = error_set(err, -ENOMEM, "out of memory");
	input_print(file, &diagnostics, true);
	diagnostics_fini(&diagnostics);
	return code;
}

int vmm_attach_qemu(const struct domain *domain, const char *domain_dir, const char *file,
	char *const *user_args, struct qemu_arguments *ret, struct error *err)
{
	size_t n = domain->device_count + 1;
	struct guest_description *plans = calloc(n, sizeof(*plans));
	struct qemu_port *ports = calloc(n, sizeof(*ports));
	struct qemu_params params = {.domain = domain, .ports = ports, .user_args = user_args};
	*ret = (struct qemu_arguments){0};
	int code = -ENOMEM;
	if (plans == NULL || ports == NULL)
		error_set(err, code, "out of memory");
	else
		code = plan_ports(domain, domain_dir, plans, ports, &params.port_count, err);
	if (code == 0)
		code = make_qemu(&params, domain_dir, file, ret, err);
	free(plans);
	free(ports);
	return code;
}

/* The path for {ALIAS}; "" when the braces mean something else. */
static int path_for(const struct domain *domain, const char *domain_dir, const char *alias,
	struct guest_description *ret, struct error *err)
{
	const struct device_config *config = domain_find_device(domain, alias);
	ret->path[0] = '\0';
	if (config == NULL)
		return 0;
	config = domain_resolve_alias(domain, config);
	return device_is_presented(config) ? guest_plan(config, domain_dir, ret, err) : 0;
}

int vmm_attach_other(const struct domain *domain, const char *domain_dir, const char *argument,
	struct strlist *ret, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	while (*argument != '\0') {
		const char *end = *argument == '{' ? strchr(argument, '}') : NULL;
		struct guest_description plan = {0};
		char *alias =
			end != NULL ? strndup(argument + 1, (size_t)(end - argument - 1)) : NULL;
		int code = alias != NULL ? path_for(domain, domain_dir, alias, &plan, err) : 0;
		free(alias);
		if (code < 0) {
			strbuf_fini(&sb);
			return code;
		}
		if (plan.path[0] != '\0') {
			strbuf_add(&sb, plan.path);
			argument = end + 1;
		} else {
			strbuf_add_bytes(&sb, argument++, 1);
		}
	}
	strlist_take(ret, strbuf_steal(&sb));
	return ret->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}
