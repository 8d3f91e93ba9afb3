/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The census of all galaxies that are done, from the file alone: in the order of rows, so its sums do not depend on who wrote
 * them. */
#include "results_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(RESULTS_AXIS_NAME_MAX == IO_NAME_MAX, "names of axes are read as io reads names");

/* Rows read at once. */
#define N_ROW ((uint64_t)4096)

static const struct {
    enum census_figure figure;
    const char *path;
} columns[] = {
    { CENSUS_WITHOUT_LIGHT, "Galaxies/Census/StarsWithoutLight" },
    { CENSUS_EXTENT, "Galaxies/Census/Extent" },
    { CENSUS_CENTRE, "Galaxies/Census/CentreDistance" },
    { CENSUS_GAS_BEFORE, "Galaxies/Census/GasBefore" },
    { CENSUS_GAS_BEHIND, "Galaxies/Census/GasBehind" },
    { CENSUS_FIELD_REST, "Storage/Census/LuminosityOutside" },
    { CENSUS_FIELD_OBSERVED, "Storage/Census/FluxOutside" },
    { CENSUS_BELOW, "Galaxies/Census/MassBelowGrid" },
    { CENSUS_ABOVE, "Galaxies/Census/MassAboveGrid" },
};
#define N_COLUMN (sizeof(columns) / sizeof(*columns))

struct reading {
    struct io_file *file;
    size_t width[N_COLUMN]; /* numbers of a row; 0: the file has none */
    double *value[N_COLUMN];
    double mass_msun[N_ROW], redshift[N_ROW];
    int64_t id[N_ROW], n_star[N_ROW];
    bool *is_done; /* [n_galaxy] */
};

static int note_done(void *context, uint64_t row, int64_t id, const struct ledger_entry *entry,
                     struct error *err)
{
    bool *is_done = context;

    (void)id;
    (void)err;
    is_done[row] = entry->status == ROW_DONE;
    return 0;
}

static int open_columns(struct reading *reading, struct error *err)
{
    int r = 0;

    for (size_t c = 0; !r && c < N_COLUMN; c++) {
        struct io_info info;

        if (!io_has(reading->file, columns[c].path))
            continue;
        r = io_dataset_info(reading->file, columns[c].path, &info, err);
        if (r || info.dims[0] == 0)
            continue;
        reading->width[c] = (size_t)(info.n / info.dims[0]);
        reading->value[c] = mem_array(N_ROW * reading->width[c], sizeof(double));
        if (!reading->value[c])
            r = mem_short(err, "for '%s' with %zu numbers a row", columns[c].path, reading->width[c]);
    }
    return r;
}

static int read_rows(struct reading *reading, uint64_t first, uint64_t n, struct error *err)
{
    int r = io_read_rows_i64(reading->file, ID_PATH, first, n, reading->id, err);

    if (!r)
        r = io_read_rows_i64(reading->file, N_STAR_PATH, first, n, reading->n_star, err);
    if (!r)
        r = io_read_rows_f64(reading->file, REDSHIFT_PATH, first, n, reading->redshift, err);
    if (!r)
        r = io_read_rows_f64(reading->file, CENSUS_MASS_PATH, first, n, reading->mass_msun, err);
    for (size_t c = 0; !r && c < N_COLUMN; c++)
        if (reading->width[c])
            r = io_read_rows_f64(reading->file, columns[c].path, first, n, reading->value[c], err);
    return r;
}

static void add_row(const struct reading *reading, uint64_t i, struct census_sum *sum)
{
    struct census_figures figures = { .id = reading->id[i],
                                      .n_star = (uint64_t)reading->n_star[i],
                                      .mass_msun = reading->mass_msun[i],
                                      .redshift = reading->redshift[i] };

    for (size_t k = 0; k < CENSUS_N_FIGURE; k++)
        figures.value[k] = (double)NAN;
    for (size_t c = 0; c < N_COLUMN; c++) {
        bool is_by_axis = columns[c].figure >= CENSUS_BELOW;
        double *to = &figures.value[columns[c].figure];

        for (size_t k = 0; k < reading->width[c]; k++) {
            double value = reading->value[c][i * reading->width[c] + k];

            if (is_by_axis && k < CENSUS_AXES_MAX)
                to[k] = value;
            else if (!is_by_axis && !(*to >= value)) /* of images the worst */
                *to = value;
        }
    }
    census_sum_add(sum, &figures);
}

