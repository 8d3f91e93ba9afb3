/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/bands.h"
#include "polyphony/light.h"

/* A table, what its rows are made of, and the particles' weights that go with it. */
struct table_source {
    size_t i_channel;
    struct bands_table table;
    size_t n_dot;
    struct bands_dot *dot;
};

struct observe_tables {
    size_t n_output, n_column;
    size_t n_source;
    struct table_source source[EMISSION_CHANNEL_MAX * OBSERVE_REQUEST_MAX];
    bool *is_filled;   /* [n_cell] */
    uint32_t *missing; /* [n_cell] scratch */
};

/* The largest optical depth that tables are made for, which is this or a little more. */
double observe_tables_tau(double tau_max);
