/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo grid: its stars, its nebulae, its file. */
#include "polyphony/demo.h"

#include "demo_support.h"

/* ---- population ------------------------------------------------------------------------------- */

static void initial_mass_function_forms_one_solar_mass(void **state)
{
    (void)state;
    enum { n = 30000 };
    double sum = 0.0, step = log(1000.0) / n;

    for (int i = 0; i < n; i++) {
        double mass_msun = 0.1 * exp((i + 0.5) * step);

        sum += imf_density(mass_msun) * mass_msun * mass_msun * step;
    }
    assert_near(sum, 1.0, 1e-7); /* midpoint rule of this step, and nine digits of the constant */
    assert_true(imf_density(0.09) == 0.0);
    assert_true(imf_density(101.0) == 0.0);
}

static void sun_lives_ten_billion_years_and_massive_stars_three_million(void **state)
{
    (void)state;
    assert_near(star_lifetime_yr(1.0, 0.02), 1e10, 0.1); /* the fit gives 9.5 Gyr */
    assert_near(star_lifetime_yr(100.0, 0.02), 3.2e6, 0.1);
    for (double z = 1e-5; z < 0.1; z *= 2.0)
        for (double mass = 0.11; mass <= 100.0; mass *= 1.1)
            assert_true(star_lifetime_yr(mass, z) < star_lifetime_yr(mass / 1.1, z));
}

static void populations_have_the_right_scale_and_fade(void **state)
{
    (void)state;
    static const double metallicities[] = { 1e-5, 4e-4, 0.004, 0.02, 0.04 };

    for (size_t i = 0; i < 5; i++) {
        struct population population;
        double before = INFINITY, before_mass = INFINITY;

        population_evolve(1e6, metallicities[i], &population);
        /* 1e3 Lsun of a young population, 0.3 of an old one; half a factor either way is what the model
         * holds. */
        assert_near(population_luminosity_lsun(&population), 1e3, 0.5);
        population_evolve(1e10, metallicities[i], &population);
        assert_near(population_luminosity_lsun(&population), 0.35, 0.5);
        /* From 5 Myr, when the most massive stars are gone, a population only fades. */
        for (double age_yr = 5e6; age_yr < 1.1e11; age_yr *= 1.1) {
            population_evolve(age_yr, metallicities[i], &population);
            double now = population_luminosity_lsun(&population);

            assert_true(now > 0.0);
            assert_true(now < before);
            assert_true(population.star_fraction > 0.0);
            assert_true(population.star_fraction <= before_mass);
            before = now;
            before_mass = population.star_fraction;
        }
    }
}

/* Spectra of some populations on the default wavelengths. */
struct spectra {
    size_t n_lambda;
    double *lambda_angstrom, *width_hz, *lnu;
    struct templates templates;
};

static void spectra_open(struct spectra *spectra, size_t n_lambda)
{
    spectra->n_lambda = n_lambda;
    spectra->lambda_angstrom = mem_array(n_lambda, sizeof(double));
    spectra->width_hz = mem_array(n_lambda, sizeof(double));
    spectra->lnu = mem_array(n_lambda, sizeof(double));
    assert_non_null(spectra->lambda_angstrom);
    assert_non_null(spectra->width_hz);
    assert_non_null(spectra->lnu);
    wavelengths_fill(n_lambda, spectra->lambda_angstrom);
    frequency_widths_fill(n_lambda, spectra->lambda_angstrom, spectra->width_hz);
    spectra->templates = templates_create(n_lambda, spectra->lambda_angstrom);
}

static void spectra_close(struct spectra *spectra)
{
    templates_free(&spectra->templates);
    free(spectra->lambda_angstrom);
    free(spectra->width_hz);
    free(spectra->lnu);
}

static void wavelengths_ascend_and_respect_the_edges(void **state)
{
    (void)state;
    static const size_t sizes[] = { 100, 101, 999, 9244 };

    for (size_t i = 0; i < 4; i++) {
        double *lambda = mem_array(sizes[i], sizeof(*lambda));
        size_t n_ionising = 0;

        assert_non_null(lambda);
        wavelengths_fill(sizes[i], lambda);
        assert_true(lambda[0] >= 1.0);
        assert_true(lambda[0] < 100.0);
        assert_true(lambda[sizes[i] - 1] <= 1e7);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_true(k == 0 || lambda[k] > lambda[k - 1]);
            n_ionising += lambda[k] < DEMO_LYMAN_LIMIT_ANGSTROM;
        }
        assert_true(n_ionising >= sizes[i] / 10);
        free(lambda);
    }
}

