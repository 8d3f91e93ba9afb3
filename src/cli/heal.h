/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of a results file that were lost: found before galaxies are dealt, or after ranks were lost, and left
 * to be computed again.
 */
#pragma once

#include "output.h"
#include "stopping.h"

/** Without --repair, so many bytes are read of rows that are known to be on disk: some seconds. */
#define HEAL_BUDGET_BYTES (UINT64_C(4) << 30)

/**
 * Rank 0, on a file that is continued, after output_prepare(). Rows that are done or set aside and not known
 * to be on disk are always looked at, and then brought there; others as far as HEAL_BUDGET_BYTES go, or all
 * (is_all: --repair). What is not as it was written is said, and counts as left from now on. POLYPHONY_INPUT,
 * POLYPHONY_OUTPUT; POLYPHONY_STOPPED when it is to stop meanwhile.
 */
int heal(struct output *output, bool is_all, struct stopping *stopping, struct error *err);

/**
 * Rank 0, at the end of a run that went on without ranks: nobody has marked what these had written since
 * their last sync. It is verified, brought to disk and marked; what is not there (of a machine that went down
 * with it) is left: so many in *ret_n_lost. POLYPHONY_INPUT, POLYPHONY_OUTPUT.
 */
int heal_lost(struct output *output, size_t *ret_n_lost, struct error *err);
