/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The census of all galaxies: means, the worst, and what they make likely. */
#include "polyphony/census.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---- adding up ----------------------------------------------------------------------------------- */

void census_sum_begin(struct census_sum *sum, const struct census_limits *limits, bool judges_redshift)
{
    *sum = (struct census_sum) { .limits = *limits, .judges_redshift = judges_redshift };
}

static bool is_of_mass(enum census_figure figure)
{
    return figure >= CENSUS_BELOW;
}

/* Beyond this a figure is one galaxy's mistake; infinite: it has none. */
static double highest(const struct census_limits *limits, enum census_figure figure)
{
    switch (figure) {
    case CENSUS_WITHOUT_LIGHT:
        return limits->without_light;
    case CENSUS_EXTENT:
        return limits->extent_most_kpc;
    case CENSUS_CENTRE:
        return limits->off_centre;
    case CENSUS_GAS_BEFORE:
    case CENSUS_GAS_BEHIND:
        return limits->gas_apart;
    case CENSUS_FIELD_REST:
    case CENSUS_FIELD_OBSERVED:
        return limits->off_field;
    default:
        return limits->off_grid;
    }
}

static void note_worst(double value, int64_t id, bool is_worse, uint64_t *n, double *worst, int64_t *id_worst)
{
    if (*n == 0 || is_worse) {
        *worst = value;
        *id_worst = id;
    }
    ++*n;
}

static void judge(struct census_sum *sum, enum census_figure figure, const struct census_figures *figures)
{
    struct census_total *total = &sum->figure[figure];
    double value = figures->value[figure], early_kpc = value * (1.0 + figures->redshift);

    /* At redshift 0 galaxies are put at 10 pc, and no field holds them: that has a warning of its own. */
    if ((figure == CENSUS_FIELD_REST || figure == CENSUS_FIELD_OBSERVED) && figures->redshift == 0.0)
        return;
    if (value > highest(&sum->limits, figure))
        note_worst(value, figures->id, value > total->high, &total->n_high, &total->high, &total->id_high);
    else if (figure == CENSUS_EXTENT && value < sum->limits.extent_least_kpc)
        note_worst(value, figures->id, value < total->low, &total->n_low, &total->low, &total->id_low);
    else if (figure == CENSUS_EXTENT && sum->judges_redshift && figures->redshift >= CENSUS_EARLY_REDSHIFT &&
             early_kpc > sum->limits.extent_early_kpc)
        note_worst(early_kpc, figures->id, early_kpc > total->early, &total->n_early, &total->early,
                   &total->id_early);
}

static void add(struct census_sum *sum, enum census_figure figure, const struct census_figures *figures)
{
    struct census_total *total = &sum->figure[figure];
    double value = figures->value[figure], weight = 1.0;

    if (is_of_mass(figure))
        weight = figures->mass_msun;
    else if (figure == CENSUS_WITHOUT_LIGHT)
        weight = (double)figures->n_star;
    if (total->n == 0 || value < total->least) {
        total->least = value;
        total->id_least = figures->id;
    }
    if (total->n == 0 || value > total->most) {
        total->most = value;
        total->id_most = figures->id;
    }
    total->n++;
    total->sum += weight * value;
    total->weight += weight;
    if (figures->n_star >= (uint64_t)sum->limits.stars)
        judge(sum, figure, figures);
}

void census_sum_add(struct census_sum *sum, const struct census_figures *figures)
{
    sum->n_galaxy++;
    if (figures->n_star == 0) {
        sum->n_empty++;
        return;
    }
    sum->n_judged += figures->n_star >= (uint64_t)sum->limits.stars;
    sum->mass_msun += figures->mass_msun;
    for (size_t i = 0; i < CENSUS_N_FIGURE; i++)
        if (!isnan(figures->value[i]))
            add(sum, (enum census_figure)i, figures);
}

/* ---- words --------------------------------------------------------------------------------------- */

/* What lies beyond the ends of axes that have words of their own, and why. */
static const struct {
    const char *axis, *below, *above, *why_below, *why_above;
} axis_words[] = {
    { "ages", "younger than the grid", "older than the grid",
      "are ages in Gyr or Myr, logarithms or scale factors, and called years?",
      "are ages in years or seconds, and called something longer?" },
    { "metallicities", "poorer than the grid", "richer than the grid",
      "are metallicities logarithms, or is the grid made for others?",
      "are metallicities in units of the Sun's, and called mass fractions?" },
};

