/* SPDX-License-Identifier: ISC */
#include "lib/gz-engine.h"

/* A build without isa-l. */

const struct gz_engine gz_isal_in, gz_isal_out;