/* A limit as the file's job has it; without one nothing is beyond it. */
static double limit_of(struct io_file *file, const char *name)
{
    const char *groups[] = { "Run/Job", "Run/JobDefaulted" };
    char key[96], text[64];
    double value = HUGE_VAL;

    text_format(key, sizeof(key), "operations.census.%s", name);
    for (size_t i = 0; i < 2; i++)
        if (io_attr_has(file, groups[i], key) &&
            !io_attr_read_text(file, groups[i], key, text, sizeof(text), NULL) &&
            !job_is_number(text, &value))
            value = HUGE_VAL;
    return value;
}

static struct census_limits limits_of(struct io_file *file)
{
    double stars = limit_of(file, "stars"), least = limit_of(file, "extent_least_kpc");

    return (struct census_limits) { .stars = stars < 1e9 ? (int)stars : 0,
                                    .off_grid = limit_of(file, "off_grid"),
                                    .off_field = limit_of(file, "off_field"),
                                    .off_centre = limit_of(file, "off_centre"),
                                    .extent_least_kpc = isfinite(least) ? least : 0.0,
                                    .extent_most_kpc = limit_of(file, "extent_most_kpc"),
                                    .extent_early_kpc = limit_of(file, "extent_early_kpc"),
                                    .gas_apart = limit_of(file, "gas_apart"),
                                    .without_light = limit_of(file, "without_light") };
}

static bool redshifts_are_the_catalogues(struct io_file *file)
{
    const char *groups[] = { "Run/Job", "Run/JobDefaulted" };
    char text[32] = "";

    for (size_t i = 0; i < 2; i++)
        if (io_attr_has(file, groups[i], "redshift"))
            io_attr_read_text(file, groups[i], "redshift", text, sizeof(text), NULL);
    return !strcmp(text, "catalogue");
}

static int add_all(struct reading *reading, uint64_t n_galaxy, struct census_sum *sum, struct error *err)
{
    int r = open_columns(reading, err);

    for (uint64_t first = 0; !r && first < n_galaxy; first += N_ROW) {
        uint64_t n = n_galaxy - first < N_ROW ? n_galaxy - first : N_ROW;

        r = read_rows(reading, first, n, err);
        for (uint64_t i = 0; !r && i < n; i++)
            if (reading->is_done[first + i])
                add_row(reading, i, sum);
    }
    return r;
}

int results_sum_census(const char *path, const struct census_limits *limits,
                       struct results_census *ret_census, struct error *err)
{
    struct reading *reading = mem_small(1, sizeof(*reading));
    struct ledger_counts counts = { 0 };
    struct census_limits of_file;
    struct io_info info;
    int r = ledger_scan(path, NULL, NULL, &counts, err);

    *ret_census = (struct results_census) { 0 };
    reading->is_done = r ? NULL : mem_array(counts.n_galaxy, sizeof(*reading->is_done));
    if (!r && !reading->is_done)
        r = mem_short(err, "for the census of %zu galaxies", counts.n_galaxy);
    if (!r)
        r = ledger_scan(path, note_done, reading->is_done, &counts, err);
    if (!r)
        r = results_file_open(path, &reading->file, err);
    if (!r && io_has(reading->file, CENSUS_MASS_PATH) && io_has(reading->file, AXES_NAMES_PATH)) {
        r = io_dataset_info(reading->file, AXES_NAMES_PATH, &info, err);
        if (!r && info.n <= CENSUS_AXES_MAX)
            r = io_read_names(reading->file, AXES_NAMES_PATH, info.n, ret_census->axis_name, err);
        of_file = limits ? *limits : limits_of(reading->file);
        census_sum_begin(&ret_census->sum, &of_file, redshifts_are_the_catalogues(reading->file));
        if (!r)
            r = add_all(reading, counts.n_galaxy, &ret_census->sum, err);
        ret_census->is_there = !r;
    }
    for (size_t i = 0; i < CENSUS_AXES_MAX; i++)
        ret_census->axis[i] = ret_census->axis_name[i];
    io_file_close(reading->file);
    for (size_t c = 0; c < N_COLUMN; c++)
        free(reading->value[c]);
    free(reading->is_done);
    free(reading);
    return r;
}
