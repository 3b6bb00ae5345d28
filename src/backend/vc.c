/*
 * <serial type='vc'>: a virtual console. It has no peers on this side: a screen is drawn by a
 * viewer, a process of its own that reaches the device's history through the control interface.
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
	describe_where(ret, "virtual console: kept for viewers, none shown here");
}

const struct backend_ops vc_backend = {
	.open = vc_open,
	.close = portless_close,
	.describe = vc_describe,
};
