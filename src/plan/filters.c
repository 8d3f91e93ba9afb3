/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Do filters see the grid, at the redshifts of all galaxies?
 *
 * With rising redshift the grid moves towards longer wavelengths: what its blue end cuts off a curve grows,
 * and what its red end cuts off shrinks. So unless a filter is wider than the grid, when both ends may cut at
 * once, the worst is at the lowest or at the highest redshift, and two looks answer for a million galaxies.
 */
#include "plan_private.h"

#include <math.h>
#include <string.h>

/* A cut of less of the curve's area is not worth a word: it is wings that measured curves have. */
#define SHARE_NOTICED 1e-6
/* Less than this of the area inside is rounding. */
#define SHARE_SEEN 1e-12

/* A filter against the grid of one galaxy. */
struct view {
    double share; /* of the curve's area that lies within the grid */
    uint64_t row;
    double low, high; /* of the grid [angstrom] */
};

static struct view look(const struct plan *plan, const struct filter *filter, enum band_frame frame,
                        uint64_t row)
{
    const struct grid *grid = plan->grid;
    double stretch = frame == BAND_REST ? 1.0 : 1.0 + plan_redshift(plan, row);
    struct view view = { .row = row,
                         .low = grid->lambda_rest_angstrom[0] * stretch,
                         .high = grid->lambda_rest_angstrom[grid->n_lambda - 1] * stretch };

    view.share = filter_share_within(filter, view.low, view.high);
    return view;
}

static struct view look_everywhere(const struct plan *plan, const struct filter *filter,
                                   enum band_frame frame)
{
    struct view worst = { .share = HUGE_VAL };
    double last = -1.0;

    for (uint64_t row = 0; row < plan->catalogue->n_galaxy; row++) {
        struct view view;

        if (!plan_redshift_is_valid(plan, row) || plan_redshift(plan, row) == last)
            continue;
        last = plan_redshift(plan, row);
        view = look(plan, filter, frame, row);
        if (view.share < worst.share)
            worst = view;
    }
    return worst;
}

/* "at redshift 3 (galaxy 17)", or the rest frame. */
static void say_where(const struct plan *plan, enum band_frame frame, const struct view *view,
                      char ret_where[80])
{
    if (frame == BAND_REST)
        text_format(ret_where, 80, "in the rest frame");
    else
        text_format(ret_where, 80, "at redshift %g (galaxy %lld)", plan_redshift(plan, view->row),
                    (long long)plan->catalogue->id[view->row]);
}

static int judge(struct plan *plan, const struct filter *filter, enum band_frame frame,
                 const struct view *worst, struct error *err)
{
    double low, high;
    char where[80];

    filter_range(filter, &low, &high);
    say_where(plan, frame, worst, where);
    if (worst->share < SHARE_SEEN)
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s' (%g to %g angstrom) is outside the grid '%s', which covers %g to %g angstrom %s; leave the filter out, use another grid, or look at the redshifts",
            filter->code, low, high, plan->job->grid, worst->low, worst->high, where);
    if (1.0 - worst->share > SHARE_NOTICED)
        warnings_add(
            &plan->warnings,
            "filter '%s' (%g to %g angstrom) is cut off by the grid, which covers %g to %g angstrom %s: %.3g %% of the curve's area is left out",
            filter->code, low, high, worst->low, worst->high, where, 100 * (1.0 - worst->share));
    return 0;
}

static struct view look_at_worst(const struct plan *plan, const struct filter *filter, enum band_frame frame,
                                 const uint64_t end[2])
{
    const struct grid *grid = plan->grid;
    struct view worst = look(plan, filter, frame, end[0]);
    double low, high;

    filter_range(filter, &low, &high);
    if (frame == BAND_OBSERVED && end[1] != end[0]) {
        struct view other = look(plan, filter, frame, end[1]);

        if (high * grid->lambda_rest_angstrom[0] > low * grid->lambda_rest_angstrom[grid->n_lambda - 1])
            worst = look_everywhere(plan, filter, frame);
        else if (other.share < worst.share)
            worst = other;
    }
    return worst;
}

/* Rows of the lowest and the highest redshift; false where no galaxy can be observed. */
static bool find_ends(const struct plan *plan, uint64_t ret_end[2])
{
    bool is_found = false;

    for (uint64_t row = 0; row < plan->catalogue->n_galaxy; row++) {
        if (!plan_redshift_is_valid(plan, row))
            continue;
        if (!is_found || plan_redshift(plan, row) < plan_redshift(plan, ret_end[0]))
            ret_end[0] = row;
        if (!is_found || plan_redshift(plan, row) > plan_redshift(plan, ret_end[1]))
            ret_end[1] = row;
        is_found = true;
    }
    return is_found;
}

int plan_check_filters(struct plan *plan, const struct selection *selection, enum band_frame frame,
                       struct error *err)
{
    uint64_t end[2] = { 0, 0 };
    int r = 0;

    if (!find_ends(plan, end))
        return 0;
    for (size_t i = 0; !r && i < selection->n_instrument; i++) {
        const struct instrument *instrument = &plan->instrument[selection->i_instrument[i]];

        for (size_t f = 0; !r && f < instrument->n_filter; f++) {
            struct view worst = look_at_worst(plan, &instrument->filter[f], frame, end);

            r = judge(plan, &instrument->filter[f], frame, &worst, err);
        }
    }
    return r;
}

bool plan_look_at_filter(const struct plan *plan, size_t i_instrument, size_t i_filter,
                         struct filter_look *ret_look)
{
    const struct filter *filter = &plan->instrument[i_instrument].filter[i_filter];
    struct filter_look look = { .pivot_angstrom = filter_pivot_angstrom(filter) };
    uint64_t end[2] = { 0, 0 };
    bool has_galaxies = find_ends(plan, end);

    filter_range(filter, &look.low_angstrom, &look.high_angstrom);
    for (size_t s = 0; s < plan->n_step; s++) {
        const struct selection *selection = &plan->step[s].selection;
        enum band_frame frame = plan->step[s].operation->frame;

        for (size_t i = 0; i < selection->n_instrument; i++)
            if (selection->i_instrument[i] == i_instrument)
                look.is_used[frame] = true;
    }
    for (enum band_frame frame = BAND_REST; has_galaxies && frame <= BAND_OBSERVED; frame++)
        if (look.is_used[frame])
            look.off_grid[frame] = fmax(1.0 - look_at_worst(plan, filter, frame, end).share, 0.0);
    look.least_redshift = has_galaxies ? plan_redshift(plan, end[0]) : 0.0;
    *ret_look = look;
    return look.is_used[BAND_REST] || look.is_used[BAND_OBSERVED];
}
