/* SPDX-License-Identifier: ISC */
#include "lib/gz-engine.h"

/* A build without libzstd. */

const struct gz_engine gz_zstd_in, gz_zstd_out;
