/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers that no unit tells to be wrong: ages in Gyr, as logarithms or as scale factors of birth, that are
 * called years; masses in 1e10 Msun that are called Msun; metallicities of the Sun's. Some particles are
 * looked at when the catalogue is opened, and what can hardly be is a warning.
 */
#include "catalogue_private.h"

#include <math.h>

#define N_GALAXY_SEEN   16 /* evenly between the first and the last */
#define N_PARTICLE_SEEN 1024

/* The largest number of the particles looked at is doubted outside `low` to `high`. */
static const struct doubt {
    enum field field;
    double low, high;
    const char *below, *above;
} doubts[] = {
    /* A star has at least 0.08 Msun, so that it burns hydrogen; the most massive galaxies have 1e13. */
    { FIELD_INITIAL_MASS_MSUN, 0.08, 1e13, "less than any star has: are they in 1e10*Msun?",
      "more than any galaxy has: are they in Msun already, or in g?" },
    /* The youngest populations of any grid are of 1e5 yr; no universe that is simulated is 2e10 yr old. */
    { FIELD_AGE_YR, 1e5, 2e10,
      "too young for all of them: are they in Gyr or Myr, logarithms or scale factors?",
      "older than the universe: are they in yr already, or in s?" },
    /* As for grids: three times what the most metal-rich stars have. */
    { FIELD_METALLICITY, 0, 0.2, "", "much for a mass fraction of metals: are they in units of the Sun's?" },
};
#define N_DOUBT (sizeof(doubts) / sizeof(*doubts))

struct seen {
    uint64_t n;
    double most; /* in our unit */
};

/* What cannot be read sets its galaxy aside later, and is no matter here. */
static void look_at_galaxy(const struct catalogue *catalogue, uint64_t row, size_t component,
                           enum field field, struct seen *seen)
{
    const struct source *source = &catalogue->reader->source[component][field];
    uint64_t begin = catalogue->offset[component][row], n = catalogue->n_particle[component][row];
    double value[N_PARTICLE_SEEN];

    n = n < N_PARTICLE_SEEN ? n : N_PARTICLE_SEEN;
    if (n == 0 || io_read_rows_f64(catalogue->reader->file, source->path, begin, n, value, NULL))
        return;
    for (uint64_t i = 0; i < n; i++)
        if (isfinite(value[i] * source->factor)) {
            seen->most = fmax(seen->most, value[i] * source->factor);
            seen->n++;
        }
}

static void find_doubt(struct catalogue *catalogue, size_t component, const struct doubt *doubt)
{
    uint64_t n_row = catalogue->n_galaxy;
    uint64_t n_look = n_row < N_GALAXY_SEEN ? n_row : N_GALAXY_SEEN;
    enum units_kind kind = field_kind(doubt->field)->kind;
    struct seen seen = { 0, -HUGE_VAL };

    for (uint64_t i = 0; i < n_look; i++)
        look_at_galaxy(catalogue, n_look > 1 ? i * (n_row - 1) / (n_look - 1) : 0, component, doubt->field,
                       &seen);
    if (seen.n == 0 || seen.most < 0 || (seen.most >= doubt->low && seen.most <= doubt->high))
        return;
    warnings_add(
        &catalogue->warnings, "'%.120s': dataset '%s': the largest of %llu particles looked at is %g%s%s, %s",
        io_file_path(catalogue->reader->file), catalogue->reader->source[component][doubt->field].path,
        (unsigned long long)seen.n, seen.most, kind == UNITS_DIMENSIONLESS ? "" : " ",
        kind == UNITS_DIMENSIONLESS ? "" : units_name(kind),
        seen.most < doubt->low ? doubt->below : doubt->above);
}

void catalogue_find_doubts(struct catalogue *catalogue)
{
    for (size_t c = 0; c < N_COMPONENT; c++)
        for (size_t d = 0; d < N_DOUBT; d++)
            if (catalogue->has_field[c][doubts[d].field])
                find_doubt(catalogue, c, &doubts[d]);
}
