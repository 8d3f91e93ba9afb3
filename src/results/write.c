/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows on their way to the file.
 *
 * Rows that are computed together are written together, dataset by dataset in order of rows: where they are
 * neighbours in the file, many small pieces become one request. Pieces are collected in a basket of 128 kB,
 * which also is where float64 becomes float32; a piece that is large is written from where it lies. (Measured
 * on ext4: rows of 120 datasets x 100 bytes take 52 us one by one, 10 us with pwritev(), 8 us so. Pages of
 * mmap() cost more than pwrite() from 100 bytes on, twice as much for spectra and images; two threads on one
 * file gain nothing; starting the write-back early costs what the last fsync() then saves. Looking at,
 * hashing and writing a large row piece by piece, so that it comes from memory once, takes longer with two
 * threads.)
 *
 * Nothing here is shared between calls, but for the list of rows that are not on disk yet (sync.c): any
 * number of threads may write, each its own rows.
 */
#include "results_private.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define BASKET_BYTES (1 << 17)
#define DIRECT_BYTES (1 << 15) /* a piece this large is not copied into the basket */
#define N_TOGETHER   64        /* rows at once */
#define N_CONVERT    2048      /* values converted at once for the checksum */
#define SHARED_BYTES (1 << 20) /* less than this is not worth waking threads for */

/* ---- the basket ---------------------------------------------------------------------------------- */

struct basket {
    struct results *results;
    struct error *err;
    int r;           /* of the first request that failed; then nothing more is written */
    uint64_t offset; /* in the file, of the first byte */
    size_t n;
    _Alignas(64) char bytes[BASKET_BYTES];
};

static void basket_init(struct basket *basket, struct results *results, struct error *err)
{
    basket->results = results;
    basket->err = err;
    basket->r = 0;
    basket->offset = 0;
    basket->n = 0;
}

static void basket_write(struct basket *basket, uint64_t offset, const void *bytes, size_t n)
{
    if (!basket->r)
        basket->r = results_write_at(basket->results, offset, bytes, n, basket->err);
}

static int basket_empty(struct basket *basket)
{
    if (basket->n)
        basket_write(basket, basket->offset, basket->bytes, basket->n);
    basket->n = 0;
    return basket->r;
}

static void basket_add(struct basket *basket, uint64_t offset, const void *bytes, size_t n)
{
    const char *left = bytes;

    if (n >= DIRECT_BYTES || offset != basket->offset + basket->n)
        basket_empty(basket);
    if (n >= DIRECT_BYTES) {
        basket_write(basket, offset, bytes, n);
        return;
    }
    while (n > 0) {
        size_t n_free = BASKET_BYTES - basket->n, n_now = n < n_free ? n : n_free;

        if (basket->n == 0)
            basket->offset = offset;
        memcpy(basket->bytes + basket->n, left, n_now);
        basket->n += n_now;
        left += n_now;
        offset += n_now;
        n -= n_now;
        if (basket->n == BASKET_BYTES)
            basket_empty(basket);
    }
}

/* To nearest, ties to even; what is too small becomes 0. */
static void to_single(size_t n, const double *value, float *ret_single)
{
    for (size_t i = 0; i < n; i++)
        ret_single[i] = (float)value[i];
}

static void basket_add_single(struct basket *basket, uint64_t offset, const double *value, size_t n)
{
    float single[N_CONVERT];

    for (size_t begin = 0; begin < n; begin += N_CONVERT) {
        size_t n_now = n - begin < N_CONVERT ? n - begin : N_CONVERT;

        to_single(n_now, value + begin, single);
        basket_add(basket, offset + begin * sizeof(*single), single, n_now * sizeof(*single));
    }
}

/* ---- is it fit to be written? ------------------------------------------------------------------- */

/* The largest double that float32 rounds to a number: below half a unit of its last place above its largest. */
#define SINGLE_BOUND 0x1.fffffefffffffp127

static bool is_within(size_t n, const double *value, double bound)
{
    int n_outside = 0;

#pragma omp simd reduction(+ : n_outside)
    for (size_t i = 0; i < n; i++)
        n_outside += !(fabs(value[i]) <= bound); /* NaN is outside */
    return n_outside == 0;
}

void results_find_spans(struct results *results)
{
    const struct plan *plan = results->plan;

    results->span = mem_small(plan->n_value / RESULTS_SPAN_MAX + plan->n_product, sizeof(*results->span));
    for (size_t i = 0; i < plan->n_product; i++) {
        const struct product *product = &plan->product[i];

        results->column[i].bound = results->column[i].is_single ? SINGLE_BOUND : DBL_MAX;
        for (size_t begin = 0; begin < product->n && !product->is_integer; begin += RESULTS_SPAN_MAX) {
            size_t rest = product->n - begin;

            results->span[results->n_span++] =
                (struct results_span) { .begin = product->offset + begin,
                                        .n = rest < RESULTS_SPAN_MAX ? rest : RESULTS_SPAN_MAX,
                                        .bound = results->column[i].bound };
        }
    }
}

