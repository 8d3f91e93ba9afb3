/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each kernel is data: polynomials in r on consecutive intervals. Along a line at impact parameter b,
 * r^2 = b^2 + s^2, and the powers of r integrate to
 *
 *     I_n(s) = integral_0^s r^n ds' = (s r^n + n b^2 I_{n-2}) / (n + 1),
 *     I_0 = s,   I_{-1} = log((s + r)/b)
 *
 * (integrate by parts), so a column is a sum of differences of I_n over the pieces that the line crosses.
 */
#include "polyphony/sph_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sph_profile.h"

/* docs/physics.md 10; decimals as Synthesizer has them. */
static const struct sph_profile profiles[] = {
    [SPH_UNIFORM] = { 0.75 * M_1_PI, 1, { { 1.0, { 1.0 } } } },
    /* (1 - r)^4 (1 + 4 r) */
    [SPH_ANARCHY] = { 10.5 * M_1_PI, 1, { { 1.0, { 1.0, 0.0, -10.0, 20.0, -15.0, 4.0 } } } },
    [SPH_GADGET_2] = { 8.0 * M_1_PI,
                       2,
                       { { 0.5, { 1.0, 0.0, -6.0, 6.0 } }, { 1.0, { 2.0, -6.0, 6.0, -2.0 } } } },
    [SPH_CUBIC] = { 1.0,
                    2,
                    { { 0.5, { 2.546479089470, 0.0, -15.278874536822, 15.278874536822 } },
                      { 1.0, { 5.092958178941, -15.278874536823, 15.278874536823, -5.092958178941 } } } },
    /* (5/2 - Q)^4 - 5 (3/2 - Q)^4 + 10 (1/2 - Q)^4 with Q = 5 r/2, each term until its bracket vanishes */
    [SPH_QUARTIC] = { 25.0 / 32.0 * M_1_PI,
                      3,
                      { { 0.2, { 14.375, 0.0, -93.75, 0.0, 234.375 } },
                        { 0.6, { 13.75, 12.5, -187.5, 312.5, -156.25 } },
                        { 1.0, { 39.0625, -156.25, 234.375, -156.25, 39.0625 } } } },
    [SPH_QUINTIC] = { 27.0,
                      3,
                      { { 0.333333333, { 0.17507044, 0.0, -1.4323945, 0.0, 6.4457752, -6.4457752 } },
                        { 0.666666667,
                          { 0.1352817016, 0.5968310366, -5.01338071, 10.7429587, -9.6686628, 3.2228876 } },
                        { 1.0,
                          { 0.64457752, -3.2228876, 6.4457752, -6.4457752, 3.2228876, -0.64457752 } } } },
};

static const char *const names[] = {
    [SPH_UNIFORM] = "uniform", [SPH_ANARCHY] = "sph_anarchy", [SPH_GADGET_2] = "gadget_2",
    [SPH_CUBIC] = "cubic",     [SPH_QUARTIC] = "quartic",     [SPH_QUINTIC] = "quintic",
};
enum { N_KERNEL = sizeof(names) / sizeof(names[0]) };

const struct sph_profile *sph_profile_of(enum sph_kernel kernel)
{
    return &profiles[kernel];
}

int sph_kernel_find(const char *name, enum sph_kernel *ret_kernel, struct error *err)
{
    for (int i = 0; i < N_KERNEL; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_kernel = (enum sph_kernel)i;
            return 0;
        }
    }
    return error_set(
        err, POLYPHONY_USAGE,
        "SPH kernel '%s' is not known%s; choose uniform, sph_anarchy, gadget_2, cubic, quartic or quintic",
        name, text_meant(name, names, N_KERNEL).text);
}

double sph_kernel_density(enum sph_kernel kernel, double r)
{
    const struct sph_profile *profile = &profiles[kernel];
    const struct sph_piece *piece = profile->pieces;
    double sum = 0.0;

    if (r >= 1.0)
        return 0.0;
    while (r >= piece->r_end)
        piece++;
    for (int i = SPH_POWER_N; i-- > 0;)
        sum = sum * r + piece->factor[i];
    return profile->scale * sum;
}

/* I_n(s) for n < SPH_POWER_N; r = sqrt(b^2 + s^2). */
static inline void integrate_powers(double b, double s, double r, double *ret_integral)
{
    double b2 = b * b;
    /* b^2 log b vanishes with b; b^2 > 0 keeps (s + r)/b finite. */
    double b2_log = b2 > 0.0 ? b2 * log((s + r) / b) : 0.0;
    double r2 = r * r;

    ret_integral[0] = s;
    ret_integral[1] = 0.5 * (s * r + b2_log);
    ret_integral[2] = (1.0 / 3.0) * (s * r2 + 2.0 * b2 * ret_integral[0]);
    ret_integral[3] = 0.25 * (s * r2 * r + 3.0 * b2 * ret_integral[1]);
    ret_integral[4] = 0.2 * (s * r2 * r2 + 4.0 * b2 * ret_integral[2]);
    ret_integral[5] = (1.0 / 6.0) * (s * r2 * r2 * r + 5.0 * b2 * ret_integral[3]);
}

