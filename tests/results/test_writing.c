/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows on their way to the file: several at once, by several threads, as float32. What the file must hold is
 * worked out here value by value.
 */
#include "session.h"

#include <float.h>
#include <signal.h>
#include <sys/resource.h>

/* Large enough for pieces that are not collected, spans that are cut and threads that share: 200 x 200
 * pixels. */
#define LARGE_FROM   "fov_arcsec: 0.8"
#define LARGE_TO     "fov_arcsec: 20"
#define FLOAT32_FROM "threads: 1\n"
#define FLOAT32_TO   "threads: 1\noutput_types: {spectra: float32, images: float32}\n"
/* More than are written at once. */
#define N_MANY 150

/* All galaxies as computed, kept. */
struct rows {
    struct pipeline_row row[MADE_N_GALAXY];
    double *value[MADE_N_GALAXY], star_tau[MADE_N_GALAXY][MADE_N_STAR],
        black_hole_tau[MADE_N_GALAXY][MADE_N_BLACK_HOLE];
};

static struct rows compute(struct session *s)
{
    struct rows rows = { 0 };
    struct error err = { "" };

    for (uint64_t i = 0; i < MADE_N_GALAXY; i++) {
        EXPECT_OK(pipeline_run(s->pipeline, i, &rows.row[i], &err), err);
        rows.value[i] = calloc(s->plan->n_value, sizeof(double));
        memcpy(rows.value[i], rows.row[i].value, s->plan->n_value * sizeof(double));
        memcpy(rows.star_tau[i], rows.row[i].star_tau, rows.row[i].n_star * sizeof(double));
        memcpy(rows.black_hole_tau[i], rows.row[i].black_hole_tau, rows.row[i].n_black_hole * sizeof(double));
    }
    return rows;
}

/* Rows point into `rows`, which therefore must not move any more. */
static struct pipeline_row row_of(struct rows *rows, uint64_t i)
{
    struct pipeline_row row = rows->row[i];

    row.value = rows->value[i];
    row.star_tau = rows->star_tau[i];
    row.black_hole_tau = rows->black_hole_tau[i];
    return row;
}

static void free_rows(struct rows *rows)
{
    for (size_t i = 0; i < MADE_N_GALAXY; i++)
        free(rows->value[i]);
}

/* ---- what the file must hold --------------------------------------------------------------------- */

static void *read_at(const struct session *s, uint64_t offset, size_t n)
{
    void *bytes = malloc(n ? n : 1);
    struct error err = { "" };

    EXPECT_OK(results_read_at(s->job->output, s->results->fd, offset, bytes, n, "a row", &err), err);
    return bytes;
}

static void expect_at(const struct session *s, uint64_t offset, const void *expected, size_t n,
                      const char *what)
{
    void *got = read_at(s, offset, n);

    if (memcmp(got, expected, n))
        fail_msg("%s is not what was written", what);
    free(got);
}

static bool is_single(const struct session *s, const struct product *product)
{
    bool is_spectrum = is_kind(product, PRODUCT_LNU) || is_kind(product, PRODUCT_FNU);
    bool is_image = is_kind(product, PRODUCT_IMAGE_LUMINOSITY) || is_kind(product, PRODUCT_IMAGE_FLUX);

    return (is_spectrum && *s->job->output_types.spectra == JOB_FLOAT32) ||
           (is_image && *s->job->output_types.images == JOB_FLOAT32);
}

/* Each dataset has the row's values, its entry their checksum. */
static void expect_row(const struct session *s, const struct pipeline_row *row, const char *how)
{
    const struct catalogue *catalogue = s->plan->catalogue;
    struct ledger_entry *entry =
        read_at(s, s->results->ledger_offset + row->row * sizeof(*entry), sizeof(*entry));
    struct hash hash;

    hash_begin(&hash);
    for (size_t i = 0; i < s->plan->n_product; i++) {
        const struct product *product = &s->plan->product[i];
        const double *value = row->value + product->offset;
        size_t size = is_single(s, product) ? sizeof(float) : sizeof(double);
        char *bytes = calloc(product->n, size), what[RESULTS_PATH_MAX + 100], path[RESULTS_PATH_MAX];

        for (size_t j = 0; j < product->n; j++) {
            float single = size == sizeof(float) ? (float)value[j] : 0.0f;

            memcpy(bytes + j * size, size == sizeof(float) ? (void *)&single : (void *)&value[j], size);
        }
        results_product_path(s->plan, product, path);
        snprintf(what, sizeof(what), "%s: '%s' row %d", how, path, (int)row->row);
        expect_at(s, s->results->column[i].offset + row->row * product->n * size, bytes, product->n * size,
                  what);
        hash_add(&hash, bytes, product->n * size);
        free(bytes);
    }
    expect_at(s, s->results->star_tau_offset + catalogue->offset[STARS][row->row] * sizeof(double),
              row->star_tau, row->n_star * sizeof(double), "stars");
    expect_at(s,
              s->results->black_hole_tau_offset + catalogue->offset[BLACK_HOLES][row->row] * sizeof(double),
              row->black_hole_tau, row->n_black_hole * sizeof(double), "black holes");
    hash_add(&hash, row->star_tau, row->n_star * sizeof(double));
    hash_add(&hash, row->black_hole_tau, row->n_black_hole * sizeof(double));
    assert_int_equal(entry->status, ROW_DONE);
    assert_true(entry->checksum == hash_value(&hash));
    free(entry);
}

