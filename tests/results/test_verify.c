/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Verifying: what was written is accepted, and one bit of it changed is found, in whichever dataset it lies.
 */
#include "session.h"

#include <fcntl.h>

struct found {
    enum row_fault fault[MADE_N_GALAXY];
    int64_t id[MADE_N_GALAXY];
    uint64_t n_seen, n_row;
    struct verify_counts counts;
};

static int keep_fault(void *context, uint64_t row, int64_t id, enum row_fault fault, struct error *err)
{
    struct found *found = context;

    (void)err;
    assert_true(row < MADE_N_GALAXY);
    assert_true(!found->fault[row]); /* once */
    found->fault[row] = fault;
    found->id[row] = id;
    return 0;
}

static int keep_progress(void *context, uint64_t n_row_seen, uint64_t n_row, struct error *err)
{
    struct found *found = context;

    (void)err;
    found->n_seen = n_row_seen;
    found->n_row = n_row;
    return 0;
}

static struct found verify(const struct session *s)
{
    struct found found = { 0 };
    const struct verify settings = { .fault = keep_fault, .progress = keep_progress, .context = &found };
    struct error err = { "" };

    EXPECT_OK(results_verify(s->job->output, &settings, &found.counts, &err), err);
    return found;
}

static void expect_only_fault(const struct session *s, uint64_t row, enum row_fault fault, const char *where)
{
    struct found found = verify(s);

    for (uint64_t i = 0; i < MADE_N_GALAXY; i++)
        if (found.fault[i] != (i == row ? fault : 0))
            fail_msg("%s: row %d has fault %d, expected %d", where, (int)i, (int)found.fault[i],
                     (int)(i == row ? fault : 0));
    assert_int_equal(found.counts.n_fault, fault ? 1 : 0);
}

/* Galaxies 0 and 2 done, 1 set aside, 3 left. */
static struct session open_mixed(void)
{
    struct session s = open_session();
    struct error err = { "" };

    for (uint64_t row = 0; row <= 2; row += 2) {
        struct pipeline_row out = { 0 };

        EXPECT_OK(pipeline_run(s.pipeline, row, &out, &err), err);
        EXPECT_OK(write_one_row(s.results, &out, 1, 0.25, &err), err);
    }
    EXPECT_OK(results_set_aside(s.results, 1, 1, 0.0, "Reading", "a reason", &err), err);
    return s;
}

static uint64_t offset_of(const struct session *s, const char *path)
{
    struct io_file *file = NULL;
    struct error err = { "" };
    uint64_t offset = 0;

    EXPECT_OK(io_file_open(s->job->output, &file, &err), err);
    EXPECT_OK(io_dataset_offset(file, path, &offset, &err), err);
    io_file_close(file);
    return offset;
}

static void flip_bit(const struct session *s, uint64_t byte, int bit)
{
    int fd = open(s->job->output, O_RDWR);
    unsigned char c;

    assert_int_equal(pread(fd, &c, 1, (off_t)byte), 1);
    c ^= (unsigned char)(1 << bit);
    assert_int_equal(pwrite(fd, &c, 1, (off_t)byte), 1);
    close(fd);
}

static void what_was_written_is_accepted(void **state)
{
    struct session s = open_mixed();
    struct found found = verify(&s);

    (void)state;
    expect_only_fault(&s, 0, 0, "untouched");
    assert_int_equal(found.counts.ledger.n_galaxy, MADE_N_GALAXY);
    assert_int_equal(found.counts.ledger.n_done, 2);
    assert_int_equal(found.counts.ledger.n_set_aside, 1);
    assert_true(found.n_seen == MADE_N_GALAXY);
    assert_true(found.n_row == MADE_N_GALAXY);
    /* Each value of rows 0 to 2 once, and their particles: 3 + 4 + 2 stars, 1 + 0 + 2 black holes. */
    assert_int_equal(found.counts.n_byte, (3 * s.plan->n_value + 9 + 3) * sizeof(double));
    close_session(&s);
}

static void one_bit_anywhere_in_a_row_is_found(void **state)
{
    struct session s = open_mixed();

    (void)state;
    for (size_t i = 0; i < s.plan->n_product; i++) {
        const struct product *product = &s.plan->product[i];
        char path[RESULTS_PATH_MAX];
        uint64_t row_bytes = product->n * sizeof(double), begin;

        results_product_path(s.plan, product, path);
        begin = offset_of(&s, path) + 2 * row_bytes;
        for (size_t k = 0; k < 2; k++) { /* the row's first byte, and its last */
            uint64_t byte = begin + (k ? row_bytes - 1 : 0);

            flip_bit(&s, byte, k ? 7 : 0);
            expect_only_fault(&s, 2, FAULT_DIFFERS, path);
            flip_bit(&s, byte, k ? 7 : 0);
        }
    }
    expect_only_fault(&s, 0, 0, "all put back");
    close_session(&s);
}

