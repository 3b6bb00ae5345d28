/* The engine's defaults; see policy.h. */
#include "device/policy.h"

#include "device/history.h"

/* A 16550 that is not read is flow control to the guest; a long pause hangs its boot. */
static bool is_16550(const struct device_config *config)
{
	if (config->kind == DEVICE_CONSOLE)
		return config->target.console == CONSOLE_TARGET_SERIAL ||
		       config->target.console == CONSOLE_TARGET_NONE;
	if (config->kind != DEVICE_SERIAL)
		return false;
	switch (config->target.serial) {
	case SERIAL_TARGET_NONE:
	case SERIAL_TARGET_ISA:
	case SERIAL_TARGET_PCI:
		return true;
	case SERIAL_TARGET_SYSTEM:
		return config->target.model == SERIAL_MODEL_16550A;
	default:
		return false;
	}
}

static void default_overflow(const struct device_config *config, struct policy *policy)
{
	policy->overflow = READER_DROP;
	policy->patience_ms = 0;
	if (config->kind == DEVICE_CHANNEL)
		policy->overflow = READER_BLOCK;
	else if (is_16550(config))
		policy->patience_ms = POLICY_UART_PATIENCE_MS;
}

struct policy policy_of(const struct device_config *config)
{
	const struct extensions *said = &config->extensions;
	struct policy policy = {.history_size = HISTORY_DEFAULT_SIZE};
	default_overflow(config, &policy);
	if (said->overflow.policy != OVERFLOW_DEFAULT)
		policy.overflow =
			said->overflow.policy == OVERFLOW_BLOCK ? READER_BLOCK : READER_DROP;
	if (said->overflow.patience_ms >= 0)
		policy.patience_ms = (uint32_t)said->overflow.patience_ms;

	policy.replay = config->kind == DEVICE_CHANNEL ? REPLAY_NONE : REPLAY_MISSED;
	if (said->history.replay != REPLAY_DEFAULT)
		policy.replay = said->history.replay;
	if (said->history.size_set)
		policy.history_size = said->history.size;
	/* No history still needs a ring to pass through, but nothing is shown again from it. */
	if (policy.history_size == 0) {
		policy.history_size = HISTORY_FIRST_SIZE;
		policy.replay = REPLAY_NONE;
	}
	return policy;
}
