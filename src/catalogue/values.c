/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "catalogue_private.h"

#include <float.h>
#include <math.h>

#include "polyphony/cosmology.h"

/* The least and the most a value may be, and what a message says it must be; in the order of enum bound. */
static const double least[] = { -DBL_MAX, DBL_TRUE_MIN, 0.0, 0.0, 0.0 };
static const double greatest[] = { DBL_MAX, DBL_MAX, DBL_MAX, COSMOLOGY_REDSHIFT_MAX, 1.0 };
static const char *const needed[] = { "finite", "> 0 and finite", ">= 0 and finite", ">= 0 and <= 1000",
                                      ">= 0 and <= 1 (a fraction of the mass; solar units are not)" };
_Static_assert(COSMOLOGY_REDSHIFT_MAX == 1000, "the message says so");

bool value_is_within(enum bound bound, double value)
{
    return value >= least[bound] && value <= greatest[bound];
}

const char *value_needed(enum bound bound)
{
    return needed[bound];
}

bool value_round(double rounding, double *value)
{
    bool is_rounding = *value < 0.0 && *value >= -rounding;

    if (is_rounding)
        *value = 0.0;
    return is_rounding;
}

/* Almost always all are within, and then there is nothing else to do. */
static bool all_within(double low, double high, const double *value, size_t n)
{
    size_t n_out = 0;

    for (size_t i = 0; i < n; i++)
        n_out += !(value[i] >= low && value[i] <= high);
    return n_out == 0;
}

/* A bound in the file's unit. Where that would be infinite, or 0 for what is not, the bound itself will do. */
static double in_file_unit(double value, double factor)
{
    double quotient = value / factor;

    return quotient != 0.0 && fabs(quotient) <= DBL_MAX ? quotient : value;
}

size_t values_check(enum bound bound, double rounding, double factor, double *value, size_t n,
                    uint64_t *n_rounded)
{
    double low = in_file_unit(least[bound], factor), high = in_file_unit(greatest[bound], factor);
    double never_rounded = bound == ANY_FINITE && rounding > 0.0 ? 0.0 : low;

    if (all_within(never_rounded, high, value, n))
        return n;
    for (size_t i = 0; i < n; i++) {
        *n_rounded += value_round(rounding, &value[i]);
        if (!(value[i] >= low && value[i] <= high))
            return i;
    }
    return n;
}
