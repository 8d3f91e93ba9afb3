/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/rows.h"

#include "../../src/kernels/fast/exp.h"
#include "../support.h"

enum { N_MOST = 67, N_ROW = 4 };

static double row[N_ROW][N_MOST + 1];

/* Numbers of any size, zeros and denormals among them. Rows begin off by one: not aligned. */
static void make_rows(void)
{
    uint64_t random = 1;

    for (size_t r = 0; r < N_ROW; r++)
        for (size_t j = 0; j <= N_MOST; j++) {
            double u =
                (double)((random = random * 6364136223846793005u + 1442695040888963407u) >> 11) * 0x1p-53;

            row[r][j] = j % 13 == 5 ? 0.0 : j % 13 == 7 ? u * 1e-310 : (u - 0.5) * exp(80.0 * u - 40.0);
        }
}

/* What the header says, one number after the other. */
static void expect_definition(size_t n)
{
    const double *const rows[] = { row[0] + 1, row[1] + 1, row[2] + 1, row[3] + 1 };
    static const double weight[N_ROW] = { 0.25, 0.0, 3e-7, 1.5 };
    double got[5][N_MOST + 1], lane[8] = { 0 }, dot;

    for (size_t j = 0; j <= N_MOST; j++)
        got[2][j] = got[3][j] = got[4][j] = 1e-3 * row[3][j];
    for (size_t n_row = 1; n_row <= N_ROW; n_row++) {
        rows_mix(n, n_row, weight, rows, got[0]);
        for (size_t j = 0; j < n; j++) {
            double sum = weight[0] * rows[0][j];

            for (size_t r = 1; r < n_row; r++)
                sum = fma(weight[r], rows[r][j], sum);
            assert_same_bits("mix", 1, &got[0][j], &sum);
        }
    }
    rows_exp(n, -0.7, rows[0], got[0]);
    rows_multiply(n, rows[0], rows[1], got[1]);
    rows_add(n, rows[0], got[2]);
    rows_add_product(n, 1.1, rows[0], rows[1], got[3]);
    rows_add_product3(n, 1.1, rows[0], rows[1], rows[2], got[4]);
    for (size_t j = 0; j < n; j++) {
        const double a = rows[0][j], b = rows[1][j], sum = 1e-3 * row[3][j];
        const double expected[5] = { fast_exp(-0.7 * a), a * b, sum + a, fma(1.1 * a, b, sum),
                                     fma(1.1 * a * b, rows[2][j], sum) };

        for (size_t i = 0; i < 5; i++)
            assert_same_bits("row", 1, &got[i][j], &expected[i]);
        lane[j % 8] = fma(a, b, lane[j % 8]);
    }
    for (size_t i = 2; i < 5; i++) /* what lies behind is left alone */
        assert_true(got[i][n] == 1e-3 * row[3][n]);
    dot = ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    got[0][0] = rows_dot(n, rows[0], rows[1]);
    assert_same_bits("dot", 1, &got[0][0], &dot);
}

static void all_instruction_sets_do_what_the_header_says(void **state)
{
    enum isa in_use = isa_in_use();

    (void)state;
    make_rows();
    for (int isa = 0; isa < ISA_N; isa++)
        for (size_t n = 0; isa_use((enum isa)isa) && n < N_MOST; n++)
            expect_definition(n);
    assert_true(isa_use(in_use));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_instruction_sets_do_what_the_header_says) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
