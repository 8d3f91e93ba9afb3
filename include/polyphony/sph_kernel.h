/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SPH kernels: how a simulation particle spreads its mass, and the columns through it.
 *
 * Lengths are in units of the smoothing length h, at which every kernel here ends: W(r) is 0 for r >= 1 and
 * integrates to 1 over space (quintic, as rounded in Synthesizer, to 1 + 1.7e-7), so that a
 * particle of mass m has density m/h^3 W(r/h) and surface density m/h^2 column(b/h).
 *
 * All kernels are piecewise polynomials in r; columns through them, whole or cut, are evaluated in closed
 * form and are never negative. Functions allocate nothing and may be called from any thread, unless said
 * otherwise.
 */
#pragma once

#include <stddef.h>

#include "polyphony/base.h"

enum sph_kernel {
    SPH_UNIFORM,
    SPH_ANARCHY,  /* Wendland C2 */
    SPH_GADGET_2, /* cubic spline, Springel 2005 */
    SPH_CUBIC,    /* the same spline, coefficients rounded as in Synthesizer */
    SPH_QUARTIC,
    SPH_QUINTIC,
};

/** Kernel of a name: uniform, sph_anarchy, gadget_2, cubic, quartic, quintic. Return: 0, POLYPHONY_USAGE. */
int sph_kernel_find(const char *name, enum sph_kernel *ret_kernel, struct error *err);

/** W(r) [h^-3] at r >= 0 [h]. */
double sph_kernel_density(enum sph_kernel kernel, double r);

/**
 * Column of the part of the kernel below z: integral of W(sqrt(b^2 + s^2)) over s from -infinity to z [h^-2].
 *
 * @param b impact parameter, >= 0 [h]
 * @param z where the column is cut, any sign [h]
 *
 * Absolute error below 1e-12 of the whole column at b = 0.
 */
double sph_kernel_column(enum sph_kernel kernel, double b, double z);

/** Column of the whole kernel, sph_kernel_column(kernel, b, infinity). */
double sph_kernel_column_whole(enum sph_kernel kernel, double b);

/**
 * The projected kernel of imaging: whole columns at the nodes b = i/(n - 1), exact. The columns beyond the
 * last node are zero, so that interpolation needs no special case at the edge. Immutable once opened:
 * threads share one table.
 */
enum { KERNEL_TABLE_N = 10001, KERNEL_ENCLOSED_N = 1024 };
struct kernel_table {
    enum sph_kernel kernel;
    /* A column and what the next one has more, side by side: [h^-2] */
    double column[KERNEL_TABLE_N + 1][2] __attribute__((aligned(16)));
    /* For integrals over pixels: the fraction M(q) of the kernel within a cylinder of radius q, over q^2, as
     * cubics enclosed[i] in q n - i, to 1e-11 of the whole. That of the uniform kernel is in closed form. */
    double enclosed[KERNEL_ENCLOSED_N][4];
};

/** Build a table; the caller frees it. Return: 0, POLYPHONY_INTERNAL when memory is short. */
int kernel_table_open(enum sph_kernel kernel, struct kernel_table **ret_table, struct error *err);
void kernel_table_free(struct kernel_table *table); /* NULL is fine */

/** Column at a place counted in nodes, >= 0: linear between its neighbours, zero from the last node on. */
static inline double kernel_table_at_node(const struct kernel_table *table, double node)
{
    double inside = node < KERNEL_TABLE_N ? node : KERNEL_TABLE_N;
    int i = (int)inside;

    return table->column[i][0] + (inside - i) * table->column[i][1];
}

/**
 * Column at q = b/h >= 0 as Synthesizer looks it up: at node q n, not q (n - 1), so the kernel is evaluated
 * at q n/(n - 1), stretched by 1e-4 (docs/physics.md 11).
 */
static inline double kernel_table_at(const struct kernel_table *table, double q)
{
    return kernel_table_at_node(table, q * KERNEL_TABLE_N);
}
