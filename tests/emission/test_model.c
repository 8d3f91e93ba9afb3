/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/emission.h"

#include "../support.h"

/* Places of parameters and transforms in their tables. */
enum { TAU_V, FESC, FESC_LY_ALPHA };

static const bool none[PARAMETER_MAX] = { false, false, false };
static const bool tau_varies[PARAMETER_MAX] = { [TAU_V] = true };
static const bool fesc_varies[PARAMETER_MAX] = { [FESC] = true };
static const bool ly_alpha_varies[PARAMETER_MAX] = { [FESC_LY_ALPHA] = true };
static const bool all_vary[PARAMETER_MAX] = { true, true, true };

static const struct dust_curve any_curve; /* does not matter */

static struct emission_program compile(const char *name, const bool *is_per_particle)
{
    const struct emission_model *model = NULL;
    struct emission_program program = { 0 };
    struct error err = { "" };

    if (emission_model_find(name, &model, &err) ||
        emission_compile(model, &any_curve, is_per_particle, &program, &err))
        fail_msg("%s", err.text);
    return program;
}

static const struct emission_label *label_of(const struct emission_program *program, const char *name)
{
    size_t i = 99;

    assert_int_equal(emission_label_find(program, name, &i, NULL), 0);
    return &program->label[i];
}

/* ---- terms as text --------------------------------------------------------------------------- */

static const char *const transform_text[] = { "esc", "proc", "lya", "dust" };

static void print_factors(const struct emission_factors *factors, char *text, size_t size)
{
    for (size_t f = 0; f < factors->n; f++) {
        size_t n = strlen(text);

        text_format(text + n, size - n, "%s%s", f ? "*" : "", transform_text[factors->factor[f].i_transform]);
    }
}

/* "spectrum(factors of the galaxy|factors of the particle|the same at Lyman alpha)", in order, by spaces. */
static void expect_terms(const struct emission_program *program, const char *name, const char *expected)
{
    const struct emission_label *label = label_of(program, name);
    char text[512] = "";

    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_term *term = &label->term[t];
        size_t n = strlen(text);

        text_format(text + n, sizeof(text) - n, "%s%s(", t ? " " : "", program->extract[term->i_extract]);
        print_factors(&term->galaxy, text, sizeof(text));
        strcat(text, "|");
        print_factors(&program->channel[term->i_channel].particle, text, sizeof(text));
        strcat(text, "|");
        print_factors(&program->channel[term->i_channel_ly_alpha].particle, text, sizeof(text));
        strcat(text, ")");
    }
    assert_string_equal(text, expected);
}

static void numbers_for_the_galaxy_stay_out_of_the_sums(void **state)
{
    struct emission_program program = compile("pacman", none);

    (void)state;
    assert_int_equal(program.n_channel, 1);
    assert_int_equal(program.channel[0].particle.n, 0);
    assert_false(program.channel[0].is_attenuated);
    /* Nebular emission is not reduced by fesc, as in the reference (docs/physics.md 3). */
    expect_terms(&program, "emergent",
                 "linecont(lya*dust||) nebular_continuum(dust||) transmitted(proc*dust||) incident(esc||)");
    expect_terms(&program, "attenuated",
                 "linecont(lya*dust||) nebular_continuum(dust||) transmitted(proc*dust||)");
    expect_terms(&program, "intrinsic",
                 "linecont(lya||) nebular_continuum(||) transmitted(proc||) incident(esc||)");
    expect_terms(&program, "reprocessed", "linecont(lya||) nebular_continuum(||) transmitted(proc||)");
    expect_terms(&program, "nebular", "linecont(lya||) nebular_continuum(||)");
    expect_terms(&program, "transmitted", "transmitted(proc||)");
    expect_terms(&program, "full_transmitted", "transmitted(||)");
    expect_terms(&program, "escaped", "incident(esc||)");
    expect_terms(&program, "incident", "incident(||)");
}

