/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results file as a table: a dataset for each product of the plan, and views of some. Synthesizer's paths come first, so
 * that scripts written for its files read ours.
 */
#include "results_private.h"

#include <stdlib.h>
#include <string.h>

void results_product_path(const struct plan *plan, const struct product *product,
                          char ret_path[RESULTS_PATH_MAX])
{
    plan_product_path(plan, product, product->kind->path, ret_path);
}

enum io_type results_product_type(const struct plan *plan, const struct product *product)
{
    const struct job_output_types *types = &plan->job->output_types;

    switch (product->kind->precision) {
    case PRECISION_INTEGER:
        return IO_I64;
    case PRECISION_SPECTRA:
        return *types->spectra == JOB_FLOAT32 ? IO_F32 : IO_F64;
    case PRECISION_IMAGES:
        return *types->images == JOB_FLOAT32 ? IO_F32 : IO_F64;
    case PRECISION_FULL:
        break;
    }
    return IO_F64;
}

uint64_t results_row_bytes(const struct plan *plan)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < plan->n_product; i++)
        bytes += plan->product[i].n *
                 (results_product_type(plan, &plan->product[i]) == IO_F32 ? sizeof(float) : sizeof(double));
    return bytes;
}

/* One number a galaxy by label and filter: views of the packed storage. */
static int layout_filter_views(struct layout *layout, const struct plan *plan, const struct product *product,
                               const char *source, struct error *err)
{
    const struct product_kind *kind = product->kind;
    const struct selection *selection = &product->step->selection;
    char path[PLAN_PATH_MAX];
    int r = 0;

    for (size_t l = 0; l < selection->n_label; l++) {
        uint64_t column[2] = { l, 0 };

        for (size_t i = 0; i < selection->n_instrument; i++) {
            size_t instrument = selection->i_instrument[i];

            for (size_t f = 0; !r && f < plan->instrument[instrument].n_filter; f++, column[1]++) {
                struct product shown = *product;

                shown.i_label = selection->i_label[l];
                shown.i_instrument = instrument;
                shown.i_filter = f;
                plan_product_path(plan, &shown, kind->view[0].path, path);
                r = layout_view(layout, path, source, 3, column, kind->units, kind->view[0].description, err);
            }
        }
    }
    return r;
}

static int layout_value_views(struct layout *layout, const struct plan *plan, const struct product *product,
                              const char *source, struct error *err)
{
    const struct product_kind *kind = product->kind;
    char path[PLAN_PATH_MAX];
    int r = 0;

    for (uint64_t i = 0; !r && i < kind->n_value; i++) {
        plan_product_path(plan, product, kind->view[i].path, path);
        r = layout_view(layout, path, source, 2, &i, kind->units, kind->view[i].description, err);
    }
    return r;
}

static int layout_views(struct layout *layout, const struct plan *plan, const struct product *product,
                        struct error *err)
{
    char source[PLAN_PATH_MAX];

    if (!product->kind->view[0].path)
        return 0;
    results_product_path(plan, product, source);
    return product->kind->axis[0] == AXIS_VALUE ? layout_value_views(layout, plan, product, source, err)
                                                : layout_filter_views(layout, plan, product, source, err);
}

/* Optical depths of particles, and where each galaxy's begin. The latter is in the catalogue too, but so a
 * results file can be read, and verified, without it. */
static int layout_particles(struct layout *layout, const char *path, const char *first_path, uint64_t n,
                            const uint64_t *first, struct error *err)
{
    const struct io_shape shape = { .type = IO_F64, .rank = 1, .dims = { n } };
    const struct io_shape first_shape = { .type = IO_I64, .rank = 1, .dims = { layout->n_galaxy } };
    int r;

    r = layout_dataset(layout, path, &shape, "dimensionless",
                       "V-band optical depth from the line of sight of each particle, in catalogue order",
                       err);
    if (!r && layout->is_new)
        r = io_write_i64(layout->file, first_path, 1, &layout->n_galaxy, (const int64_t *)first,
                         "dimensionless",
                         "Index in Particles of the galaxy's first; it has NStars or NBlackHoles", err);
    return r ? r : layout_note(layout, first_path, &first_shape, err);
}

/* The order in which the values of a row are in its checksum. */
static int compare_rows_list(struct io_file *file, size_t n, const char *const *name, struct error *err)
{
    char(*found)[IO_NAME_MAX];
    struct io_info info;
    int r = io_dataset_info(file, ROWS_PATH, &info, err);

    if (!r && (info.class != IO_STRING || info.rank != 1 || info.n != n))
        return io_expect_fail(file, ROWS_PATH, "does not list the datasets of this job", err);
    if (r)
        return r;
    found = mem_small(n, sizeof(*found));
    r = io_read_names(file, ROWS_PATH, n, found, err);
    for (size_t i = 0; !r && i < n; i++)
        if (strncmp(found[i], name[i], IO_NAME_MAX - 1))
            r = io_expect_fail(file, ROWS_PATH, "does not list the datasets of this job", err);
    free(found);
    return r;
}

