/* SPDX-License-Identifier: ISC */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

/* The clock for waiting: nobody sets it, and it says nothing of the date. */

#include <stdint.h>

/* Milliseconds since some moment before the program began. */
int64_t d4_clock_ms(void);

#endif
