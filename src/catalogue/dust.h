/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dust masses of the gas. Where the file has none they are made: masses times metallicities times a ratio of
 * dust to metals of the particle, its galaxy, or the job.
 */
#pragma once

#include "batch.h"

/* The gas is chosen, and fields that the job needs are read: make the masses. */
void dust_make(struct batch *batch);