static void a_screen_of_its_own_for_each_particle_is_a_channel(void **state)
{
    struct emission_program program = compile("pacman", tau_varies);
    size_t n_attenuated = 0;

    (void)state;
    assert_int_equal(program.n_channel, 2);
    expect_terms(
        &program, "emergent",
        "linecont(lya|dust|dust) nebular_continuum(|dust|dust) transmitted(proc|dust|dust) incident(esc||)");
    expect_terms(&program, "intrinsic",
                 "linecont(lya||) nebular_continuum(||) transmitted(proc||) incident(esc||)");
    for (size_t c = 0; c < program.n_channel; c++) {
        const struct emission_channel *channel = &program.channel[c];

        n_attenuated += channel->is_attenuated;
        assert_true(channel->is_attenuated == (channel->particle.n == 1));
        if (!channel->is_attenuated)
            continue;
        assert_int_equal(program.screen[channel->i_screen].n_parameter, 1);
        assert_int_equal(program.screen[channel->i_screen].i_parameter[0], TAU_V);
        for (size_t e = 0; e < program.n_extract; e++) /* escaping light is not behind dust */
            assert_true(channel->extract_is_used[e] == (strcmp(program.extract[e], "incident") != 0));
    }
    assert_int_equal(n_attenuated, 1);
}

static void an_escape_fraction_for_each_particle_gives_two_channels_more(void **state)
{
    struct emission_program program = compile("pacman", fesc_varies);

    (void)state;
    assert_int_equal(program.n_channel, 3); /* mass, mass fesc, mass (1 - fesc) */
    for (size_t c = 0; c < program.n_channel; c++)
        assert_false(program.channel[c].is_attenuated);
    expect_terms(
        &program, "emergent",
        "linecont(lya*dust||) nebular_continuum(dust||) transmitted(dust|proc|proc) incident(|esc|esc)");
    expect_terms(&program, "full_transmitted", "transmitted(||)");
}

static void lyman_alpha_for_each_particle_splits_only_its_pixels(void **state)
{
    struct emission_program program = compile("pacman", ly_alpha_varies);

    (void)state;
    assert_int_equal(program.n_channel, 2);
    expect_terms(&program, "intrinsic",
                 "linecont(||lya) nebular_continuum(||) transmitted(proc||) incident(esc||)");
    expect_terms(&program, "attenuated",
                 "linecont(dust||lya) nebular_continuum(dust||) transmitted(proc*dust||)");
}

static void everything_may_differ_between_particles(void **state)
{
    struct emission_program program = compile("pacman", all_vary);

    (void)state;
    expect_terms(&program, "emergent",
                 "linecont(|dust|lya*dust) nebular_continuum(|dust|dust) transmitted(|proc*dust|proc*dust) "
                 "incident(|esc|esc)");
    expect_terms(&program, "intrinsic",
                 "linecont(||lya) nebular_continuum(||) transmitted(|proc|proc) incident(|esc|esc)");
    for (size_t c = 0; c < program.n_channel; c++) /* each channel once */
        for (size_t d = 0; d < c; d++) {
            char one[64] = "", other[64] = "";

            print_factors(&program.channel[c].particle, one, sizeof(one));
            print_factors(&program.channel[d].particle, other, sizeof(other));
            assert_string_not_equal(one, other);
        }
}

/* ---- labels of the presets ------------------------------------------------------------------- */

static void presets_save_what_they_are_made_of(void **state)
{
    static const struct {
        const char *model, *labels;
        bool uses[PARAMETER_MAX]; /* tau_v, fesc, fesc_ly_alpha */
    } expected[] = {
        { "pacman",
          "emergent attenuated reprocessed transmitted full_transmitted nebular nebular_continuum "
          "nebular_line escaped "
          "incident intrinsic",
          { true, true, true } },
        { "incident", "incident", { false, false, false } },
        { "transmitted", "transmitted full_transmitted", { false, true, false } },
        { "nebular", "nebular nebular_continuum nebular_line", { false, false, true } },
        { "reprocessed",
          "reprocessed transmitted full_transmitted nebular nebular_continuum nebular_line",
          { false, true, true } },
        { "intrinsic",
          "reprocessed transmitted full_transmitted nebular nebular_continuum nebular_line escaped incident "
          "intrinsic",
          { false, true, true } },
        { "emergent",
          "emergent attenuated reprocessed transmitted full_transmitted nebular nebular_continuum "
          "nebular_line escaped "
          "incident",
          { true, true, true } },
    };

    (void)state;
    assert_null(emission_models[sizeof(expected) / sizeof(*expected)]);
    for (size_t m = 0; emission_models[m]; m++) {
        struct emission_program program = compile(expected[m].model, all_vary);
        char labels[512] = "";

        assert_string_equal(emission_models[m]->name, expected[m].model);
        assert_true(strlen(emission_models[m]->description) > 0);
        for (size_t l = 0; l < program.n_label; l++) {
            strcat(labels, l ? " " : "");
            strcat(labels, program.label[l].name);
            assert_true(program.label[l].n_term > 0);
        }
        assert_string_equal(labels, expected[m].labels);
        for (size_t p = 0; p < parameter_count(); p++)
            assert_true(program.parameter_is_used[p] == expected[m].uses[p]);
    }
}

