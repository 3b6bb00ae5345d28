/*
 * The words of the XML, one table per attribute; an enumerator is its word's index. NULL stands
 * where an enumerator has no word (values that mean "not said", guest ports that XML cannot name).
 */
#ifndef CHARDEV_MODEL_NAMES_H
#define CHARDEV_MODEL_NAMES_H

#include "model/domain.h"

extern const char *const device_kind_names[DEVICE_KIND_COUNT];
extern const char *const source_type_names[SOURCE_TYPE_COUNT];
extern const char *const socket_mode_names[SOCKET_MODE_COUNT];
extern const char *const tcp_protocol_names[TCP_PROTOCOL_COUNT];
extern const char *const serial_target_names[SERIAL_TARGET_COUNT];
extern const char *const serial_model_names[SERIAL_MODEL_COUNT];
extern const char *const console_target_names[CONSOLE_TARGET_COUNT];
extern const char *const channel_target_names[CHANNEL_TARGET_COUNT];
extern const char *const guest_port_names[GUEST_PORT_COUNT];
extern const char *const replay_names[REPLAY_COUNT];
extern const char *const overflow_policy_names[OVERFLOW_POLICY_COUNT];
extern const char *const line_parity_names[PARITY_COUNT];
extern const char *const line_flow_names[FLOW_COUNT];
extern const char *const mouse_mode_names[3];
extern const char *const yes_no_names[3]; /* by enum tristate */
extern const char *const on_off_names[3]; /* by enum tristate */

#define NAME_COUNT(names) (sizeof(names) / sizeof((names)[0]))

/* The index of `text` among `count` names, or -1. */
int name_index(const char *const *names, size_t count, const char *text);

#endif
