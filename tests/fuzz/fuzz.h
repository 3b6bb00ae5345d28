/* What libFuzzer, or the replay of a corpus, calls in a fuzz target. */
#ifndef CHARDEV_TESTS_FUZZ_H
#define CHARDEV_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
