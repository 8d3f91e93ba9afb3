/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/emission.h"

#include <string.h>

#include "emission_private.h"

/*
 * A label is expanded by walking from its node down to the extractions, collecting the factors of the
 * transforms on the way; each extraction reached is one term. A walk deeper than the graph has nodes
 * contains a cycle.
 */
struct walk {
    const struct emission_model *model;
    const bool *is_per_particle;
    struct emission_program *program;
    struct emission_label *label;
    struct error *err;
};

/* What the transforms and masks on the way make of the light. */
struct way {
    struct emission_factors factors;
    struct emission_mask mask;
};

static bool factor_is_before(struct emission_factor a, struct emission_factor b)
{
    if (a.i_transform != b.i_transform)
        return a.i_transform < b.i_transform;
    return a.i_parameter < b.i_parameter || (a.i_parameter == b.i_parameter && a.i_curve < b.i_curve);
}

static bool factors_add(struct emission_factors *factors, struct emission_factor factor)
{
    size_t i = factors->n;

    if (factors->n == EMISSION_FACTOR_MAX)
        return false;
    for (; i > 0 && factor_is_before(factor, factors->factor[i - 1]); i--)
        factors->factor[i] = factors->factor[i - 1];
    factors->factor[i] = factor;
    factors->n++;
    return true;
}

bool emission_factors_are_equal(const struct emission_factors *a, const struct emission_factors *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (factor_is_before(a->factor[i], b->factor[i]) || factor_is_before(b->factor[i], a->factor[i]))
            return false;
    return true;
}

static int find_extract(struct walk *walk, const char *name, size_t *ret_extract)
{
    struct emission_program *program = walk->program;

    for (*ret_extract = 0; *ret_extract < program->n_extract; ++*ret_extract)
        if (!strcmp(program->extract[*ret_extract], name))
            return 0;
    if (program->n_extract == EMISSION_EXTRACT_MAX)
        return error_set(walk->err, POLYPHONY_USAGE, "emission model '%s' extracts more than %d grid spectra",
                         walk->model->name, EMISSION_EXTRACT_MAX);
    program->extract[program->n_extract++] = name;
    return 0;
}

static bool is_screen(struct emission_factor factor)
{
    return !emission_transforms[factor.i_transform]->multiply;
}

static bool screens_are_equal(const struct emission_screen *a, const struct emission_screen *b)
{
    return a->i_curve == b->i_curve && a->n_parameter == b->n_parameter &&
           !memcmp(a->i_parameter, b->i_parameter, a->n_parameter * sizeof(*a->i_parameter));
}

/* What the screens among a particle's factors make together: in one curve their depths add up. */
static int find_screen(struct walk *walk, const struct emission_factors *particle,
                       struct emission_channel *channel)
{
    struct emission_program *program = walk->program;
    struct emission_screen screen = { 0 };

    for (size_t i = 0; i < particle->n; i++) {
        struct emission_factor factor = particle->factor[i];

        if (!is_screen(factor))
            continue;
        if (screen.n_parameter && screen.i_curve != factor.i_curve)
            return error_set(
                walk->err, POLYPHONY_USAGE,
                "emission model '%s', label '%s': two dust screens of different curves in a row, both differing between particles, are not supported; give one of them a number or a value per galaxy",
                walk->model->name, walk->label->name);
        screen.i_curve = factor.i_curve;
        screen.i_parameter[screen.n_parameter++] = factor.i_parameter;
    }
    if (screen.n_parameter == 0)
        return 0;
    channel->is_attenuated = true;
    while (channel->i_screen < program->n_screen &&
           !screens_are_equal(&program->screen[channel->i_screen], &screen))
        channel->i_screen++;
    if (channel->i_screen == EMISSION_SCREEN_MAX)
        return error_set(walk->err, POLYPHONY_USAGE,
                         "emission model '%s' has more than %d screens that differ between particles",
                         walk->model->name, EMISSION_SCREEN_MAX);
    if (channel->i_screen == program->n_screen)
        program->screen[program->n_screen++] = screen;
    return 0;
}

static int find_channel(struct walk *walk, const struct emission_factors *particle,
                        const struct emission_mask *mask, size_t i_extract, size_t *ret_channel)
{
    struct emission_program *program = walk->program;
    struct emission_channel *channel;

    for (*ret_channel = 0; *ret_channel < program->n_channel; ++*ret_channel)
        if (emission_factors_are_equal(&program->channel[*ret_channel].particle, particle) &&
            emission_masks_are_equal(&program->channel[*ret_channel].mask, mask))
            break;
    if (*ret_channel == EMISSION_CHANNEL_MAX)
        return error_set(walk->err, POLYPHONY_USAGE,
                         "emission model '%s' needs more than %d sets of particle weights", walk->model->name,
                         EMISSION_CHANNEL_MAX);
    channel = &program->channel[*ret_channel];
    channel->extract_is_used[i_extract] = true;
    if (*ret_channel < program->n_channel)
        return 0;
    program->n_channel++;
    channel->particle = *particle;
    channel->mask = *mask;
    return find_screen(walk, particle, channel);
}

