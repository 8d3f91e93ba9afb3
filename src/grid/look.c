/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a grid holds, without reading its tables. */
#include "grid_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where grids say what they were made of. */
static const struct {
    const char *object, *name;
} fact_names[] = {
    { "/", "WeightVariable" },
    { "Model", "sps_name" },
    { "Model", "sps_version" },
    { "Model", "sps_variant" },
    { "Model", "imf_type" },
    { "Model", "imf_masses" },
    { "Model", "imf_slopes" },
    { "Model", "alpha" },
    { "CloudyParams", "cloudy_version" },
    { "CloudyParams", "ionisation_parameter_model" },
    { "CloudyParams", "ionisation_parameter" },
    { "CloudyParams", "reference_ionisation_parameter" },
    { "CloudyParams", "grains" },
    { "/", "cloudy_version" },
    { "/", "synthesizer_grids_version" },
    { "/", "date_created" },
    { "/", "provenance" },
};

static bool read_fact(struct io_file *file, const char *object, const char *name, char *ret_text, size_t size)
{
    double number = 0;
    int64_t whole = 0;

    if ((strcmp(object, "/") && !io_has(file, object)) || !io_attr_has(file, object, name))
        return false;
    if (!io_attr_read_text(file, object, name, ret_text, size, NULL))
        return true;
    if (!io_attr_read_i64(file, object, name, &whole, NULL))
        return text_format(ret_text, size, "%lld", (long long)whole);
    return !io_attr_read_f64(file, object, name, &number, NULL) && text_format(ret_text, size, "%g", number);
}

static void read_facts(struct io_file *file, struct grid_look *look)
{
    for (size_t i = 0; i < sizeof(fact_names) / sizeof(*fact_names) && look->n_fact < GRID_FACT_MAX; i++) {
        struct grid_fact *fact = &look->fact[look->n_fact];

        if (!read_fact(file, fact_names[i].object, fact_names[i].name, fact->text, sizeof(fact->text)))
            continue;
        text_format(fact->name, sizeof(fact->name), "%s", fact_names[i].name);
        look->n_fact++;
    }
}

/* One that cannot be used says why. */
static void look_at_spectrum(struct reading *reading, const char *name, struct grid_look_spectrum *spectrum)
{
    char path[2 * IO_NAME_MAX];
    struct io_info info;
    struct error err = { "" };
    double factor;
    int r;

    text_format(spectrum->name, sizeof(spectrum->name), "%s", name);
    text_format(path, sizeof(path), "spectra/%s", name);
    r = grid_expect_shape(reading, path, reading->grid->n_lambda, &info, &err);
    if (!r)
        r = grid_unit_text(reading->file, path, spectrum->unit, sizeof(spectrum->unit), &err);
    if (!r)
        r = grid_unit_factor(reading, path, UNITS_LNU, &factor, &err);
    spectrum->is_usable = !r;
    text_format(spectrum->problem, sizeof(spectrum->problem), "%s", err.text);
}

static int look_at_spectra(struct reading *reading, struct grid_look *look, struct error *err)
{
    char(*names)[IO_NAME_MAX] = NULL;
    size_t n = 0;
    int r = io_list(reading->file, "spectra", &names, &n, err);

    if (r)
        return r;
    look->spectrum = mem_array(n, sizeof(*look->spectrum));
    if (!look->spectrum)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for %zu spectra", io_file_path(reading->file),
                      n);
    for (size_t i = 0; !r && i < n; i++)
        if (strcmp(names[i], "wavelength") && strcmp(names[i], "normalisation") &&
            strlen(names[i]) < GRID_NAME_MAX)
            look_at_spectrum(reading, names[i], &look->spectrum[look->n_spectrum++]);
    free(names);
    return r;
}

static int look_into(struct reading *reading, struct grid_look *look, struct error *err)
{
    int r = grid_read_axes(reading, 0, NULL, WEIGHTS_CIC, err);

    if (!r)
        r = grid_read_wavelengths(reading, err);
    if (!r)
        r = look_at_spectra(reading, look, err);
    if (!r && grid_has_lines(reading->file))
        r = grid_read_lines(reading, err);
    if (!r) {
        read_facts(reading->file, look);
        grid_warn_unitless(reading);
    }
    return r;
}

int grid_look(const char *path, struct grid_look **ret_look, struct error *err)
{
    struct grid_look *look = mem_array(1, sizeof(*look));
    struct reading reading = { .grid = mem_array(1, sizeof(struct grid)) };
    int r = look && reading.grid ? 0 : error_set(err, POLYPHONY_INTERNAL, "'%s': no memory", path);

    if (look)
        look->grid = reading.grid;
    if (!r)
        r = io_file_open(path, &reading.file, err);
    if (!r)
        r = look_into(&reading, look, err);
    io_file_close(reading.file);
    if (r) {
        grid_look_free(look);
        return r;
    }
    *ret_look = look;
    return 0;
}

void grid_look_free(struct grid_look *look)
{
    if (!look)
        return;
    grid_free(look->grid);
    free(look->spectrum);
    free(look);
}

bool grid_look_has(const struct grid_look *look, const char *spectrum)
{
    bool has_nebular = false, has_linecont = false;

    for (size_t i = 0; i < look->n_spectrum; i++) {
        const struct grid_look_spectrum *one = &look->spectrum[i];

        if (one->is_usable && !strcmp(one->name, spectrum))
            return true;
        has_nebular |= one->is_usable && !strcmp(one->name, "nebular");
        has_linecont |= one->is_usable && !strcmp(one->name, "linecont");
    }
    return !strcmp(spectrum, "nebular_continuum") && has_nebular && has_linecont;
}

void grid_list_fields(const char *path, size_t n_fix, const struct grid_fix *fix,
                      struct grid_fields *ret_fields)
{
    struct reading reading = { .grid = mem_array(1, sizeof(struct grid)) };
    struct grid *grid = reading.grid;

    ret_fields->n = 0;
    if (grid && !io_file_open(path, &reading.file, NULL) &&
        !grid_read_axes(&reading, n_fix, fix, WEIGHTS_CIC, NULL))
        for (size_t a = 0; a < grid->n_axis; a++) {
            const struct grid_axis *axis = &grid->axis[a];
            struct grid_field *field = &ret_fields->field[ret_fields->n];

            if (axis->quantity != GRID_OTHER)
                continue;
            *field = (struct grid_field) { .n_node = axis->n,
                                           .first = axis->node[0],
                                           .last = axis->node[axis->n - 1] };
            memcpy(field->name, axis->name, sizeof(field->name));
            memcpy(field->unit, axis->unit, sizeof(field->unit));
            ret_fields->n++;
        }
    io_file_close(reading.file);
    grid_free(grid);
}