/* Column, before scaling, from the plane s = 0 to (s_top, r_top), where b <= r_top <= 1. */
static double column_half(const struct sph_profile *profile, double b, double s_top, double r_top)
{
    double lower[SPH_POWER_N] = { 0.0 };
    double column = 0.0;

    for (size_t i_piece = 0; i_piece < profile->n_piece; i_piece++) {
        const struct sph_piece *piece = &profile->pieces[i_piece];
        bool last = r_top <= piece->r_end;
        double upper[SPH_POWER_N];

        if (piece->r_end <= b)
            continue;
        if (last)
            integrate_powers(b, s_top, r_top, upper);
        else
            integrate_powers(b, sqrt((piece->r_end - b) * (piece->r_end + b)), piece->r_end, upper);
        for (int i = 0; i < SPH_POWER_N; i++) {
            column += piece->factor[i] * (upper[i] - lower[i]);
            lower[i] = upper[i];
        }
        if (last)
            break;
    }
    return column;
}

double sph_kernel_column(enum sph_kernel kernel, double b, double z)
{
    const struct sph_profile *profile = &profiles[kernel];
    double s_max, half, part;

    if (b >= 1.0)
        return 0.0;
    s_max = sqrt((1.0 - b) * (1.0 + b));
    if (z <= -s_max)
        return 0.0;
    half = column_half(profile, b, s_max, 1.0);
    if (z >= s_max)
        part = half;
    else
        part = copysign(column_half(profile, b, fabs(z), fmin(sqrt(b * b + z * z), 1.0)), z);
    return profile->scale * fmax(half + part, 0.0); /* rounding may leave -1e-16 near the edge */
}

double sph_kernel_column_whole(enum sph_kernel kernel, double b)
{
    const struct sph_profile *profile = &profiles[kernel];

    if (b >= 1.0)
        return 0.0;
    return profile->scale * fmax(2.0 * column_half(profile, b, sqrt((1.0 - b) * (1.0 + b)), 1.0), 0.0);
}

/* Integral of 2 pi b column(b) over a cell, Gauss-Legendre with 4 nodes. */
static double ring(enum sph_kernel kernel, double begin, double end)
{
    static const double node[2] = { 0.33998104358485626, 0.8611363115940526 };
    static const double weight[2] = { 0.6521451548625462, 0.34785484513745385 };
    double middle = 0.5 * (begin + end), half = 0.5 * (end - begin), sum = 0.0;

    for (int k = 0; k < 2; k++) {
        double below = middle - half * node[k], above = middle + half * node[k];

        sum += weight[k] * (below * sph_kernel_column_whole(kernel, below) +
                            above * sph_kernel_column_whole(kernel, above));
    }
    return 2.0 * M_PI * half * sum;
}

/* Hermite cubics of g = M(q)/q^2, where M' = 2 pi q column(q) / M(1), so that g' = (2 pi column - 2 g)/q. */
static void fill_enclosed(struct kernel_table *table)
{
    const double cell = 1.0 / KERNEL_ENCLOSED_N;
    double(*enclosed)[4] = table->enclosed;
    double sum[KERNEL_ENCLOSED_N + 1] = { 0.0 }, next[2] = { 1.0, -2.0 * cell };

    for (int i = 0; i < KERNEL_ENCLOSED_N; i++)
        sum[i + 1] = sum[i] + ring(table->kernel, i * cell, (i + 1) * cell);
    for (int i = KERNEL_ENCLOSED_N; i-- > 0;) {
        double q = i * cell, all = sum[KERNEL_ENCLOSED_N];
        double column = sph_kernel_column_whole(table->kernel, q);
        double value = i > 0 ? sum[i] / all / (q * q) : M_PI * column / all;
        double slope = i > 0 ? cell * (2.0 * M_PI * column / all - 2.0 * value) / q : 0.0;

        enclosed[i][0] = value;
        enclosed[i][1] = slope;
        enclosed[i][2] = 3.0 * (next[0] - value) - 2.0 * slope - next[1];
        enclosed[i][3] = 2.0 * (value - next[0]) + slope + next[1];
        next[0] = value;
        next[1] = slope;
    }
}

int kernel_table_open(enum sph_kernel kernel, struct kernel_table **ret_table, struct error *err)
{
    struct kernel_table *table = mem_array(1, sizeof(*table));

    if (!table)
        return error_set(err, POLYPHONY_INTERNAL, "SPH kernel '%s': no memory for its table of %zu bytes",
                         names[kernel], sizeof(*table));
    table->kernel = kernel;
    for (int i = 0; i < KERNEL_TABLE_N; i++)
        table->column[i][0] = sph_kernel_column_whole(kernel, (double)i / (KERNEL_TABLE_N - 1));
    for (int i = 0; i < KERNEL_TABLE_N; i++)
        table->column[i][1] = table->column[i + 1][0] - table->column[i][0];
    fill_enclosed(table);
    *ret_table = table;
    return 0;
}

void kernel_table_free(struct kernel_table *table)
{
    free(table);
}
