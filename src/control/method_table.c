/* Every method, with the role it needs and the parameters it takes; see method.h. */
#include "control/method_functions.h"

#define TEXT(name)                          \
	{                                   \
		name, PARAMETER_TEXT, false \
	}
#define REQUIRED_TEXT(name)                \
	{                                  \
		name, PARAMETER_TEXT, true \
	}
#define FLAG(name)                          \
	{                                   \
		name, PARAMETER_FLAG, false \
	}
#define NUMBER(name)                          \
	{                                     \
		name, PARAMETER_NUMBER, false \
	}
#define PARAMETERS(...)                          \
	.parameters = (const struct parameter[]) \
	{                                        \
		__VA_ARGS__,                     \
		{                                \
			NULL                     \
		}                                \
	}

static const struct parameter none[] = {{NULL}};

/* clang-format off */
const struct method method_table[] = {
	{"org.varlink.service.GetInfo", ROLE_NONE, method_get_info, .parameters = none},
	{"org.varlink.service.GetInterfaceDescription", ROLE_NONE, method_get_description,
		PARAMETERS(REQUIRED_TEXT("interface"))},

	{"org.chardev.List", ROLE_VIEWER, method_list, .parameters = none},
	{"org.chardev.Status", ROLE_VIEWER, method_status,
		.sent = method_status_sent, .release = method_status_release,
		PARAMETERS(TEXT("domain"), TEXT("device"))},
	{"org.chardev.Describe", ROLE_VIEWER, method_describe,
		PARAMETERS(REQUIRED_TEXT("domain"), FLAG("live"))},
	{"org.chardev.Events", ROLE_VIEWER, method_events,
		.sent = subscription_go_on, .release = subscription_free,
		PARAMETERS(TEXT("domain"))},

	{"org.chardev.Attach", ROLE_VIEWER, method_attach, .upgrades = true,
		PARAMETERS(REQUIRED_TEXT("domain"), TEXT("device"), FLAG("read_only"), FLAG("force"),
			FLAG("lossless"), NUMBER("tail"), TEXT("since"), NUMBER("offset"),
			TEXT("epoch"))},
	{"org.chardev.Log", ROLE_VIEWER, method_log, .upgrades = true,
		PARAMETERS(REQUIRED_TEXT("domain"), TEXT("device"), FLAG("follow"), NUMBER("tail"),
			TEXT("since"))},
	{"org.chardev.Send", ROLE_OPERATOR, method_send,
		PARAMETERS(REQUIRED_TEXT("domain"), TEXT("device"), REQUIRED_TEXT("data"),
			FLAG("force"))},
	{"org.chardev.Break", ROLE_OPERATOR, method_break,
		PARAMETERS(REQUIRED_TEXT("domain"), TEXT("device"), TEXT("data"), FLAG("force"))},

	{"org.chardev.Define", ROLE_ADMIN, method_define,
		PARAMETERS(REQUIRED_TEXT("xml"), FLAG("start"))},
	{"org.chardev.Undefine", ROLE_ADMIN, method_undefine,
		PARAMETERS(REQUIRED_TEXT("domain"))},
	{"org.chardev.Start", ROLE_ADMIN, method_start,
		PARAMETERS(REQUIRED_TEXT("domain"))},
	{"org.chardev.Stop", ROLE_ADMIN, method_stop,
		PARAMETERS(REQUIRED_TEXT("domain"))},
	{"org.chardev.Reload", ROLE_ADMIN, method_reload, .on_all = true,
		.parameters = none},
	{NULL},
};
/* clang-format on */