/* ---- several at once ----------------------------------------------------------------------------- */

static void write_and_expect_rows(const char *from, const char *to, size_t n, const uint64_t *order)
{
    struct session s = open_session_of(from, to);
    struct rows rows = compute(&s);
    struct pipeline_row row[N_MANY];
    double seconds[N_MANY];
    int status[N_MANY];
    struct seen_ledger seen;
    struct error err = { "" };

    for (size_t i = 0; i < n; i++) {
        row[i] = row_of(&rows, order[i]);
        seconds[i] = 1.0 + (double)order[i];
        status[i] = -1;
    }
    EXPECT_OK(results_write_many(s.results, n, row, seconds, 3, status, NULL, &err), err);
    seen = see_ledger(s.job->output);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(status[i], 0);
        expect_row(&s, &row[i], to ? to : "as it is");
        assert_true(seen.entry[order[i]].seconds == seconds[i]);
        assert_true(seen.entry[order[i]].rank == 3);
    }
    free_rows(&rows);
    close_session(&s);
}

static void rows_written_together_lie_where_each_belongs(void **state)
{
    static const uint64_t order[] = { 2, 0, 3, 1 }, apart[] = { 3, 1 };

    (void)state;
    write_and_expect_rows(NULL, NULL, MADE_N_GALAXY, order);
    write_and_expect_rows(NULL, NULL, 2, apart);
    write_and_expect_rows(NULL, NULL, 0, NULL);
    write_and_expect_rows(LARGE_FROM, LARGE_TO, MADE_N_GALAXY, order);
    write_and_expect_rows(LARGE_FROM, LARGE_TO, 1, order);
    write_and_expect_rows(FLOAT32_FROM, FLOAT32_TO, MADE_N_GALAXY, order);
}

static void more_rows_than_are_written_at_once_are_written(void **state)
{
    uint64_t order[N_MANY];

    (void)state;
    for (size_t i = 0; i < N_MANY; i++) /* the last of them in the last, short round alone */
        order[i] = i + 1 < N_MANY ? i % (MADE_N_GALAXY - 1) : MADE_N_GALAXY - 1;
    write_and_expect_rows(NULL, NULL, N_MANY, order);
}

static void threads_may_write_at_the_same_time(void **state)
{
    struct session s = open_session_of(LARGE_FROM, LARGE_TO);
    struct rows rows = compute(&s);
    int n_failed = 0;

    (void)state;
    for (int turn = 0; turn < 20; turn++) {
#pragma omp parallel for schedule(dynamic) num_threads(4) reduction(+ : n_failed)
        for (uint64_t i = 0; i < MADE_N_GALAXY; i++) {
            const struct pipeline_row row = row_of(&rows, i);
            struct error err = { "" };

            n_failed += turn % 2 && i == 1
                            ? results_set_aside(s.results, i, 0, 0.0, "Reading", "a reason", &err) != 0
                            : write_one_row(s.results, &row, 0, 0.5, &err) != 0;
        }
        assert_int_equal(n_failed, 0);
    }
    for (uint64_t i = 0; i < MADE_N_GALAXY; i++)
        if (i != 1) {
            const struct pipeline_row row = row_of(&rows, i);

            expect_row(&s, &row, "threads");
        }
    assert_int_equal(see_ledger(s.job->output).counts.n_set_aside, 1);
    free_rows(&rows);
    close_session(&s);
}