static void presets_extract_only_what_they_need(void **state)
{
    struct emission_program program = compile("incident", none);

    (void)state;
    assert_int_equal(program.n_extract, 1);
    assert_string_equal(program.extract[0], "incident");
    program = compile("nebular", none);
    assert_int_equal(program.n_extract, 2);
    program = compile("pacman", none);
    assert_int_equal(program.n_extract, 4);
}

static void unknown_names_are_refused_with_the_nearest(void **state)
{
    const struct emission_model *model = NULL;
    struct emission_program program = compile("pacman", none);
    struct error err = { "" };
    size_t label = 77;

    (void)state;
    assert_int_equal(emission_model_find("packman", &model, &err), POLYPHONY_USAGE);
    assert_null(model);
    assert_text_has(err.text, "'packman'");
    assert_text_has(err.text, "did you mean 'pacman'?");
    assert_text_has(err.text,
                    "use one of pacman, incident, transmitted, nebular, reprocessed, intrinsic, emergent");
    assert_int_equal(emission_model_find("xyzzyxyzzy", &model, &err), POLYPHONY_USAGE);
    assert_null(strstr(err.text, "did you mean"));
    assert_int_equal(emission_label_find(&program, "emergant", &label, &err), POLYPHONY_USAGE);
    assert_int_equal(label, 77);
    assert_text_has(err.text, "'emergant'");
    assert_text_has(err.text, "did you mean 'emergent'?");
    assert_text_has(err.text, "escaped, incident, intrinsic");
    /* A node that is not saved is not a label. */
    assert_int_equal(emission_label_find(&program, "_nebular_line_no_fesc", &label, &err), POLYPHONY_USAGE);
}

/* ---- graphs that cannot be ------------------------------------------------------------------- */

static void expect_refused(const struct emission_node *node, size_t n_node, const char *root,
                           const bool *is_per_particle, const char *part, const char *other_part)
{
    const struct emission_model model = { "made", "by the test", root, n_node, node };
    struct emission_program program;
    struct error err = { "" };

    assert_int_equal(emission_compile(&model, &any_curve, is_per_particle, &program, &err), POLYPHONY_USAGE);
    assert_text_has(err.text, "'made'");
    assert_text_has(err.text, part);
    assert_text_has(err.text, other_part);
}

static void a_graph_with_a_missing_node_is_refused(void **state)
{
    const struct emission_node node[] = {
        { .label = "sum", .is_saved = true, .op = EMISSION_COMBINE, .of = { "here", "nowhere" } },
        { .label = "here", .op = EMISSION_EXTRACT, .of = { "incident" } },
    };

    (void)state;
    expect_refused(node, 2, NULL, none, "'nowhere'", "does not have");
    expect_refused(node, 2, "lost", none, "'lost'", "does not have"); /* also as the root */
}

static void a_graph_with_a_cycle_is_refused(void **state)
{
    const struct emission_node node[] = {
        { .label = "hen",
          .is_saved = true,
          .op = EMISSION_TRANSFORM,
          .of = { "nest" },
          .transform = "EscapedFraction",
          .parameter = "fesc" },
        { .label = "nest", .op = EMISSION_COMBINE, .of = { "egg", "straw" } },
        { .label = "egg", .is_saved = true, .op = EMISSION_COMBINE, .of = { "hen" } },
        { .label = "straw", .op = EMISSION_EXTRACT, .of = { "incident" } },
    };
    const struct emission_node self = {
        .label = "self", .is_saved = true, .op = EMISSION_COMBINE, .of = { "self" }
    };

    (void)state;
    expect_refused(node, 4, NULL, none, "is made of itself", "");
    expect_refused(node, 4, "egg", none, "is made of itself", "");
    expect_refused(&self, 1, NULL, none, "'self' is made of itself", "");
}

