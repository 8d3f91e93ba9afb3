/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The operations of the list in this job: which run, what they need, on which labels and instruments they work.
 */
#include "plan_private.h"

#include <string.h>

size_t operation_count(const struct operation *const *operations)
{
    size_t n = 0;

    while (operations[n])
        n++;
    return n;
}

void operation_stage_names(const struct operation *const *operations, const char **ret_name)
{
    while (*operations)
        *ret_name++ = (*operations++)->stage;
    *ret_name = OPERATION_STAGE_WRITING;
}

bool plan_name_is_all(char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(names[i], "all"))
            return true;
    return false;
}

/* The list's emitters; what their programs are is known once the catalogue is open. */
static void list_emitters(struct plan *plan)
{
    for (size_t e = 0; e < PLAN_EMITTERS_MAX && emitter_list[e].component != N_COMPONENT; e++)
        plan->emitter[plan->n_emitter++] =
            (struct emitter) { e, emitter_list[e].component, emitter_list[e].weight, NULL };
    plan->tiled = plan->emitter[0].component;
}

static void list_step(struct plan *plan, const struct operation *operation, const struct emitter *emitter)
{
    struct step *step = &plan->step[plan->n_step];

    step->operation = operation;
    step->i = plan->n_step++;
    step->i_operation = plan->n_operation;
    step->emitter = emitter;
    step->i_sums = plan->n_sums;
    plan->n_sums += operation->n_sums;
    if (operation->job.key)
        step->options = job_options(plan->job, operation->job.key);
}

int plan_list_steps(struct plan *plan, const struct operation *const *operations, struct error *err)
{
    list_emitters(plan);
    for (; *operations; operations++, plan->n_operation++) {
        bool is_of_light = (*operations)->needs & NEEDS_LIGHT;
        size_t n = is_of_light ? plan->n_emitter : 1;

        if (plan->n_step + n > PLAN_STEPS_MAX || plan->n_sums + n * (*operations)->n_sums > PLAN_SUMS_MAX)
            return error_set(err, POLYPHONY_INTERNAL,
                             "operations of %zu emitters are more than %d steps or %d sums", plan->n_emitter,
                             PLAN_STEPS_MAX, PLAN_SUMS_MAX);
        for (size_t e = 0; e < n; e++)
            list_step(plan, *operations, is_of_light ? &plan->emitter[e] : NULL);
    }
    return 0;
}

const struct step *plan_find_step(const struct plan *plan, const char *key)
{
    for (size_t i = 0; i < plan->n_step; i++)
        if (plan->step[i].options && !strcmp(plan->step[i].operation->job.key, key))
            return &plan->step[i];
    return NULL;
}

unsigned step_needs(const struct step *step)
{
    const struct operation *operation = step->operation;

    if (!step->options)
        return 0;
    return operation->needs | (operation->needs_more ? operation->needs_more(step->options) : 0);
}

const char *plan_who_needs(const struct plan *plan, enum need need)
{
    for (size_t i = 0; i < plan->n_step; i++)
        if (step_needs(&plan->step[i]) & need)
            return plan->step[i].operation->job.key;
    return NULL;
}

struct named_parts step_parts(const struct step *step)
{
    if (!step->options || !step->operation->parts)
        return (struct named_parts) { 0 };
    return step->operation->parts(step->options);
}

/* Resolve an operation's labels and instruments by name. */
static int select_parts(struct plan *plan, struct step *step, struct error *err)
{
    const struct named_parts parts = step_parts(step);
    struct selection *selection = &step->selection;
    char path[128];
    int r = 0;

    text_format(path, sizeof(path), "operations.%s.labels", step->operation->job.key);
    if (plan_name_is_all(parts.label, parts.n_label))
        for (size_t l = 0; l < plan->program.n_label; l++)
            selection->i_label[selection->n_label++] = l;
    else
        for (unsigned i = 0; !r && i < parts.n_label; i++) {
            size_t l = 0;

            r = plan_at_key(plan, emission_label_find(&plan->program, parts.label[i], &l, err), path, err);
            selection->i_label[selection->n_label++] = l;
        }
    selection->i_instrument = plan_array(plan, plan->n_instrument, sizeof(size_t), &r, err);
    for (size_t i = 0; !r && i < plan->n_instrument; i++)
        for (unsigned j = 0; j < parts.n_instrument; j++)
            if (!strcmp(parts.instrument[j], "all") ||
                !strcmp(parts.instrument[j], plan->instrument[i].label)) {
                selection->i_instrument[selection->n_instrument++] = i;
                selection->n_filter += plan->instrument[i].n_filter;
                break;
            }
    return r;
}

static void choose_stages(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_step; i++) {
        struct step *step = &plan->step[i];

        step->runs = step->operation->runs ? step->operation->runs(plan) : step->options != NULL;
    }
}

int plan_operations(struct plan *plan, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < plan->n_step; i++) {
        struct step *step = &plan->step[i];
        unsigned needs = step_needs(step);

        plan->needs_light |= (needs & NEEDS_LIGHT) != 0;
        plan->needs_spectra |=
            (needs & NEEDS_SPECTRA) || (plan->method == OBSERVE_DIRECT && (needs & NEEDS_BANDS));
        plan->needs_observer |=
            (needs & NEEDS_OBSERVER) || (step->options && step->operation->frame == BAND_OBSERVED);
    }
    for (size_t i = 0; !r && i < plan->n_step; i++) {
        struct step *step = &plan->step[i];

        if (!step->options)
            continue;
        r = select_parts(plan, step, err);
        if (!r && step->operation->declare)
            r = step->operation->declare(plan, step, err);
        if (!r)
            r = plan_check_filters(plan, &step->selection, step->operation->frame, err);
    }
    choose_stages(plan);
    return r;
}
