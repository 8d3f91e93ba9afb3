/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "emission_private.h"

/* What particles have that a mask may look at, besides the parameters of models. */
static const struct {
    const char *name;
    enum field field;
} attributes[] = {
    { "ages", FIELD_AGE_YR },
    { "metallicities", FIELD_METALLICITY },
    { "initial_masses", FIELD_INITIAL_MASS_MSUN },
};
#define N_ATTRIBUTE (sizeof(attributes) / sizeof(*attributes))

/* With their opposites beside them. */
static const char *const comparisons[] = {
    [EMISSION_LESS] = "<",         [EMISSION_NOT_LESS] = ">=", [EMISSION_GREATER] = ">",
    [EMISSION_NOT_GREATER] = "<=", [EMISSION_EQUAL] = "==",    [EMISSION_NOT_EQUAL] = "!="
};
#define N_COMPARISON (sizeof(comparisons) / sizeof(*comparisons))

static int unknown_attribute(const char *name, struct error *err)
{
    const char *names[N_ATTRIBUTE + PARAMETER_MAX], *nearest;
    size_t n = 0;

    for (; n < N_ATTRIBUTE; n++)
        names[n] = attributes[n].name;
    for (size_t p = 0; p < parameter_count(); p++)
        names[n++] = parameter_rows[p]->name;
    nearest = text_nearest(name, names, n);
    return error_set(err, POLYPHONY_USAGE, "particles have no '%.100s' that a mask could look at%s%s%s", name,
                     nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
}

static int find_attribute(const char *name, struct emission_condition *condition, struct error *err)
{
    condition->is_log10 = !strncmp(name, "log10", strlen("log10"));
    name += condition->is_log10 ? strlen("log10") : 0;
    condition->i_parameter = parameter_find(name);
    if (condition->i_parameter < PARAMETER_MAX)
        return 0;
    for (size_t i = 0; i < N_ATTRIBUTE; i++)
        if (!strcmp(attributes[i].name, name)) {
            condition->field = attributes[i].field;
            return 0;
        }
    return unknown_attribute(name, err);
}

int emission_mask_read(const struct emission_node *node, struct emission_mask *ret_mask, struct error *err)
{
    *ret_mask = (struct emission_mask) { 0 };
    for (; ret_mask->n < EMISSION_CONDITION_MAX && node->mask[ret_mask->n].attribute; ret_mask->n++) {
        struct emission_condition *condition = &ret_mask->condition[ret_mask->n];
        const char *comparison = node->mask[ret_mask->n].comparison;
        size_t c = 0;

        if (node->op == EMISSION_COMBINE)
            return error_set(err, POLYPHONY_USAGE, "a combination has no mask: give it to what is combined");
        while (c < N_COMPARISON && strcmp(comparisons[c], comparison))
            c++;
        if (c == N_COMPARISON)
            return error_set(err, POLYPHONY_USAGE,
                             "'%.20s' does not compare: use one of <, <=, >, >=, ==, !=", comparison);
        condition->comparison = (enum emission_comparison)c;
        condition->value = node->mask[ret_mask->n].value;
        if (find_attribute(node->mask[ret_mask->n].attribute, condition, err))
            return POLYPHONY_USAGE;
    }
    return 0;
}

struct emission_condition emission_condition_opposite(const struct emission_condition *condition)
{
    struct emission_condition opposite = *condition;

    opposite.comparison = (enum emission_comparison)(condition->comparison ^ 1u);
    return opposite;
}

static bool conditions_are_equal(const struct emission_condition *a, const struct emission_condition *b)
{
    return a->i_parameter == b->i_parameter && a->field == b->field && a->is_log10 == b->is_log10 &&
           a->comparison == b->comparison && a->value == b->value;
}

bool emission_masks_are_equal(const struct emission_mask *a, const struct emission_mask *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (!conditions_are_equal(&a->condition[i], &b->condition[i]))
            return false;
    return a->n == b->n;
}

bool emission_mask_add(struct emission_mask *mask, const struct emission_condition *condition,
                       bool *ret_is_empty)
{
    struct emission_condition opposite = emission_condition_opposite(condition);

    *ret_is_empty = false;
    for (size_t i = 0; i < mask->n; i++) {
        *ret_is_empty |= conditions_are_equal(&mask->condition[i], &opposite);
        if (conditions_are_equal(&mask->condition[i], condition))
            return true;
    }
    if (mask->n == EMISSION_CONDITION_MAX)
        return *ret_is_empty;
    mask->condition[mask->n++] = *condition;
    return true;
}

static bool holds(const struct emission_condition *condition, double value)
{
    double x = condition->is_log10 ? log10(value) : value;

    switch (condition->comparison) {
    case EMISSION_LESS:
        return x < condition->value;
    case EMISSION_NOT_LESS:
        return x >= condition->value;
    case EMISSION_GREATER:
        return x > condition->value;
    case EMISSION_NOT_GREATER:
        return x <= condition->value;
    case EMISSION_EQUAL:
        return x == condition->value;
    case EMISSION_NOT_EQUAL:
        return x != condition->value;
    }
    return false;
}

void emission_condition_apply(const struct emission_condition *condition, size_t n, const double *value,
                              size_t stride, double *weight)
{
    for (size_t i = 0; i < n; i++)
        if (!holds(condition, value[i * stride]))
            weight[i] = 0.0;
}
