/* org.varlink.service: what every Varlink service says of itself. */
#include "control/method_functions.h"

#include "description.h"

#include <string.h>

static const char service_description[] =
	"# The Varlink service interface, see https://varlink.org\n"
	"interface org.varlink.service\n"
	"\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static const struct {
	const char *name;
	const char *description;
} interfaces[] = {
	{"org.varlink.service", service_description},
	{"org.chardev", control_description},
};

void method_get_info(struct call *call)
{
	const struct control_host *host = call_server(call)->params.host;
	call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", host->vendor,
				 "product", host->product, "version", host->version, "url",
				 host->url, "interfaces", interfaces[0].name, interfaces[1].name));
}

void method_get_description(struct call *call)
{
	const char *name = call_text(call, "interface");
	for (size_t i = 0; i < sizeof(interfaces) / sizeof(interfaces[0]); i++)
		if (strcmp(interfaces[i].name, name) == 0) {
			call_reply(
				call, json_pack("{s:s}", "description", interfaces[i].description));
			return;
		}
	call_fail_service(call, "InterfaceNotFound", "interface", name);
}