static void spectra_hold_the_light_of_their_stars(void **state)
{
    (void)state;
    struct spectra s;

    spectra_open(&s, 9244);
    for (double z = 1e-5; z < 0.05; z *= 3.0) {
        struct population population;
        double sum = 0.0;

        population_evolve(1e8, z, &population);
        templates_mix(&s.templates, 1, &population, &z, s.lnu);
        for (size_t k = 0; k < s.n_lambda; k++)
            sum += s.lnu[k] * s.width_hz[k];
        /* Both sums are of the same terms: rounding of 9244 additions. */
        assert_near(sum, DEMO_LSUN_ERG_S * population_luminosity_lsun(&population), 1e-12);
    }
    spectra_close(&s);
}

static double photons_of(struct spectra *s, double age_yr, double metallicity, double edge_angstrom)
{
    struct population population;

    population_evolve(age_yr, metallicity, &population);
    templates_mix(&s->templates, 1, &population, &metallicity, s->lnu);
    return photon_rate(s->n_lambda, s->lambda_angstrom, s->lnu, edge_angstrom);
}

static void ionising_photons_come_from_the_young_and_metal_poor(void **state)
{
    (void)state;
    struct spectra s;

    spectra_open(&s, 9244);
    double young = log10(photons_of(&s, 2e6, 0.02, DEMO_LYMAN_LIMIT_ANGSTROM));

    assert_true(young > 46.3);
    assert_true(young < 47.0); /* the range of published models at 1 to 3 Myr */
    assert_true(log10(photons_of(&s, 2e6, 1e-4, DEMO_LYMAN_LIMIT_ANGSTROM)) > young);
    assert_true(log10(photons_of(&s, 2e7, 0.02, DEMO_LYMAN_LIMIT_ANGSTROM)) < young - 3.0);
    assert_true(photons_of(&s, 2e6, 0.02, DEMO_HEII_LIMIT_ANGSTROM) <
                photons_of(&s, 2e6, 1e-4, DEMO_HEII_LIMIT_ANGSTROM));
    spectra_close(&s);
}

static void photon_rate_of_a_power_law_is_its_integral(void **state)
{
    (void)state;
    struct spectra s;

    spectra_open(&s, 9244);
    for (size_t k = 0; k < s.n_lambda; k++)
        s.lnu[k] = 1e20 * s.lambda_angstrom[k] / 912.0;
    /* Integral of lnu/(h lambda) d lambda = 1e20/912/h (912 - lambda_0); the last half pixel of 0.6 angstrom. */
    double expected = 1e20 / 912.0 / DEMO_H_ERG_S * (912.0 - s.lambda_angstrom[0]);

    assert_near(photon_rate(s.n_lambda, s.lambda_angstrom, s.lnu, 912.0), expected, 1e-3);
    spectra_close(&s);
}

/* ---- nebula ------------------------------------------------------------------------------------ */

static void case_b_ratios_are_those_of_storey_and_hummer(void **state)
{
    (void)state;
    /* Storey & Hummer 1995 at 1e4 K, 100 cm^-3; the fit in lines.c holds them within 2 %. */
    assert_near(caseb_ratio(1, 3, 2), 2.863, 0.02);
    assert_near(caseb_ratio(1, 4, 2), 1.0, 1e-15);
    assert_near(caseb_ratio(1, 5, 2), 0.468, 0.02);
    assert_near(caseb_ratio(1, 6, 2), 0.259, 0.02);
    assert_near(caseb_ratio(1, 7, 2), 0.159, 0.02);
    /* Paschen alpha and Brackett gamma, where the fit in the lower level shows. */
    assert_near(caseb_ratio(1, 4, 3), 0.339, 0.03);
    assert_near(caseb_ratio(1, 7, 4), 0.0278, 0.03);
}

static void line_list_is_long_ascending_and_unique(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "H 1 1215.67A", "H 1 6562.80A", "H 1 4861.32A",  "H 1 4340.46A",  "H 1 4101.73A",  "O 1 6300.30A",
        "O 2 3726.03A", "O 2 3728.81A", "O 3 4958.91A",  "O 3 5006.84A",  "Ne 3 3868.76A", "N 2 6583.45A",
        "S 2 6716.44A", "S 2 6730.82A", "He 1 5875.61A", "He 2 1640.41A", "C 3 1908.73A",  "H 1 1.87510m",
    };
    struct line *lines = NULL;
    size_t n = 0;

    lines = lines_create(&n);
    assert_true(n >= 200);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || lines[i].lambda_angstrom > lines[i - 1].lambda_angstrom);
        assert_true(lines[i].per_hbeta > 0.0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(lines[i].id, lines[j].id);
    }
    for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
        size_t i = 0;

        while (i < n && strcmp(lines[i].id, wanted[w]))
            i++;
        if (i == n)
            fail_msg("no line %s", wanted[w]);
    }
    free(lines);
}