static void one_bit_of_a_particle_is_found_in_its_galaxy(void **state)
{
    struct session s = open_mixed();
    uint64_t star = offset_of(&s, STAR_TAU_PATH), hole = offset_of(&s, BLACK_HOLE_TAU_PATH);

    (void)state;
    flip_bit(&s, star + 2 * sizeof(double), 3); /* the last star of row 0 */
    expect_only_fault(&s, 0, FAULT_DIFFERS, "a star");
    flip_bit(&s, star + 2 * sizeof(double), 3);
    flip_bit(&s, hole + 1 * sizeof(double), 3); /* the first black hole of row 2 */
    expect_only_fault(&s, 2, FAULT_DIFFERS, "a black hole");
    flip_bit(&s, hole + 1 * sizeof(double), 3);
    flip_bit(&s, star + 9 * sizeof(double), 3); /* of row 3, which is left */
    expect_only_fault(&s, 0, 0, "a star of nobody yet");
    close_session(&s);
}

static void a_galaxy_set_aside_must_be_nan(void **state)
{
    struct session s = open_mixed();
    const struct product *product = NULL;
    uint64_t star = offset_of(&s, STAR_TAU_PATH), byte;
    const double zero = 0.0;
    char path[RESULTS_PATH_MAX];
    int fd = open(s.job->output, O_RDWR);

    (void)state;
    for (size_t i = 0; i < s.plan->n_product; i++)
        if (is_kind(&s.plan->product[i], PRODUCT_LNU))
            product = &s.plan->product[i];
    results_product_path(s.plan, product, path);
    byte = offset_of(&s, path) + (2 * product->n - 1) * sizeof(double); /* the last value of row 1 */
    assert_int_equal(pwrite(fd, &zero, sizeof(zero), (off_t)byte), sizeof(zero));
    expect_only_fault(&s, 1, FAULT_NOT_NAN, path);
    close_session(&s);
    s = open_mixed();
    close(fd);
    fd = open(s.job->output, O_RDWR);
    assert_int_equal(pwrite(fd, &zero, sizeof(zero), (off_t)(star + 6 * sizeof(double))), sizeof(zero));
    expect_only_fault(&s, 1, FAULT_NOT_NAN, "its last star");
    close(fd);
    close_session(&s);
}

static void entries_of_the_ledger_are_looked_at_too(void **state)
{
    struct session s = open_mixed();
    uint64_t ledger = offset_of(&s, LEDGER_PATH);
    uint64_t checksum = offsetof(struct ledger_entry, checksum);

    (void)state;
    flip_bit(&s, ledger + checksum, 5);
    expect_only_fault(&s, 0, FAULT_DIFFERS, "the checksum itself");
    flip_bit(&s, ledger + checksum, 5);
    flip_bit(&s, ledger + 3 * sizeof(struct ledger_entry) + checksum, 0);
    expect_only_fault(&s, 3, FAULT_CHECKSUM, "the checksum of a row that is left");
    flip_bit(&s, ledger + 3 * sizeof(struct ledger_entry) + checksum, 0);
    flip_bit(&s, ledger + 2 * sizeof(struct ledger_entry), 6); /* status 1 -> 65 */
    expect_only_fault(&s, 2, FAULT_ENTRY, "a status that no run writes");
    flip_bit(&s, ledger + 2 * sizeof(struct ledger_entry), 6);
    flip_bit(&s, ledger + 3 * sizeof(struct ledger_entry), 0); /* left -> done: its zeros have no checksum */
    expect_only_fault(&s, 3, FAULT_ENTRY, "done without a checksum");
    close_session(&s);
}

static void impossible_numbers_of_particles_are_a_fault_and_no_crash(void **state)
{
    struct session s = open_mixed();
    uint64_t n_star = offset_of(&s, N_STAR_PATH);

    (void)state;
    for (int byte = 0; byte < 8; byte++) { /* 3 stars; 3 + 2^62 stars, -2^63 and so on */
        flip_bit(&s, n_star + (uint64_t)byte, byte == 7 ? 7 : 6);
        expect_only_fault(&s, 0, FAULT_DIFFERS, "number of stars");
        flip_bit(&s, n_star + (uint64_t)byte, byte == 7 ? 7 : 6);
    }
    close_session(&s);
}

static void truncated_and_foreign_files_are_named(void **state)
{
    struct session s = open_mixed();
    const struct verify quiet = { 0 };
    struct verify_counts counts;
    struct error err = { "" };
    struct stat st;

    (void)state;
    assert_int_equal(results_verify(temp_path("grid.hdf5"), &quiet, &counts, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "grid.hdf5", "not a results file");
    assert_int_equal(stat(s.job->output, &st), 0);
    assert_int_equal(truncate(s.job->output, st.st_size / 2), 0);
    assert_int_equal(results_verify(s.job->output, &quiet, &counts, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "results.hdf5", "truncated");
    close_session(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_accepted),
        cmocka_unit_test(one_bit_anywhere_in_a_row_is_found),
        cmocka_unit_test(one_bit_of_a_particle_is_found_in_its_galaxy),
        cmocka_unit_test(a_galaxy_set_aside_must_be_nan),
        cmocka_unit_test(entries_of_the_ledger_are_looked_at_too),
        cmocka_unit_test(impossible_numbers_of_particles_are_a_fault_and_no_crash),
        cmocka_unit_test(truncated_and_foreign_files_are_named),
    };
    int n_failed;

    MPI_Init(&argc, &argv);
    n_failed = cmocka_run_group_tests(tests, write_inputs, NULL);
    MPI_Finalize();
    return n_failed;
}