static int layout_rows_list(struct layout *layout, const struct plan *plan, struct error *err)
{
    char(*path)[RESULTS_PATH_MAX] = mem_small(plan->n_product, sizeof(*path));
    const char **name = mem_small(plan->n_product, sizeof(*name));
    int r = 0;

    for (size_t i = 0; i < plan->n_product; i++) {
        results_product_path(plan, &plan->product[i], path[i]);
        name[i] = path[i];
    }
    if (layout->is_new)
        r = io_write_names(layout->file, ROWS_PATH, plan->n_product, name,
                           "Datasets of a row, in the order of its checksum; particles follow", err);
    else
        r = compare_rows_list(layout->file, plan->n_product, name, err);
    free(name);
    free(path);
    return r;
}

static int layout_ledger(struct layout *layout, struct error *err)
{
    static const struct io_member members[] = {
        { "status", IO_I32, offsetof(struct ledger_entry, status), 0 },
        { "rank", IO_I32, offsetof(struct ledger_entry, rank), 0 },
        { "checksum", IO_U64, offsetof(struct ledger_entry, checksum), 0 },
        { "seconds", IO_F64, offsetof(struct ledger_entry, seconds), 0 },
        { "stage", IO_F64, offsetof(struct ledger_entry, stage), sizeof(((struct ledger_entry *)0)->stage) },
        { "reason", IO_F64, offsetof(struct ledger_entry, reason),
          sizeof(((struct ledger_entry *)0)->reason) },
        { "n_rounded", IO_I32, offsetof(struct ledger_entry, n_rounded), 0 },
        { "is_on_disk", IO_I32, offsetof(struct ledger_entry, is_on_disk), 0 },
        { "n_crash", IO_I32, offsetof(struct ledger_entry, n_crash), 0 },
        { "n_vanish", IO_I32, offsetof(struct ledger_entry, n_vanish), 0 },
    };

    const struct io_shape shape = { .type = IO_RECORD,
                                    .rank = 1,
                                    .dims = { layout->n_galaxy },
                                    .record_bytes = sizeof(struct ledger_entry),
                                    .member = members,
                                    .n_member = sizeof(members) / sizeof(*members) };

    return layout_dataset(
        layout, LEDGER_PATH, &shape, NULL,
        "One entry a galaxy: status 0 left, 1 done, 2 set aside; XXH3 checksum of its row; ranks that crashed, or vanished, with it in hand",
        err);
}

/* A product's dataset: a row of its values a galaxy. */
static int layout_product(struct layout *layout, const struct plan *plan, const struct product *product,
                          struct error *err)
{
    const struct io_shape shape = { .type = results_product_type(plan, product),
                                    .rank = product->rank + 1,
                                    .dims = { layout->n_galaxy, product->dims[0], product->dims[1],
                                              product->dims[2] } };
    char path[RESULTS_PATH_MAX], description[PLAN_PATH_MAX];

    results_product_path(plan, product, path);
    plan_product_path(plan, product, product->kind->description, description);
    return layout_dataset(layout, path, &shape, product->kind->units, description, err);
}

int results_layout_rows(struct layout *layout, const struct plan *plan, struct error *err)
{
    const struct catalogue *catalogue = plan->catalogue;
    int r;

    layout->n_galaxy = catalogue->n_galaxy;
    r = layout_ledger(layout, err);
    for (size_t i = 0; !r && i < plan->n_product; i++)
        r = layout_product(layout, plan, &plan->product[i], err);
    for (size_t i = 0; !r && i < plan->n_product; i++)
        r = layout_views(layout, plan, &plan->product[i], err);
    if (!r)
        r = layout_rows_list(layout, plan, err);
    if (!r && plan->writes_depths)
        r = layout_particles(layout, STAR_TAU_PATH, STAR_FIRST_PATH, catalogue->n_particle_all[STARS],
                             catalogue->offset[STARS], err);
    if (!r && plan->writes_depths && catalogue->n_particle_all[BLACK_HOLES])
        r = layout_particles(layout, BLACK_HOLE_TAU_PATH, BLACK_HOLE_FIRST_PATH,
                             catalogue->n_particle_all[BLACK_HOLES], catalogue->offset[BLACK_HOLES], err);
    if (!r)
        r = results_layout_sessions(layout, err);
    return r ? r : layout_finish(layout, err);
}
