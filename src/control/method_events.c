/* Events: what happens from now on; without `more` the next one alone. */
#include "control/method_functions.h"

void method_events(struct call *call)
{
	if (call->message.oneway)
		call_drop(call);
	else if (subscription_new(call) < 0)
		call_fail(call, CONTROL_FAILED, "no memory for events");
}
