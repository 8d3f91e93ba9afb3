/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A look at some galaxies before a run: what is wrong with all of a catalogue is wrong with these.
 */
#pragma once

#include "polyphony/plan.h"

/** The row that a run is expected to take longest for. There must be a galaxy. */
uint64_t sample_costliest(const struct plan *plan);

/**
 * Read the first galaxy, the last, the costliest and some evenly between, 64 MiB of them at most (or all of all),
 * and print what a run would set aside, with reasons, and the census of the others. Return: 0, also with such galaxies; POLYPHONY_INPUT when the file
 * cannot be read.
 */
int sample_check(const struct plan *plan, bool is_all, struct error *err);