static void a_row_that_is_not_finite_is_left_out_alone(void **state)
{
    static const double bad[] = { NAN, INFINITY, -INFINITY };
    const double seconds[MADE_N_GALAXY] = { 0 };

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct session s = open_session_of(LARGE_FROM, LARGE_TO);
        struct rows rows = compute(&s);
        struct pipeline_row row[MADE_N_GALAXY];
        struct error error[MADE_N_GALAXY] = { 0 }, err = { "" };
        int status[MADE_N_GALAXY];

        for (size_t i = 0; i < MADE_N_GALAXY; i++)
            row[i] = row_of(&rows, i);
        rows.value[2][s.plan->n_value - 1] = bad[k]; /* of an image */
        EXPECT_OK(results_write_many(s.results, MADE_N_GALAXY, row, seconds, 0, status, error, &err), err);
        for (uint64_t i = 0; i < MADE_N_GALAXY; i++) {
            assert_int_equal(status[i], i == 2 ? POLYPHONY_SET_ASIDE : 0);
            if (i != 2)
                expect_row(&s, &row[i], "beside one that is not finite");
        }
        EXPECT_PARTS(error[2].text, "galaxy 30", "Images/Flux/cam/emergent/cam/B", "value 39999", "sane");
        assert_int_equal(see_ledger(s.job->output).entry[2].status, ROW_LEFT);
        free_rows(&rows);
        close_session(&s);
    }
}

static void an_id_that_would_be_no_number_is_an_id(void **state)
{
    struct session s = open_session();
    struct rows rows = compute(&s);
    struct pipeline_row row = row_of(&rows, 0);
    const int64_t id = -1; /* its bits are those of a NaN */
    struct error err = { "" };

    (void)state;
    assert_true(is_kind(&s.plan->product[0], PRODUCT_ID));
    memcpy(rows.value[0] + s.plan->product[0].offset, &id, sizeof(id));
    EXPECT_OK(write_one_row(s.results, &row, 0, 0.0, &err), err);
    free_rows(&rows);
    close_session(&s);
}