/* Of an axis figure: what its stars are. */
static const char *say_beyond(const char *const *axis_name, enum census_figure figure, char scratch[96],
                              const char **ret_why)
{
    bool is_above = figure >= CENSUS_ABOVE;
    const char *name = axis_name[figure - (is_above ? CENSUS_ABOVE : CENSUS_BELOW)];

    for (size_t i = 0; i < sizeof(axis_words) / sizeof(*axis_words); i++)
        if (!strcmp(axis_words[i].axis, name)) {
            *ret_why = is_above ? axis_words[i].why_above : axis_words[i].why_below;
            return is_above ? axis_words[i].above : axis_words[i].below;
        }
    text_format(scratch, 96, "%s the grid's %.60s", is_above ? "above" : "below", name);
    *ret_why = "are they in another unit than the grid's?";
    return scratch;
}

/* Figures that are no axis': what they are of, and how a share is said. */
static const struct {
    const char *what, *unit;
    double factor;
} plain_words[CENSUS_BELOW] = {
    [CENSUS_WITHOUT_LIGHT] = { "stars without light (no mass)", "% of the stars", 100.0 },
    [CENSUS_EXTENT] = { "extent (median distance of stars from their middle)", "kpc", 1.0 },
    [CENSUS_CENTRE] = { "middle of the stars from the centre", "extents", 1.0 },
    [CENSUS_GAS_BEFORE] = { "gas before all stars", "% of the dust", 100.0 },
    [CENSUS_GAS_BEHIND] = { "gas behind all stars", "% of the dust", 100.0 },
    [CENSUS_FIELD_REST] = { "outside the field of images (luminosity)", "% of the light", 100.0 },
    [CENSUS_FIELD_OBSERVED] = { "outside the field of images (flux)", "% of the light", 100.0 },
};

bool census_describe(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX],
                     enum census_figure figure, char ret_text[CENSUS_TEXT_MAX])
{
    const struct census_total *total = &sum->figure[figure];
    const char *what, *unit = "% of the stellar mass", *why;
    double factor = 100.0, mean = total->weight > 0.0 ? total->sum / total->weight : 0.0;
    char scratch[96];

    if (total->n == 0)
        return false;
    if (figure >= CENSUS_BELOW) {
        what = say_beyond(axis_name, figure, scratch, &why);
    } else {
        what = plain_words[figure].what;
        unit = plain_words[figure].unit;
        factor = plain_words[figure].factor;
    }
    if (sum->is_look && (figure == CENSUS_FIELD_REST || figure == CENSUS_FIELD_OBSERVED))
        unit = "% of the stellar mass";
    if (figure == CENSUS_EXTENT)
        text_format(ret_text, CENSUS_TEXT_MAX, "%s: %.3g (galaxy %lld) to %.3g %s (galaxy %lld)", what,
                    total->least, (long long)total->id_least, total->most, unit, (long long)total->id_most);
    else if (total->most == 0.0)
        text_format(ret_text, CENSUS_TEXT_MAX, "%s: 0 %s", what, unit);
    else
        text_format(ret_text, CENSUS_TEXT_MAX, "%s: %.3g %s, at most %.3g (galaxy %lld)", what, factor * mean,
                    unit, factor * total->most, (long long)total->id_most);
    return true;
}

/* ---- warnings ------------------------------------------------------------------------------------ */

struct verdict {
    uint64_t n;
    int64_t id;
    double worst, limit;
    const char *option, *what, *unit, *why;
    double factor;
};

