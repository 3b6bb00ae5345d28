/*
 * <serial type='vc'>: a virtual console. Its display is not there yet: what the guest writes is in
 * the device's history and its log.
 */
#include "backend/describe.h"
#include "backend/portless.h"
#include "backend/table.h"

static int vc_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	return portless_open(params, &vc_backend, ret, err);
}

static void vc_describe(const struct backend *backend, struct backend_description *ret)
{
	describe_where(ret, "virtual console: kept in the history, not shown yet");
}

const struct backend_ops vc_backend = {
	.open = vc_open,
	.close = portless_close,
	.describe = vc_describe,
	.reopen = backend_has_no_file,
};