/* An extraction has been reached: sort its factors into those of the galaxy and those of particles. */
static int add_term(struct walk *walk, const char *extract, const struct way *way)
{
    const struct emission_factors *factors = &way->factors;
    struct emission_term term = { 0 };
    struct emission_factors outside = { 0 }, inside = { 0 }; /* of Lyman alpha */
    int r;

    if (walk->label->n_term == EMISSION_TERM_MAX)
        return error_set(walk->err, POLYPHONY_USAGE,
                         "label '%s' of emission model '%s' has more than %d terms", walk->label->name,
                         walk->model->name, EMISSION_TERM_MAX);
    for (size_t i = 0; i < factors->n; i++) {
        struct emission_factor factor = factors->factor[i];

        walk->program->parameter_is_used[factor.i_parameter] = true;
        walk->program->uses_job_curve |= is_screen(factor) && factor.i_curve == 0;
        if (!walk->is_per_particle[factor.i_parameter]) {
            factors_add(&term.galaxy, factor);
            continue;
        }
        factors_add(&inside, factor);
        if (!emission_transforms[factor.i_transform]->is_ly_alpha)
            factors_add(&outside, factor);
    }
    for (size_t i = 0; i < way->mask.n; i++)
        if (way->mask.condition[i].i_parameter < PARAMETER_MAX)
            walk->program->parameter_is_used[way->mask.condition[i].i_parameter] = true;
    r = find_extract(walk, extract, &term.i_extract);
    if (!r)
        r = find_channel(walk, &outside, &way->mask, term.i_extract, &term.i_channel);
    if (!r)
        r = find_channel(walk, &inside, &way->mask, term.i_extract, &term.i_channel_ly_alpha);
    if (!r)
        walk->label->term[walk->label->n_term++] = term;
    return r;
}

/* The place of a screen's curve in the program. */
static int find_curve(struct walk *walk, const char *name, size_t *ret_curve)
{
    struct emission_program *program = walk->program;
    struct dust_curve curve;
    int r = dust_curve_find(name, &curve, walk->err);

    if (r)
        return r;
    for (*ret_curve = 0; *ret_curve < program->n_curve; ++*ret_curve)
        if (dust_curves_are_equal(&program->curve[*ret_curve], &curve))
            return 0;
    if (program->n_curve == EMISSION_CURVE_MAX)
        return error_set(walk->err, POLYPHONY_USAGE, "more than %d dust curves, the job's among them",
                         EMISSION_CURVE_MAX);
    program->curve[program->n_curve++] = curve;
    return 0;
}

/* The factor of a transformation, from the names of its rows. */
static int find_factor(struct walk *walk, const struct emission_node *node,
                       struct emission_factor *ret_factor)
{
    struct emission_factor factor = { .i_parameter = parameter_find(node->parameter) };
    int r = 0;

    while (emission_transforms[factor.i_transform] &&
           strcmp(emission_transforms[factor.i_transform]->name, node->transform))
        factor.i_transform++;
    if (!emission_transforms[factor.i_transform])
        r = emission_unknown("transform", node->transform, (const void *const *)emission_transforms,
                             walk->err);
    else if (factor.i_parameter == PARAMETER_MAX)
        r = emission_unknown("parameter", node->parameter, (const void *const *)parameter_rows, walk->err);
    else if (is_screen(factor) && node->curve)
        r = find_curve(walk, node->curve, &factor.i_curve);
    *ret_factor = factor;
    return r ? error_prefix(walk->err, r, "emission model '%s', '%s'", walk->model->name, node->label) : 0;
}

static int expand(struct walk *walk, const char *name, const struct way *way, size_t depth);

static int add_condition(struct walk *walk, const struct emission_node *node,
                         const struct emission_condition *condition, struct way *way, bool *ret_is_empty)
{
    if (emission_mask_add(&way->mask, condition, ret_is_empty))
        return 0;
    return error_set(walk->err, POLYPHONY_USAGE, "emission model '%s': more than %d conditions above '%s'",
                     walk->model->name, EMISSION_CONDITION_MAX, node->label);
}

/*
 * A transformation acts on the particles that its mask takes and leaves the others as they are: the conditions
 * before the first that a particle fails hold, then that one's opposite; or all hold.
 */