static void names_that_no_table_has_are_refused_with_the_nearest(void **state)
{
    struct emission_node node[] = {
        { .label = "seen",
          .is_saved = true,
          .op = EMISSION_TRANSFORM,
          .of = { "star" },
          .transform = "DustAtenuation",
          .parameter = "tau_v" },
        { .label = "star", .op = EMISSION_EXTRACT, .of = { "incident" } },
    };

    (void)state;
    expect_refused(node, 2, NULL, none, "'seen'", "did you mean 'DustAttenuation'");
    node[0].transform = "DustAttenuation";
    node[0].parameter = "tau_w";
    expect_refused(node, 2, NULL, none, "'seen'", "did you mean 'tau_v'");
}

static const struct emission_node two_screens[] = {
    { .label = "cloud",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "disc" },
      .transform = "DustAttenuation",
      .parameter = "tau_v" },
    { .label = "disc",
      .is_saved = true,
      .op = EMISSION_TRANSFORM,
      .of = { "star" },
      .transform = "DustAttenuation",
      .parameter = "tau_v" },
    { .label = "star", .op = EMISSION_EXTRACT, .of = { "incident" } },
};

static void depths_of_two_screens_of_one_curve_add_up(void **state)
{
    const struct emission_model model = { "made", "by the test", NULL, 3, two_screens };
    struct emission_program program;

    (void)state;
    assert_int_equal(emission_compile(&model, &any_curve, tau_varies, &program, NULL), 0);
    expect_terms(&program, "cloud", "incident(|dust*dust|dust*dust)");
    assert_int_equal(program.n_screen, 2); /* cloud's, and disc's alone */
    assert_int_equal(program.screen[0].n_parameter, 2);
    assert_int_equal(program.screen[1].n_parameter, 1);
    assert_int_equal(emission_compile(&model, &any_curve, none, &program, NULL), 0);
    expect_terms(&program, "cloud", "incident(dust*dust||)");
    assert_int_equal(program.n_screen, 0);
}

static void screens_may_have_curves_of_their_own(void **state)
{
    struct emission_node node[3];
    const struct emission_model model = { "made", "by the test", NULL, 3, node };
    struct emission_program program;

    (void)state;
    memcpy(node, two_screens, sizeof(node));
    node[1].curve = "li08_smc";
    node[1].parameter = "fesc";
    expect_refused(node, 3, NULL, all_vary, "'cloud'", "two dust screens of different curves");
    /* One of them a number for the galaxy: fine. */
    assert_int_equal(emission_compile(&model, &any_curve, tau_varies, &program, NULL), 0);
    expect_terms(&program, "cloud", "incident(dust|dust|dust)");
    assert_int_equal(program.n_curve, 2);
    assert_string_equal(program.curve[1].row->name, "li08_smc");
    assert_int_equal(program.screen[0].i_curve, 0);
    assert_int_equal(program.label[0].term[0].galaxy.factor[0].i_curve, 1);
    assert_true(program.uses_job_curve);
    node[1].parameter = "tau_v"; /* one depth behind two curves is two screens */
    expect_refused(node, 3, NULL, all_vary, "'cloud'", "two dust screens of different curves");
    node[0].curve = "li08_smc"; /* once in the list */
    assert_int_equal(emission_compile(&model, &any_curve, all_vary, &program, NULL), 0);
    assert_int_equal(program.n_curve, 2);
    assert_false(program.uses_job_curve);
    node[0].curve = "li08_smb";
    expect_refused(node, 3, NULL, none, "'cloud'", "did you mean 'li08_smc'");
}

/* ---- masks ------------------------------------------------------------------------------------- */

#define YOUNG                                                                                                \
    {                                                                                                        \
        "log10ages", "<", 7                                                                                  \
    }
#define OLD                                                                                                  \
    {                                                                                                        \
        "log10ages", ">=", 7                                                                                 \
    }
#define RICH                                                                                                 \
    {                                                                                                        \
        "metallicities", ">", 0.01                                                                           \
    }

static const char *const comparison_text[] = { "<", ">=", ">", "<=", "==", "!=" };

