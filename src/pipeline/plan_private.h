/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/pipeline.h"

/* Resolve an operation's labels and instruments by name; NULL instruments: it has none. */
int plan_select(struct plan *plan, const char *key, char *const *labels, unsigned n_labels,
                char *const *instruments, unsigned n_instruments, struct selection *ret_selection,
                struct error *err);

/* List what a row holds and where. */
int plan_products(struct plan *plan, struct error *err);

void plan_warn(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory of the plan, or an error. */
void *plan_array(struct plan *plan, size_t n, size_t size, int *r, struct error *err);
