/* What every unit test includes: cmocka with the headers that it wants first. */
#ifndef CHARDEV_TEST_H
#define CHARDEV_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#endif