/* "age<7&met>0.01" of the channels of a label's terms, by spaces. */
static void expect_masks(const struct emission_program *program, const char *name, const char *expected)
{
    const struct emission_label *label = label_of(program, name);
    char text[512] = "";

    for (size_t t = 0; t < label->n_term; t++) {
        const struct emission_mask *mask = &program->channel[label->term[t].i_channel].mask;

        strcat(text, t ? " " : "");
        for (size_t i = 0; i < mask->n; i++) {
            size_t n = strlen(text);

            text_format(text + n, sizeof(text) - n, "%s%s%s%g", i ? "&" : "",
                        mask->condition[i].field == FIELD_AGE_YR ? "age" : "met",
                        comparison_text[mask->condition[i].comparison], mask->condition[i].value);
        }
    }
    assert_string_equal(text, expected);
}

static void masks_are_part_of_channels(void **state)
{
    const struct emission_node node[] = {
        { .label = "sum", .is_saved = true, .op = EMISSION_COMBINE, .of = { "young", "old", "all" } },
        { .label = "seen",
          .is_saved = true,
          .op = EMISSION_TRANSFORM,
          .of = { "all" },
          .transform = "DustAttenuation",
          .parameter = "tau_v",
          .mask = { YOUNG, RICH } },
        { .label = "thrice", /* the mask of the extraction leaves nothing for the opposite of the screen's */
          .is_saved = true,
          .op = EMISSION_TRANSFORM,
          .of = { "young" },
          .transform = "DustAttenuation",
          .parameter = "tau_v",
          .mask = { YOUNG } },
        { .label = "young", .op = EMISSION_EXTRACT, .of = { "incident" }, .mask = { YOUNG } },
        { .label = "old", .op = EMISSION_EXTRACT, .of = { "incident" }, .mask = { OLD } },
        { .label = "all", .op = EMISSION_EXTRACT, .of = { "incident" } },
    };
    const struct emission_model model = { "made", "by the test", NULL, 6, node };
    struct emission_program program;

    (void)state;
    assert_int_equal(emission_compile(&model, &any_curve, none, &program, NULL), 0);
    expect_masks(&program, "sum", "age<7 age>=7 ");
    expect_masks(&program, "seen", "age>=7 age<7&met<=0.01 age<7&met>0.01");
    expect_terms(&program, "seen", "incident(||) incident(||) incident(dust||)");
    expect_masks(&program, "thrice", "age<7");
    expect_terms(&program, "thrice", "incident(dust||)");
    assert_int_equal(program.n_channel, 5);
}

static void masks_that_cannot_be_are_refused(void **state)
{
    struct emission_node node[] = {
        { .label = "sum", .is_saved = true, .op = EMISSION_COMBINE, .of = { "star" } },
        { .label = "star", .op = EMISSION_EXTRACT, .of = { "incident" }, .mask = { { "age", "<", 7 } } },
    };

    (void)state;
    expect_refused(node, 2, NULL, none, "'star'", "did you mean 'ages'");
    node[1].mask[0].attribute = "ages";
    node[1].mask[0].comparison = "=<";
    expect_refused(node, 2, NULL, none, "'star'", "'=<' does not compare");
    node[1].mask[0].comparison = "<=";
    node[0].mask[0] = node[1].mask[0];
    expect_refused(node, 2, NULL, none, "'sum'", "a combination has no mask");
}

static void too_long_a_chain_of_transforms_is_refused(void **state)
{
    enum { N = EMISSION_FACTOR_MAX + 2 };
    static const char *const name[N] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    struct emission_node node[N];

    (void)state;
    for (size_t i = 0; i + 1 < N; i++)
        node[i] = (struct emission_node) { .label = name[i],
                                           .op = EMISSION_TRANSFORM,
                                           .of = { name[i + 1] },
                                           .transform = "EscapedFraction",
                                           .parameter = "fesc" };
    node[N - 1] =
        (struct emission_node) { .label = name[N - 1], .op = EMISSION_EXTRACT, .of = { "incident" } };
    node[0].is_saved = true;
    expect_refused(node, N, NULL, none, "more than 6 transforms", "");
}

/* ---- Lyman alpha ----------------------------------------------------------------------------- */