static void without_room_none_of_them_is_done(void **state)
{
    struct session s = open_session();
    struct rows rows = compute(&s);
    struct pipeline_row row[MADE_N_GALAXY];
    const double seconds[MADE_N_GALAXY] = { 0 };
    struct rlimit before, little;
    struct error err = { "" };
    int status[MADE_N_GALAXY], r;

    (void)state;
    for (size_t i = 0; i < MADE_N_GALAXY; i++)
        row[i] = row_of(&rows, i);
    getrlimit(RLIMIT_FSIZE, &before);
    /* Room for all but the last bytes of the file, those of particles. */
    little = (struct rlimit) { s.results->black_hole_tau_offset + 1, before.rlim_max };
    assert_true(s.results->black_hole_tau_offset > s.results->ledger_offset);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    r = results_write_many(s.results, MADE_N_GALAXY, row, seconds, 0, status, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(r, POLYPHONY_OUTPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "continues later");
    assert_int_equal(see_ledger(s.job->output).counts.n_done, 0);
    free_rows(&rows);
    close_session(&s);
}

/* ---- float32 --------------------------------------------------------------------------------------- */

static const struct product *product_of(const struct session *s, const char *kind)
{
    for (size_t i = 0; i < s->plan->n_product; i++)
        if (is_kind(&s->plan->product[i], kind))
            return &s->plan->product[i];
    fail_msg("no product '%s'", kind);
    return NULL;
}

static void float32_holds_what_it_can_and_the_rest_is_set_aside(void **state)
{
    /* Half a unit of the last place above FLT_MAX rounds away from it. */
    const double half = 0x1p103, most = nextafter((double)FLT_MAX + half, 0.0);
    struct session s = open_session_of(FLOAT32_FROM, FLOAT32_TO);
    struct rows rows = compute(&s);
    struct pipeline_row row = row_of(&rows, 1);
    const struct product *spectrum = product_of(&s, PRODUCT_LNU),
                         *line = product_of(&s, PRODUCT_LINE_LUMINOSITY);
    double *value = rows.value[1] + spectrum->offset;
    struct error err = { "" };

    (void)state;
    assert_true((float)most == FLT_MAX);
    assert_true(isinf((float)((double)FLT_MAX + half)));
    value[0] = most;
    value[1] = -most;
    value[2] = 1e-60;                    /* becomes 0 */
    value[3] = 1.0 + 0x1p-24;            /* a tie: to even */
    value[4] = 0x1.8p-149;               /* a tie of denormals */
    rows.value[1][line->offset] = 1e300; /* written as float64 */
    EXPECT_OK(write_one_row(s.results, &row, 0, 0.0, &err), err);
    expect_row(&s, &row, "float32");
    for (int sign = -1; sign <= 1; sign += 2) {
        value[5] = sign * ((double)FLT_MAX + half);
        assert_int_equal(write_one_row(s.results, &row, 0, 0.0, &err), POLYPHONY_SET_ASIDE);
        EXPECT_PARTS(err.text, "galaxy 10", "SpectralLuminosityDensities/intrinsic", "value 5",
                     sign < 0 ? "-3.40282e+38" : " 3.40282e+38", "float32 holds up to 3.40282e+38",
                     "output_types");
    }
    free_rows(&rows);
    close_session(&s);
}

static int count_fault(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    (void)row, (void)id, (void)fault, (void)err;
    ++*(int *)context;
    return 0;
}

static int count_faults(const struct session *s, uint64_t *ret_n_byte)
{
    int n_fault = 0;
    const struct verify verify = { .fault = count_fault, .context = &n_fault };
    struct verify_counts counts;
    struct error err = { "" };

    EXPECT_OK(results_verify(s->job->output, &verify, &counts, &err), err);
    *ret_n_byte = counts.n_byte;
    return n_fault;
}

static void float32_is_verified_and_takes_half(void **state)
{
    struct session s = open_session_of(FLOAT32_FROM, FLOAT32_TO);
    struct rows rows = compute(&s);
    const struct product *product = product_of(&s, PRODUCT_IMAGE_FLUX);
    size_t i_product = (size_t)(product - s.plan->product);
    uint64_t n_byte, expected = 0, byte = s.results->column[i_product].offset + 4 * product->n - 1;
    struct error err = { "" };
    char c;

    (void)state;
    for (uint64_t i = 0; i < MADE_N_GALAXY; i++) {
        const struct pipeline_row row = row_of(&rows, i);

        if (i != 2)
            EXPECT_OK(write_one_row(s.results, &row, 0, 0.0, &err), err);
    }
    EXPECT_OK(results_set_aside(s.results, 2, 0, 0.0, "Reading", "a reason", &err), err);
    assert_int_equal(count_faults(&s, &n_byte), 0);
    for (size_t i = 0; i < s.plan->n_product; i++)
        expected += s.plan->product[i].n * (is_single(&s, &s.plan->product[i]) ? 4 : 8);
    assert_int_equal(results_row_bytes(s.plan), expected);
    assert_int_equal(n_byte, MADE_N_GALAXY * expected + (MADE_N_STAR + MADE_N_BLACK_HOLE) * sizeof(double));
    assert_int_equal(pread(s.results->fd, &c, 1, (off_t)byte), 1); /* the last byte of row 0 */
    c ^= 1;
    assert_int_equal(pwrite(s.results->fd, &c, 1, (off_t)byte), 1);
    assert_int_equal(count_faults(&s, &n_byte), 1);
    c ^= 1;
    assert_int_equal(pwrite(s.results->fd, &c, 1, (off_t)byte), 1);
    assert_int_equal(pwrite(s.results->fd, &(float) { 0 }, 4, (off_t)(byte + 1 + 8 * product->n - 4)), 4);
    assert_int_equal(count_faults(&s, &n_byte), 1); /* a value of the row that is set aside */
    free_rows(&rows);
    close_session(&s);
}

static void a_type_is_that_of_the_choice(void **state)
{
    static const char *const to[] = { "threads: 1\noutput_types: {spectra: float32}\n",
                                      "threads: 1\noutput_types: {images: float32}\n" };

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct session s = open_session_of(FLOAT32_FROM, to[k]);
        struct io_file *file = NULL;
        struct error err = { "" };

        EXPECT_OK(io_file_open(s.job->output, &file, &err), err);
        for (size_t i = 0; i < s.plan->n_product; i++) {
            char path[RESULTS_PATH_MAX];
            struct io_info info;
            bool is_wanted = is_kind(&s.plan->product[i], k ? PRODUCT_IMAGE_FLUX : PRODUCT_LNU);

            results_product_path(s.plan, &s.plan->product[i], path);
            EXPECT_OK(io_dataset_info(file, path, &info, &err), err);
            assert_int_equal(info.type_bytes, is_wanted ? 4 : 8);
        }
        io_file_close(file);
        close_session(&s);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_written_together_lie_where_each_belongs),
        cmocka_unit_test(more_rows_than_are_written_at_once_are_written),
        cmocka_unit_test(threads_may_write_at_the_same_time),
        cmocka_unit_test(a_row_that_is_not_finite_is_left_out_alone),
        cmocka_unit_test(an_id_that_would_be_no_number_is_an_id),
        cmocka_unit_test(without_room_none_of_them_is_done),
        cmocka_unit_test(float32_holds_what_it_can_and_the_rest_is_set_aside),
        cmocka_unit_test(float32_is_verified_and_takes_half),
        cmocka_unit_test(a_type_is_that_of_the_choice),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
