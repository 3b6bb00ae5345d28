/* The methods, for the table alone; each begins a call. */
#ifndef CHARDEV_CONTROL_METHOD_FUNCTIONS_H
#define CHARDEV_CONTROL_METHOD_FUNCTIONS_H

#include "control/method.h"
#include "control/server_internal.h"

/* method_service.c */
void method_get_info(struct call *call);
void method_get_description(struct call *call);

/* method_status.c */
void method_list(struct call *call);
void method_status(struct call *call);
void method_status_sent(struct call *call);
void method_status_release(struct call *call);
void method_describe(struct call *call);

/* method_events.c */
void method_events(struct call *call);

/* method_attach.c */
void method_attach(struct call *call);

/* method_log.c */
void method_log(struct call *call);

/* method_type.c */
void method_send(struct call *call);
void method_break(struct call *call);

/* method_change.c */
void method_define(struct call *call);
void method_undefine(struct call *call);
void method_start(struct call *call);
void method_stop(struct call *call);
void method_reload(struct call *call);

#endif