static void expect_pixels(size_t n, const double *lambda, const char *expected)
{
    bool is_ly_alpha[16];
    char got[17] = "";

    emission_ly_alpha_pixels(n, lambda, is_ly_alpha);
    for (size_t i = 0; i < n; i++)
        got[i] = is_ly_alpha[i] ? 'X' : '.';
    assert_string_equal(got, expected);
}

static void expect_lines(size_t n, const double *lambda, size_t n_line, const double *line,
                         const char *expected)
{
    bool is_ly_alpha[16];
    char got[17] = "";

    emission_ly_alpha_lines(n, lambda, n_line, line, is_ly_alpha);
    for (size_t i = 0; i < n_line; i++)
        got[i] = is_ly_alpha[i] ? 'X' : '.';
    assert_string_equal(got, expected);
}

static void lyman_alpha_is_the_nearest_pixel_and_its_neighbours(void **state)
{
    const double mini[] = { 500, 900, 1100, 1200, 1216, 1230, 1500, 3000, 5500, 8000, 12000, 20000 };
    const double tie[] = { 1000, 1206, 1226, 1300, 1400 };
    const double left_edge[] = { 1215, 1300, 1400, 1500 }, right_edge[] = { 900, 1000, 1100, 1210 };
    const double all_red[] = { 2000, 3000, 4000 }, all_blue[] = { 100, 200, 300 };

    (void)state;
    expect_pixels(12, mini, "...XXX......");
    expect_pixels(5, tie, "XXX.."); /* of equals the first, as numpy's argmin */
    expect_pixels(4, left_edge, "XX..");
    expect_pixels(4, right_edge, "..XX");
    expect_pixels(3, all_red, "XX."); /* however far it is */
    expect_pixels(3, all_blue, ".XX");
    expect_pixels(1, mini, "X");
}

static void lines_are_lyman_alpha_right_of_its_pixels(void **state)
{
    const double mini[] = { 500, 900, 1100, 1200, 1216, 1230, 1500, 3000 };
    const double line[] = { 1215.67, 4861.32, 1199.999, 1200, 1229, 1230, 1499.999, 1500, 400, 3000 };
    const double at_end[] = { 900, 1000, 1100, 1210 },
                 end_line[] = { 1099.999, 1100, 1209, 1210, 1210.001, 1e4 };
    const double at_start[] = { 1215, 1300, 1400 }, start_line[] = { 1214.999, 1215, 1399.999, 1400 };

    (void)state;
    /* The pixel whose wavelength is the largest not above the line's is one of 1200, 1216, 1230. */
    expect_lines(8, mini, 10, line, "X..XXXX...");
    /* At the end of the grid only the last pixel itself is inside: lines beyond the grid are not scaled. */
    expect_lines(4, at_end, 6, end_line, ".XXX..");
    expect_lines(3, at_start, 4, start_line, ".XX.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_for_the_galaxy_stay_out_of_the_sums),
        cmocka_unit_test(a_screen_of_its_own_for_each_particle_is_a_channel),
        cmocka_unit_test(an_escape_fraction_for_each_particle_gives_two_channels_more),
        cmocka_unit_test(lyman_alpha_for_each_particle_splits_only_its_pixels),
        cmocka_unit_test(everything_may_differ_between_particles),
        cmocka_unit_test(presets_save_what_they_are_made_of),
        cmocka_unit_test(presets_extract_only_what_they_need),
        cmocka_unit_test(unknown_names_are_refused_with_the_nearest),
        cmocka_unit_test(a_graph_with_a_missing_node_is_refused),
        cmocka_unit_test(a_graph_with_a_cycle_is_refused),
        cmocka_unit_test(names_that_no_table_has_are_refused_with_the_nearest),
        cmocka_unit_test(depths_of_two_screens_of_one_curve_add_up),
        cmocka_unit_test(screens_may_have_curves_of_their_own),
        cmocka_unit_test(masks_are_part_of_channels),
        cmocka_unit_test(masks_that_cannot_be_are_refused),
        cmocka_unit_test(too_long_a_chain_of_transforms_is_refused),
        cmocka_unit_test(lyman_alpha_is_the_nearest_pixel_and_its_neighbours),
        cmocka_unit_test(lines_are_lyman_alpha_right_of_its_pixels),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
