/* <serial type='null'>: the void. There is nothing on the host; no input ever comes. */
#include "backend/describe.h"
#include "backend/portless.h"
#include "backend/table.h"

static int null_open(const struct backend_params *params, struct backend **ret, struct error *err)
{
	return portless_open(params, &null_backend, ret, err);
}

static void null_describe(const struct backend *backend, struct backend_description *ret)
{
	describe_where(ret, "nowhere: output is discarded");
}

const struct backend_ops null_backend = {
	.open = null_open,
	.close = portless_close,
	.describe = null_describe,
	.reopen = backend_has_no_file,
};
