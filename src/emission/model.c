/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/emission.h"

#include <math.h>
#include <string.h>

#include "emission_private.h"

/* Lyman alpha where Synthesizer looks for its pixels [angstrom]. */
#define LY_ALPHA_ANGSTROM 1216.0

int emission_model_find(const char *name, const struct emission_model **ret_model, struct error *err)
{
    for (const struct emission_model *const *model = emission_models; *model; model++)
        if (!strcmp((*model)->name, name)) {
            *ret_model = *model;
            return 0;
        }
    return emission_unknown("emission model", name, (const void *const *)emission_models, err);
}

const struct emission_node *emission_node_find(const struct emission_model *model, const char *label)
{
    for (size_t i = 0; i < model->n_node; i++)
        if (!strcmp(model->node[i].label, label))
            return &model->node[i];
    return NULL;
}

int emission_label_find(const struct emission_program *program, const char *label, size_t *ret_label,
                        struct error *err)
{
    const char *names[EMISSION_LABEL_MAX];
    char known[512] = "";

    for (size_t i = 0; i < program->n_label; i++) {
        if (!strcmp(program->label[i].name, label)) {
            *ret_label = i;
            return 0;
        }
        names[i] = program->label[i].name;
        strncat(known, i ? ", " : "", sizeof(known) - strlen(known) - 1);
        strncat(known, names[i], sizeof(known) - strlen(known) - 1);
    }
    return error_set(err, POLYPHONY_USAGE, "the emission model has no label '%s'%s; it has: %s", label,
                     text_meant(label, names, program->n_label).text, known);
}

void emission_ly_alpha_pixels(size_t n_lambda, const double *lambda_rest_angstrom, bool *ret_is_ly_alpha)
{
    size_t nearest = 0;

    for (size_t i = 0; i < n_lambda; i++) {
        ret_is_ly_alpha[i] = false;
        if (fabs(lambda_rest_angstrom[i] - LY_ALPHA_ANGSTROM) <
            fabs(lambda_rest_angstrom[nearest] - LY_ALPHA_ANGSTROM))
            nearest = i;
    }
    for (size_t i = nearest ? nearest - 1 : 0; i <= nearest + 1 && i < n_lambda; i++)
        ret_is_ly_alpha[i] = true;
}

void emission_ly_alpha_lines(size_t n_lambda, const double *lambda_rest_angstrom, size_t n_line,
                             const double *line_lambda_rest_angstrom, bool *ret_is_ly_alpha)
{
    double low = INFINITY, high = -INFINITY; /* the lines between are those right of a Lyman alpha pixel */
    size_t nearest = 0, last;

    for (size_t i = 1; i < n_lambda; i++)
        if (fabs(lambda_rest_angstrom[i] - LY_ALPHA_ANGSTROM) <
            fabs(lambda_rest_angstrom[nearest] - LY_ALPHA_ANGSTROM))
            nearest = i;
    last = nearest + 1 < n_lambda ? nearest + 1 : nearest;
    low = lambda_rest_angstrom[nearest ? nearest - 1 : 0];
    /* Right of the last pixel, up to the next; at the end of the grid only the pixel itself. */
    high = last + 1 < n_lambda ? lambda_rest_angstrom[last + 1]
                               : nextafter(lambda_rest_angstrom[last], INFINITY);
    for (size_t i = 0; i < n_line; i++)
        ret_is_ly_alpha[i] = line_lambda_rest_angstrom[i] >= low && line_lambda_rest_angstrom[i] < high;
}