static void hbeta_counts_ionising_photons(void **state)
{
    (void)state;
    struct ionising ionising = { .q_hi = 1e47, .q_hei = 2e46, .q_heii = 1e43 };
    struct line *lines = NULL;
    size_t n = 0;
    double hbeta = 0.0, heii = 0.0;

    lines = lines_create(&n);
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(lines[i].id, "H 1 4861.32A"))
            hbeta = line_luminosity(&lines[i], &ionising, 0.01);
        if (!strcmp(lines[i].id, "He 2 1640.41A"))
            heii = line_luminosity(&lines[i], &ionising, 0.01);
    }
    /* Products of two numbers; a few roundings. */
    assert_near(hbeta, 4.76e-13 * 1e47, 1e-14);
    assert_near(heii, 5.67e-12 * 1e43, 1e-14);
    free(lines);
}

static void recombination_gives_back_about_its_energy(void **state)
{
    (void)state;
    struct line *lines = NULL;
    size_t n = 0;
    double erg = 0.0;

    lines = lines_create(&n);
    for (size_t i = 0; i < n; i++)
        if (!strncmp(lines[i].id, "H 1", 3))
            erg += 4.76e-13 * lines[i].per_hbeta;
    for (double lambda = 912.0; lambda < 1e8; lambda *= 1.0005)
        erg += nebular_continuum(lambda) * 5e-4 * DEMO_C_ANGSTROM_S / lambda;
    /* 13.6 eV and the electron's ~0.8 eV; Kramers' cross-sections and helium's tenth make it a little more. */
    assert_near(erg / 1.602176562e-12, 14.4, 0.08);
    free(lines);
}

static void nebula_has_balmer_jump_and_no_lyman_continuum(void **state)
{
    (void)state;
    assert_true(nebular_continuum(900.0) == 0.0);
    assert_true(nebular_continuum(3640.0) > 4.0 * nebular_continuum(3660.0));
    /* Two-photon light has no jump at 2000 angstrom: 4 angstrom apart it changes by less than 1 %. */
    assert_near(nebular_continuum(2002.0), nebular_continuum(1998.0), 0.01);
}

/* ---- files ------------------------------------------------------------------------------------- */

static void grid_lines_and_spectra_tell_the_same_story(void **state)
{
    (void)state;
    char path[256];
    struct error err = { 0 };
    struct io_file *file = NULL;
    uint64_t n, n_lambda, n_line;

    make_path(path, sizeof(path), "grid");
    struct demo_grid_options options = demo_grid_defaults(path);

    options.n_age = 5;
    options.n_metallicity = 3;
    options.n_lambda = 1500;
    if (demo_grid_write(&options, &err) || io_file_open(path, &file, &err))
        fail_msg("%s", err.text);
    double *lambda = read_all(file, "spectra/wavelength", &n_lambda);
    double *line_lambda = read_all(file, "lines/wavelength", &n_line);
    double *incident = read_all(file, "spectra/incident", &n);
    double *transmitted = read_all(file, "spectra/transmitted", &n);
    double *nebular = read_all(file, "spectra/nebular", &n);
    double *linecont = read_all(file, "spectra/linecont", &n);
    double *luminosity = read_all(file, "lines/luminosity", &n);
    double *at_line = read_all(file, "lines/nebular_continuum", &n);
    double *log_q = read_all(file, "log10_specific_ionising_luminosity/HI", &n);

    assert_int_equal(n, 15);
    for (size_t cell = 0; cell < 15; cell++) {
        const double *s = linecont + cell * n_lambda;
        double lines = 0.0, in_spectrum = 0.0, absorbed = 0.0, given_back = 0.0, photons = 0.0;

        for (size_t i = 0; i < n_line; i++) {
            lines += luminosity[cell * n_line + i];
            assert_true(luminosity[cell * n_line + i] > 0.0);
        }
        for (size_t k = 0; k + 1 < n_lambda; k++) {
            size_t at = cell * n_lambda + k;
            double step_hz = DEMO_C_ANGSTROM_S * (1.0 / lambda[k] - 1.0 / lambda[k + 1]);

            in_spectrum += 0.5 * (s[k] + s[k + 1]) * step_hz;
            given_back += 0.5 * (nebular[at] + nebular[at + 1]) * step_hz;
            absorbed +=
                0.5 * (incident[at] - transmitted[at] + incident[at + 1] - transmitted[at + 1]) * step_hz;
            if (lambda[k + 1] < 912.0)
                photons +=
                    0.5 * (incident[at] + incident[at + 1]) / DEMO_H_ERG_S * log(lambda[k + 1] / lambda[k]);
            assert_true(transmitted[at] == (lambda[k] < 912.0 ? 0.0 : incident[at]));
            assert_true(nebular[at] >= linecont[at]);
        }
        assert_near(in_spectrum, lines, 1e-12); /* the same trapezium rule: rounding only */
        /* 1500 pixels are 8 angstrom wide below 912: half a pixel at the edge, and the rule's own error. */
        assert_near(log10(photons), log_q[cell], 2e-3);
        assert_true(given_back > 0.0);
        assert_true(given_back < 1.02 * absorbed); /* 2 %: half a pixel again */
        assert_true(given_back > 0.4 * absorbed);
    }
    for (size_t i = 0; i < n_line; i++) {
        size_t k = 0;

        while (lambda[k + 1] <= line_lambda[i])
            k++;
        double fraction = (line_lambda[i] - lambda[k]) / (lambda[k + 1] - lambda[k]);
        double expected =
            (1.0 - fraction) * (nebular[k] - linecont[k]) + fraction * (nebular[k + 1] - linecont[k + 1]);

        /* The difference of two sums that lines dominate by up to 1e4. */
        assert_near(at_line[i], expected, 1e-10);
    }
    double *const pieces[] = { lambda,   line_lambda, incident, transmitted, nebular,
                               linecont, luminosity,  at_line,  log_q };

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        free(pieces[i]);
    io_file_close(file);
    unlink(path);
}

