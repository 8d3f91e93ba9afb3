/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/dust_curve.h"

#include "emission_private.h"

#include <string.h>

int dust_curve_find(const char *name, struct dust_curve *ret_curve, struct error *err)
{
    for (const struct dust_curve_row *const *row = dust_curve_rows; *row; row++) {
        if (strcmp(name, (*row)->name))
            continue;
        *ret_curve = (struct dust_curve) { .row = *row };
        for (size_t p = 0; p < (*row)->n_parameter; p++)
            ret_curve->parameter[p] = (*row)->parameter[p].value;
        return 0;
    }
    return emission_unknown("dust curve", name, (const void *const *)dust_curve_rows, err);
}

/* ", "-separated names of the curves that have a parameter. */
static void list_curves(const char *parameter, char *text, size_t size)
{
    text[0] = '\0';
    for (const struct dust_curve_row *const *row = dust_curve_rows; *row; row++)
        for (size_t p = 0; p < (*row)->n_parameter; p++) {
            size_t used = strlen(text);

            if (!strcmp((*row)->parameter[p].name, parameter))
                text_format(text + used, size - used, "%s%s", used ? ", " : "", (*row)->name);
        }
}

int dust_curve_set(struct dust_curve *curve, const char *parameter, double value, struct error *err)
{
    const struct dust_curve_row *row = curve->row;
    char known[512];

    for (size_t p = 0; p < row->n_parameter; p++) {
        const struct dust_curve_parameter *own = &row->parameter[p];

        if (strcmp(own->name, parameter))
            continue;
        if (!(value >= own->least && value <= own->most))
            return error_set(err, POLYPHONY_USAGE,
                             "dust curve '%s': %s is %g, must be finite and within %.4g to %.4g", row->name,
                             parameter, value, own->least, own->most);
        curve->parameter[p] = value;
        return 0;
    }
    list_curves(parameter, known, sizeof(known));
    return error_set(err, POLYPHONY_USAGE, "dust curve '%s' has no %s, but %g was given: leave it out%s%s",
                     row->name, parameter, value, *known ? " or use one of " : "", known);
}

bool dust_curves_are_equal(const struct dust_curve *a, const struct dust_curve *b)
{
    for (size_t p = 0; a->row == b->row && p < a->row->n_parameter; p++)
        if (a->parameter[p] != b->parameter[p])
            return false;
    return a->row == b->row;
}

void dust_curve_k(const struct dust_curve *curve, size_t n, const double *lambda_rest_angstrom, double *ret_k)
{
    curve->row->k(curve, n, lambda_rest_angstrom, ret_k);
}
