/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who computes here: the build, this host, the command that was given.
 */
#pragma once

#include "polyphony/results.h"

/** For messages that must come before anything changes argv. */
void signature_keep_command(int argc, char **argv);

/** Fill what a results file records of the program and the moment: all but the inputs and the ranks. */
void signature_sign(struct provenance *provenance);

/** What `polyphony --version` says. */
void signature_print(void);