static void grid_is_marked_as_a_reprocessed_one(void **state)
{
    (void)state;
    char path[256], text[64];
    char(*axes)[IO_NAME_MAX] = NULL;
    size_t n_axis = 0;
    struct error err = { 0 };
    struct io_file *file = NULL;

    make_path(path, sizeof(path), "tiny");
    struct demo_grid_options options = demo_grid_defaults(path);

    options.n_age = options.n_metallicity = 2;
    options.n_lambda = 100;
    if (demo_grid_write(&options, &err) || io_file_open(path, &file, &err))
        fail_msg("%s", err.text);
    assert_true(io_has(file, "CloudyParams"));
    assert_true(io_has(file, "Model"));
    assert_int_equal(io_attr_read_texts(file, "/", "axes", &axes, &n_axis, &err), 0);
    assert_int_equal(n_axis, 2);
    assert_string_equal(axes[0], "ages");
    assert_string_equal(axes[1], "metallicities");
    assert_int_equal(io_attr_read_text(file, "/", "WeightVariable", text, sizeof(text), &err), 0);
    assert_string_equal(text, "initial_masses");
    assert_int_equal(io_attr_read_text(file, "axes/ages", "Units", text, sizeof(text), &err), 0);
    assert_string_equal(text, "yr");
    assert_true(io_attr_has(file, "axes/metallicities", "log_on_read"));
    free(axes);
    io_file_close(file);
    unlink(path);
}

static void grid_options_out_of_bounds_are_usage_errors(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct demo_grid_options grid = demo_grid_defaults("/tmp/polyphony_never_written.hdf5");

    grid.n_lambda = 99;
    assert_int_equal(demo_grid_write(&grid, &err), POLYPHONY_USAGE);
    assert_non_null(strstr(err.text, "99"));
    grid = demo_grid_defaults("/tmp/polyphony_never_written.hdf5");
    grid.age_min_yr = NAN;
    assert_int_equal(demo_grid_write(&grid, &err), POLYPHONY_USAGE);
    grid = demo_grid_defaults("");
    assert_int_equal(demo_grid_write(&grid, &err), POLYPHONY_USAGE);
    assert_int_equal(access("/tmp/polyphony_never_written.hdf5", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_mass_function_forms_one_solar_mass),
        cmocka_unit_test(sun_lives_ten_billion_years_and_massive_stars_three_million),
        cmocka_unit_test(populations_have_the_right_scale_and_fade),
        cmocka_unit_test(wavelengths_ascend_and_respect_the_edges),
        cmocka_unit_test(spectra_hold_the_light_of_their_stars),
        cmocka_unit_test(ionising_photons_come_from_the_young_and_metal_poor),
        cmocka_unit_test(photon_rate_of_a_power_law_is_its_integral),
        cmocka_unit_test(case_b_ratios_are_those_of_storey_and_hummer),
        cmocka_unit_test(line_list_is_long_ascending_and_unique),
        cmocka_unit_test(hbeta_counts_ionising_photons),
        cmocka_unit_test(recombination_gives_back_about_its_energy),
        cmocka_unit_test(nebula_has_balmer_jump_and_no_lyman_continuum),
        cmocka_unit_test(grid_lines_and_spectra_tell_the_same_story),
        cmocka_unit_test(grid_is_marked_as_a_reprocessed_one),
        cmocka_unit_test(grid_options_out_of_bounds_are_usage_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