/* Inputs within their bounds can still overflow (a star of 1e300 Msun): what is not a number is not a result. */
static int report_outside(const struct results *results, const struct pipeline_row *row, size_t i_product,
                          size_t i_value, struct error *err)
{
    const struct product *product = &results->plan->product[i_product];
    long long id = (long long)results->plan->catalogue->id[row->row];
    double value = row->value[product->offset + i_value];
    char path[RESULTS_PATH_MAX];

    results_product_path(results->plan, product, path);
    if (isfinite(value))
        return error_set(
            err, POLYPHONY_SET_ASIDE,
            "galaxy %lld: '%s' value %zu is %.6g, float32 holds up to %.6g: choose float64 in output_types",
            id, path, i_value, value, (double)FLT_MAX);
    return error_set(err, POLYPHONY_SET_ASIDE,
                     "galaxy %lld: '%s' value %zu would be %g: are its inputs sane?", id, path, i_value,
                     value);
}

/* The first value that is not fit. */
static void find_outside(const struct results *results, const struct pipeline_row *row, struct error *err)
{
    const struct plan *plan = results->plan;

    for (size_t i = 0; i < plan->n_product; i++)
        for (size_t j = 0; j < plan->product[i].n && !plan->product[i].is_integer; j++)
            if (!is_within(1, row->value + plan->product[i].offset + j, results->column[i].bound)) {
                report_outside(results, row, i, j, err);
                return;
            }
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* XXH3 of the bytes as they will be in the file, so that the file alone can be verified. */
static uint64_t row_checksum(const struct results *results, const struct pipeline_row *row)
{
    const struct plan *plan = results->plan;
    struct hash hash;
    float single[N_CONVERT];
    size_t n_hashed = 0;

    hash_begin(&hash);
    for (size_t i = 0; i < plan->n_product; i++) {
        const double *value = row->value + plan->product[i].offset;

        if (!results->column[i].is_single)
            continue;
        hash_add(&hash, row->value + n_hashed, (plan->product[i].offset - n_hashed) * sizeof(double));
        n_hashed = plan->product[i].offset + plan->product[i].n;
        for (size_t begin = 0; begin < plan->product[i].n; begin += N_CONVERT) {
            size_t rest = plan->product[i].n - begin, n = rest < N_CONVERT ? rest : N_CONVERT;

            to_single(n, value + begin, single);
            hash_add(&hash, single, n * sizeof(*single));
        }
    }
    hash_add(&hash, row->value + n_hashed, (plan->n_value - n_hashed) * sizeof(double));
    if (row->n_star)
        hash_add(&hash, row->star_tau, row->n_star * sizeof(double));
    if (row->n_black_hole)
        hash_add(&hash, row->black_hole_tau, row->n_black_hole * sizeof(double));
    return hash_value(&hash);
}

/* Rows that go to the file together, in its order. */
struct together {
    size_t n;
    const struct pipeline_row *row[N_TOGETHER];
    double seconds[N_TOGETHER];
    uint64_t checksum[N_TOGETHER];
};

static void together_add(struct together *together, const struct pipeline_row *row, double seconds)
{
    size_t i = together->n++;

    for (; i > 0 && together->row[i - 1]->row > row->row; i--) {
        together->row[i] = together->row[i - 1];
        together->seconds[i] = together->seconds[i - 1];
    }
    together->row[i] = row;
    together->seconds[i] = seconds;
}

static int write_values(struct results *results, const struct together *together, struct error *err)
{
    const struct plan *plan = results->plan;
    struct basket basket;

    basket_init(&basket, results, err);
    for (size_t p = 0; p < plan->n_product; p++) {
        const struct product *product = &plan->product[p];
        const struct results_column *column = &results->column[p];

        for (size_t i = 0; i < together->n; i++) {
            const double *value = together->row[i]->value + product->offset;
            uint64_t offset = column->offset + together->row[i]->row * column->row_bytes;

            if (column->is_single)
                basket_add_single(&basket, offset, value, product->n);
            else
                basket_add(&basket, offset, value, column->row_bytes);
        }
    }
    for (size_t i = 0; i < together->n; i++)
        basket_add(&basket,
                   results->star_tau_offset +
                       plan->catalogue->offset[STARS][together->row[i]->row] * sizeof(double),
                   together->row[i]->star_tau, together->row[i]->n_star * sizeof(double));
    for (size_t i = 0; i < together->n; i++)
        basket_add(&basket,
                   results->black_hole_tau_offset +
                       plan->catalogue->offset[BLACK_HOLES][together->row[i]->row] * sizeof(double),
                   together->row[i]->black_hole_tau, together->row[i]->n_black_hole * sizeof(double));
    return basket_empty(&basket);
}

static int32_t rounded_of(const struct pipeline_row *row)
{
    return row->n_rounded < INT32_MAX ? (int32_t)row->n_rounded : INT32_MAX;
}

static int write_entries(struct results *results, const struct together *together, int rank,
                         struct error *err)
{
    struct basket basket;

    basket_init(&basket, results, err);
    for (size_t i = 0; i < together->n; i++) {
        const struct ledger_entry entry = { .status = ROW_DONE,
                                            .rank = rank,
                                            .checksum = together->checksum[i],
                                            .seconds = together->seconds[i],
                                            .n_rounded = rounded_of(together->row[i]) };

        basket_add(&basket, results->ledger_offset + together->row[i]->row * sizeof(entry), &entry,
                   sizeof(entry));
    }
    return basket_empty(&basket);
}

/* Up to N_TOGETHER rows. One thread writes while the others hash: neither waits for the other. */
static int write_together(struct results *results, size_t n, const struct pipeline_row *rows,
                          const double *seconds, int rank, int *ret_status, struct error *ret_error,
                          struct error *err)
{
    bool is_shared = n * results->plan->n_value * sizeof(double) >= SHARED_BYTES;
    struct together together = { 0 };
    int r = 0;

    for (size_t i = 0; i < n; i++)
        ret_status[i] = 0;
#pragma omp parallel for collapse(2) schedule(static) if (is_shared)
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s < results->n_span; s++) {
            const struct results_span *span = &results->span[s];

            if (!is_within(span->n, rows[i].value + span->begin, span->bound)) {
#pragma omp atomic write
                ret_status[i] = POLYPHONY_SET_ASIDE;
            }
        }
    for (size_t i = 0; i < n; i++)
        if (ret_status[i])
            find_outside(results, &rows[i], ret_error ? &ret_error[i] : NULL);
        else
            together_add(&together, &rows[i], seconds[i]);
#pragma omp parallel if (is_shared)
    {
#pragma omp single nowait
        r = write_values(results, &together, err);
#pragma omp for schedule(dynamic) nowait
        for (size_t i = 0; i < together.n; i++)
            together.checksum[i] = row_checksum(results, together.row[i]);
    }
    if (!r)
        r = write_entries(results, &together, rank, err);
    for (size_t i = 0; !r && i < together.n; i++)
        r = results_note_row(results, together.row[i]->row, err);
    return r;
}