/* Beyond the limit of what is large. */
static struct verdict high_verdict(const struct census_sum *sum, const char *const *axis_name,
                                   enum census_figure figure, char scratch[96])
{
    static const struct {
        const char *option, *what, *unit, *why;
        double factor;
    } words[CENSUS_BELOW] = {
        [CENSUS_WITHOUT_LIGHT] = { "without_light",
                                   "stars of no mass, which shine with nothing:", "% of the stars",
                                   "are initial masses missing where the catalogue has zeros?", 100.0 },
        [CENSUS_EXTENT] = { "extent_most_kpc", "an extent of", "kpc, more than any galaxy",
                            "are lengths in kpc (or pc), and called Mpc (or kpc), or does the galaxy lie across the edge of its box?",
                            1.0 },
        [CENSUS_CENTRE] = { "off_centre", "their stars' middle", "extents from the centre",
                            "is the centre another galaxy's, in another unit or comoving, or does the galaxy lie across the edge of its box?",
                            1.0 },
        [CENSUS_GAS_BEFORE] = { "gas_apart", "gas nearer than all stars:", "% of the dust",
                                "are gas and stars in different units or frames?", 100.0 },
        [CENSUS_GAS_BEHIND] = { "gas_apart", "gas farther than all stars:", "% of the dust",
                                "are gas and stars in different units or frames?", 100.0 },
        [CENSUS_FIELD_REST] = { "off_field", "outside the field of an image:", "% of the light",
                                "is the field too small, the centre wrong, or are lengths in another unit?",
                                100.0 },
        [CENSUS_FIELD_OBSERVED] = { "off_field", "outside the field of an image:", "% of the light",
                                    "is the field too small, the centre wrong, or are lengths in another unit?",
                                    100.0 },
    };
    const struct census_total *total = &sum->figure[figure];
    struct verdict verdict = {
        .n = total->n_high, .id = total->id_high, .worst = total->high, .limit = highest(&sum->limits, figure)
    };

    if (figure >= CENSUS_BELOW) {
        verdict.what = say_beyond(axis_name, figure, scratch, &verdict.why);
        verdict.option = "off_grid";
        verdict.unit = "% of the stellar mass";
        verdict.factor = 100.0;
        return verdict;
    }
    verdict.option = words[figure].option;
    verdict.what = words[figure].what;
    verdict.unit = words[figure].unit;
    verdict.why = words[figure].why;
    verdict.factor = words[figure].factor;
    if (sum->is_look && (figure == CENSUS_FIELD_REST || figure == CENSUS_FIELD_OBSERVED))
        verdict.unit = "% of the stellar mass";
    return verdict;
}

static struct verdict low_extent(const struct census_sum *sum)
{
    const struct census_total *total = &sum->figure[CENSUS_EXTENT];

    return (struct verdict) { .n = total->n_low,
                              .id = total->id_low,
                              .worst = total->low,
                              .limit = sum->limits.extent_least_kpc,
                              .option = "extent_least_kpc",
                              .what = "an extent of",
                              .unit = "kpc, less than any galaxy",
                              .why = "are lengths in Mpc, and called kpc?",
                              .factor = 1.0 };
}

static struct verdict early_extent(const struct census_sum *sum)
{
    const struct census_total *total = &sum->figure[CENSUS_EXTENT];

    return (struct verdict) { .n = total->n_early,
                              .id = total->id_early,
                              .worst = total->early,
                              .limit = sum->limits.extent_early_kpc,
                              .option = "extent_early_kpc",
                              .what = "an extent times 1 + z of",
                              .unit = "kpc, more than galaxies of their time",
                              .why = "are lengths comoving, and called proper?",
                              .factor = 1.0 };
}

bool census_warn(const struct census_sum *sum, const char *const axis_name[CENSUS_AXES_MAX], size_t i,
                 char ret_text[CENSUS_TEXT_MAX])
{
    for (size_t k = 0; k < CENSUS_N_FIGURE + 2; k++) {
        char scratch[96];
        struct verdict verdict = { 0 };

        if (k >= CENSUS_N_FIGURE)
            verdict = k == CENSUS_N_FIGURE ? low_extent(sum) : early_extent(sum);
        else if (sum->figure[k].n_high)
            verdict = high_verdict(sum, axis_name, (enum census_figure)k, scratch);
        if (verdict.n == 0 || i-- > 0)
            continue;
        text_format(ret_text, CENSUS_TEXT_MAX,
                    "%llu of %llu galaxies: %s %.3g %s (the worst, galaxy %lld; %s allows %.3g): %s",
                    (unsigned long long)verdict.n, (unsigned long long)sum->n_judged, verdict.what,
                    verdict.factor * verdict.worst, verdict.unit, (long long)verdict.id, verdict.option,
                    verdict.factor * verdict.limit, verdict.why);
        return true;
    }
    return false;
}