static int expand_transform(struct walk *walk, const struct emission_node *node,
                            const struct emission_mask *mask, const struct way *way, size_t depth)
{
    struct way taken = *way;
    struct emission_factor factor;
    bool is_empty = false;
    int r = find_factor(walk, node, &factor);

    for (size_t i = 0; !r && i < mask->n && !is_empty; i++) {
        struct emission_condition opposite = emission_condition_opposite(&mask->condition[i]);
        struct way left = taken;

        r = add_condition(walk, node, &opposite, &left, &is_empty);
        if (!r && !is_empty)
            r = expand(walk, node->of[0], &left, depth + 1);
        is_empty = false;
        if (!r)
            r = add_condition(walk, node, &mask->condition[i], &taken, &is_empty);
    }
    if (r || is_empty)
        return r;
    if (!factors_add(&taken.factors, factor))
        return error_set(walk->err, POLYPHONY_USAGE,
                         "emission model '%s': more than %d transforms above '%s'", walk->model->name,
                         EMISSION_FACTOR_MAX, node->label);
    return expand(walk, node->of[0], &taken, depth + 1);
}

/* An extraction takes the light of those particles that its mask takes. */
static int expand_extraction(struct walk *walk, const struct emission_node *node,
                             const struct emission_mask *mask, const struct way *way)
{
    struct way taken = *way;
    bool is_empty = false;
    int r = 0;

    for (size_t i = 0; !r && i < mask->n && !is_empty; i++)
        r = add_condition(walk, node, &mask->condition[i], &taken, &is_empty);
    return r || is_empty ? r : add_term(walk, node->of[0], &taken);
}

static int expand(struct walk *walk, const char *name, const struct way *way, size_t depth)
{
    const struct emission_node *node = emission_node_find(walk->model, name);
    struct emission_mask mask;
    int r;

    if (!node)
        return error_set(walk->err, POLYPHONY_USAGE,
                         "emission model '%s' refers to '%s', which it does not have", walk->model->name,
                         name);
    if (depth > walk->model->n_node)
        return error_set(walk->err, POLYPHONY_USAGE, "emission model '%s': '%s' is made of itself",
                         walk->model->name, name);
    r = emission_mask_read(node, &mask, walk->err);
    if (r)
        return error_prefix(walk->err, r, "emission model '%s', '%s'", walk->model->name, node->label);
    if (node->op == EMISSION_EXTRACT)
        return expand_extraction(walk, node, &mask, way);
    if (node->op == EMISSION_TRANSFORM)
        return expand_transform(walk, node, &mask, way, depth);
    for (size_t i = 0; !r && i < sizeof(node->of) / sizeof(*node->of) && node->of[i]; i++)
        r = expand(walk, node->of[i], way, depth + 1);
    return r;
}

/* Is `label` the node `name` or part of what it is made of? */
static bool is_made_of(const struct emission_model *model, const char *name, const char *label, size_t depth)
{
    const struct emission_node *node = emission_node_find(model, name);

    if (!strcmp(name, label))
        return true;
    if (!node || node->op == EMISSION_EXTRACT || depth > model->n_node)
        return false;
    for (size_t i = 0; i < sizeof(node->of) / sizeof(*node->of) && node->of[i]; i++)
        if (is_made_of(model, node->of[i], label, depth + 1))
            return true;
    return false;
}

int emission_compile(const struct emission_model *model, const struct dust_curve *curve,
                     const bool is_per_particle[PARAMETER_MAX], struct emission_program *ret_program,
                     struct error *err)
{
    const struct way none = { 0 };
    int r = 0;

    *ret_program = (struct emission_program) { .n_curve = 1, .curve = { *curve } };
    if (model->root && !emission_node_find(model, model->root))
        return error_set(err, POLYPHONY_USAGE, "emission model '%s' refers to '%s', which it does not have",
                         model->name, model->root);
    for (size_t i = 0; !r && i < model->n_node; i++) {
        const struct emission_node *node = &model->node[i];
        struct emission_label *label = &ret_program->label[ret_program->n_label];
        struct walk walk = { model, is_per_particle, ret_program, label, err };

        if (!node->is_saved || (model->root && !is_made_of(model, model->root, node->label, 0)))
            continue;
        if (ret_program->n_label == EMISSION_LABEL_MAX)
            return error_set(err, POLYPHONY_USAGE, "emission model '%s' saves more than %d labels",
                             model->name, EMISSION_LABEL_MAX);
        ret_program->n_label++;
        label->name = node->label;
        r = expand(&walk, node->label, &none, 0);
    }
    return r;
}