int results_write_many(struct results *results, size_t n, const struct pipeline_row *rows,
                       const double *seconds, int rank, int *ret_status, struct error *ret_error,
                       struct error *err)
{
    int r = 0;

    for (size_t i = 0; !r && i < n; i += N_TOGETHER)
        r = write_together(results, n - i < N_TOGETHER ? n - i : N_TOGETHER, rows + i, seconds + i, rank,
                           ret_status + i, ret_error ? ret_error + i : NULL, err);
    return r;
}

/* ---- rows that are set aside ------------------------------------------------------------------------ */

static void add_nan(struct basket *basket, uint64_t offset, uint64_t n, bool is_single)
{
    double nan_value[N_CONVERT / 8];
    const size_t n_most = sizeof(nan_value) / sizeof(*nan_value);

    for (size_t i = 0; i < n_most; i++)
        nan_value[i] = (double)NAN;
    for (uint64_t begin = 0; begin < n; begin += n_most) {
        size_t n_now = n - begin < n_most ? (size_t)(n - begin) : n_most;

        if (is_single)
            basket_add_single(basket, offset + begin * sizeof(float), nan_value, n_now);
        else
            basket_add(basket, offset + begin * sizeof(double), nan_value, n_now * sizeof(double));
    }
}

int results_write_nan_row(struct results *results, uint64_t row, struct error *err)
{
    const struct plan *plan = results->plan;
    const struct catalogue *catalogue = plan->catalogue;
    struct basket basket;

    basket_init(&basket, results, err);
    for (size_t i = 0; i < plan->n_product; i++) {
        const struct product *product = &plan->product[i];
        uint64_t offset = results->column[i].offset + row * results->column[i].row_bytes;

        if (product->kind->known) {
            double value;

            product->kind->known(plan, row, &value);
            basket_add(&basket, offset, &value, sizeof(value));
        } else
            add_nan(&basket, offset, product->n, results->column[i].is_single);
    }
    if (results->star_tau_offset)
        add_nan(&basket, results->star_tau_offset + catalogue->offset[STARS][row] * sizeof(double),
                catalogue->n_particle[STARS][row], false);
    if (results->black_hole_tau_offset)
        add_nan(&basket,
                results->black_hole_tau_offset + catalogue->offset[BLACK_HOLES][row] * sizeof(double),
                catalogue->n_particle[BLACK_HOLES][row], false);
    return basket_empty(&basket);
}

/* ---- bytes ------------------------------------------------------------------------------------------ */
