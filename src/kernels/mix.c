/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/mix.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "fast/mix.h"
#include "mix_ref.h"

/* Columns summed together for one galaxy: 4 KiB, so that the sums stay in the first-level cache while rows
 * stream by. */
#define MIX_TILE 512

/* ---- one galaxy: its rows stream by ---------------------------------------------------------- */

/* -0.0 becomes 0.0. */
static void clear_signs_of_zeros(size_t n, double *sum)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        sum[j] += 0.0;
}

static void mix_one(const struct mix_fast *fast, const struct mix_cells *cells, size_t n_column,
                    const double *value, double *ret_sum)
{
    size_t n_tile = (n_column + MIX_TILE - 1) / MIX_TILE;

#pragma omp parallel for schedule(static) default(none) shared(fast, cells, n_column, value, ret_sum, n_tile)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t first = i_tile * MIX_TILE, n_row = 0;
        size_t n = n_column - first < MIX_TILE ? n_column - first : MIX_TILE;
        double *sum = ret_sum + first, factor[4];
        const double *row[4];

        memset(sum, 0, n * sizeof(*sum));
        for (size_t i = 0; i < cells->n; i++) {
            if (cells->mass[i] == 0.0)
                continue;
            row[n_row] = value + (cells->cell ? cells->cell[i] : i) * n_column + first;
            factor[n_row++] = cells->mass[i];
            if (n_row == 4)
                fast->add_rows(n, factor, row, sum);
            n_row %= 4;
        }
        for (size_t i = 0; i < n_row; i++)
            fast->add_row(n, factor[i], row[i], sum);
        clear_signs_of_zeros(n, sum);
    }
}

void mix_plain(const struct mix_cells *cells, size_t n_column, const double *value, double *ret_sum)
{
    mix_one(FAST_TABLE(mix_fast), cells, n_column, value, ret_sum);
}

/* ---- many galaxies: blocks stay in cache ------------------------------------------------------ */

/*
 * Where most cells are occupied, those that any galaxy of the batch occupies are cut into blocks of
 * MIX_CELLS, galaxies into groups of MIX_GALAXIES. A group has its own list of the cells that any of its
 * galaxies occupies. Where few are, each galaxy has its own cells, and all rows of the table are cut into
 * blocks of MIX_FEW.
 */
struct mix_plan {
    size_t n_galaxy, n_group, n_cell, n_block, n_entry;
    uint32_t *cell;               /* [n_cell] of the batch, ascending */
    size_t *first;                /* [n_group][n_block + 1] entries */
    uint16_t *row;                /* [entry] cell within its block */
    double (*mass)[MIX_GALAXIES]; /* [entry] */
    bool is_sparse, is_crowded;
    size_t n_few;    /* blocks of MIX_FEW rows */
    size_t *of_few;  /* [n_few + 1] where they begin in cell */
    size_t *of_each; /* [n_galaxy][n_few + 1] and in each galaxy's own cells */
};

/* Of a thread: 96 KiB of values, and runs of 768 bytes to read. */
union mix_own {
    double panel[MIX_PANELS][MIX_CELLS][MIX_COLUMNS];
    double few[MIX_FEW][MIX_WIDTH];
};

/* Rows that a table must have. */
static size_t count_rows(size_t n_galaxy, const struct mix_cells *galaxy)
{
    size_t n = 0;

    for (size_t g = 0; g < n_galaxy; g++) {
        size_t own = !galaxy[g].n ? 0 : galaxy[g].cell ? galaxy[g].cell[galaxy[g].n - 1] + 1 : galaxy[g].n;

        n = own > n ? own : n;
    }
    return n;
}

/* Marks the cells with mass of some galaxies. */
static void mark_cells(size_t n_galaxy, const struct mix_cells *galaxy, uint32_t *mark)
{
    for (size_t g = 0; g < n_galaxy; g++)
        for (size_t i = 0; i < galaxy[g].n; i++)
            mark[galaxy[g].cell ? galaxy[g].cell[i] : i] |= galaxy[g].mass[i] != 0.0;
}

/* The group's entries from `n` on, n_row of scratch; returns their end. */
static size_t plan_group(struct mix_plan *plan, size_t i_group, const struct mix_cells *galaxy, size_t n,
                         size_t n_row, uint32_t *entry)
{
    size_t first_g = i_group * MIX_GALAXIES, left = plan->n_galaxy - first_g;
    size_t n_g = left < MIX_GALAXIES ? left : MIX_GALAXIES;
    size_t *first = plan->first + i_group * (plan->n_block + 1);

    memset(entry, 0, n_row * sizeof(*entry));
    mark_cells(n_g, galaxy + first_g, entry);
    for (size_t c = 0; c < plan->n_cell; c++) {
        if (c % MIX_CELLS == 0)
            first[c / MIX_CELLS] = n;
        if (!entry[plan->cell[c]])
            continue;
        entry[plan->cell[c]] = (uint32_t)n;
        memset(plan->mass[n], 0, sizeof(plan->mass[n]));
        plan->row[n++] = (uint16_t)(c % MIX_CELLS);
    }
    first[plan->n_block] = n;
    for (size_t g = 0; g < n_g; g++) {
        const struct mix_cells *own = &galaxy[first_g + g];

        for (size_t i = 0; i < own->n; i++)
            if (own->mass[i] != 0.0)
                plan->mass[entry[own->cell ? own->cell[i] : i]][g] = own->mass[i];
    }
    return n;
}

static void judge_sparsity(struct mix_plan *plan, const struct mix_cells *galaxy);
static int plan_sparse(struct mix_plan *plan, const struct mix_cells *galaxy, size_t n_row,
                       struct arena *arena);

static int plan_batch(size_t n_galaxy, const struct mix_cells *galaxy, struct mix_plan *ret_plan,
                      struct arena *arena)
{
    size_t n_row = count_rows(n_galaxy, galaxy);
    struct mix_plan plan = { .n_galaxy = n_galaxy, .n_group = (n_galaxy + MIX_GALAXIES - 1) / MIX_GALAXIES };
    uint32_t *mark = arena_zeros(arena, n_row, sizeof(*mark));

    plan.cell = arena_array(arena, n_row, sizeof(*plan.cell));
    if (!mark || !plan.cell)
        return -1;
    mark_cells(n_galaxy, galaxy, mark);
    for (size_t c = 0; c < n_row; c++)
        if (mark[c])
            plan.cell[plan.n_cell++] = (uint32_t)c;
    plan.n_block = (plan.n_cell + MIX_CELLS - 1) / MIX_CELLS;
    plan.first = arena_array(arena, plan.n_group * (plan.n_block + 1), sizeof(*plan.first));
    plan.row = arena_array(arena, plan.n_group * plan.n_cell, sizeof(*plan.row));
    plan.mass = arena_array(arena, plan.n_group * plan.n_cell, sizeof(*plan.mass));
    if (!plan.first || !plan.row || !plan.mass)
        return -1;
    for (size_t i = 0; i < plan.n_group; i++)
        plan.n_entry = plan_group(&plan, i, galaxy, plan.n_entry, n_row, mark);
    judge_sparsity(&plan, galaxy);
    *ret_plan = plan;
    return plan.is_sparse ? plan_sparse(ret_plan, galaxy, n_row, arena) : 0;
}

/* ---- few cells: each galaxy adds its own -------------------------------------------------------- */

/*
 * A cell of a group costs as much as SPARSE cells of single galaxies, as measured. From CROWDED galaxies a
 * cell on, it pays to copy its rows to where they lie side by side.
 */
#define SPARSE  4
#define CROWDED 8

static void judge_sparsity(struct mix_plan *plan, const struct mix_cells *galaxy)
{
    size_t n = 0;

    for (size_t g = 0; g < plan->n_galaxy; g++) {
        if (!galaxy[g].cell)
            return;
        n += galaxy[g].n;
    }
    plan->is_sparse = n < SPARSE * plan->n_entry;
    plan->is_crowded = n > CROWDED * plan->n_cell;
}

/* Where blocks of MIX_FEW rows begin in a list of n cells. */
static void find_blocks(size_t n, const uint32_t *cell, size_t n_few, size_t *ret_first)
{
    size_t i = 0;

    for (size_t b = 0; b < n_few; b++) {
        while (i < n && cell[i] < b * MIX_FEW)
            i++;
        ret_first[b] = i;
    }
    ret_first[n_few] = n;
}

static int plan_sparse(struct mix_plan *plan, const struct mix_cells *galaxy, size_t n_row,
                       struct arena *arena)
{
    plan->n_few = (n_row + MIX_FEW - 1) / MIX_FEW;
    plan->of_few = arena_array(arena, plan->n_few + 1, sizeof(*plan->of_few));
    plan->of_each = arena_array(arena, plan->n_galaxy * (plan->n_few + 1), sizeof(*plan->of_each));
    if (!plan->of_few || !plan->of_each)
        return -1;
    find_blocks(plan->n_cell, plan->cell, plan->n_few, plan->of_few);
    for (size_t g = 0; g < plan->n_galaxy; g++)
        find_blocks(galaxy[g].n, galaxy[g].cell, plan->n_few, plan->of_each + g * (plan->n_few + 1));
    return 0;
}

/* Copies n <= MIX_WIDTH columns of some rows; the first of the block is at few[0]. */
static void copy_rows(size_t n_row, const uint32_t *row, size_t first_row, const double *value,
                      size_t n_column, size_t n, double (*few)[MIX_WIDTH])
{
    for (size_t i = 0; i < n_row; i++) {
        const double *later = value + (size_t)row[i + MIX_AHEAD < n_row ? i + MIX_AHEAD : i] * n_column;

        for (size_t j = 0; j < n; j += 8)
            __builtin_prefetch(later + j);
        memcpy(few[row[i] - first_row], value + (size_t)row[i] * n_column, n * sizeof(double));
        memset(few[row[i] - first_row] + n, 0, (MIX_WIDTH - n) * sizeof(double));
    }
}

/* All galaxies, n <= MIX_WIDTH columns: MIX_FEW rows stay in the first-level cache while all galaxies use
 * them. */
static void mix_columns_sparse(const struct mix_fast *fast, const struct mix_plan *plan,
                               const struct mix_cells *galaxy, size_t n_column, const double *value, size_t n,
                               union mix_own *own, double (*sum)[MIX_WIDTH])
{
    const bool copies = plan->is_crowded || n < MIX_WIDTH;

    for (size_t b = 0; b < plan->n_few; b++) {
        const size_t *few = plan->of_few + b, first_row = b * MIX_FEW;

        if (copies)
            copy_rows(few[1] - few[0], plan->cell + few[0], first_row, value, n_column, n, own->few);
        for (size_t g = 0; g < plan->n_galaxy; g++) {
            const size_t *each = plan->of_each + g * (plan->n_few + 1) + b;
            const struct mix_cells part = { each[1] - each[0], galaxy[g].cell + each[0],
                                            galaxy[g].mass + each[0] };

            if (copies)
                fast->add_cells(&part, first_row, own->few[0], MIX_WIDTH, sum[g]);
            else
                fast->add_cells(&part, 0, value, n_column, sum[g]);
        }
    }
}

/* ---- most cells: groups of galaxies add them together -------------------------------------------- */

/* The last columns: as fast->pack(), and zeros beyond. */
static void pack_last(size_t n_cell, const uint32_t *cell, const double *value, size_t n_column, size_t n,
                      double (*panel)[MIX_CELLS][MIX_COLUMNS])
{
    for (size_t c = 0; c < n_cell; c++)
        for (size_t j = 0; j < MIX_WIDTH; j++)
            panel[j / MIX_COLUMNS][c][j % MIX_COLUMNS] = j < n ? value[(size_t)cell[c] * n_column + j] : 0.0;
}

/* A block of cells, a group, a panel of columns. */
static void add_group(const struct mix_fast *fast, const struct mix_plan *plan, size_t i_block,
                      size_t i_group, const double (*panel)[MIX_COLUMNS], const struct mix_next *next,
                      double (*sum)[MIX_WIDTH])
{
    const size_t *entry = plan->first + i_group * (plan->n_block + 1) + i_block;
    size_t left = plan->n_galaxy - i_group * MIX_GALAXIES;

    fast->add_block(left < MIX_GALAXIES ? left : MIX_GALAXIES, entry[1] - entry[0], plan->row + entry[0],
                    (const double(*)[MIX_GALAXIES])plan->mass + entry[0], panel, next, sum);
}

/* What is packed after a block: the next one, and after the last one the first, MIX_WIDTH columns on. */
static struct mix_next find_next(const struct mix_plan *plan, size_t i_block, const double *value,
                                 size_t n_column)
{
    size_t next = i_block + 1 < plan->n_block ? i_block + 1 : 0, left = plan->n_cell - next * MIX_CELLS;

    return (struct mix_next) { left < MIX_CELLS ? left : MIX_CELLS, plan->cell + next * MIX_CELLS,
                               next ? value : value + MIX_WIDTH, n_column };
}

/* All galaxies, n <= MIX_WIDTH columns, block by block. */
static void mix_columns_dense(const struct mix_fast *fast, const struct mix_plan *plan, size_t n_column,
                              const double *value, size_t n, union mix_own *own, double (*sum)[MIX_WIDTH])
{
    for (size_t b = 0; b < plan->n_block; b++) {
        size_t left = plan->n_cell - b * MIX_CELLS, n_cell = left < MIX_CELLS ? left : MIX_CELLS;
        const uint32_t *cell = plan->cell + b * MIX_CELLS;

        if (n == MIX_WIDTH)
            fast->pack(n_cell, cell, value, n_column, own->panel);
        else
            pack_last(n_cell, cell, value, n_column, n, own->panel);
        for (size_t p = 0; p * MIX_COLUMNS < n; p++) {
            struct mix_next next = find_next(plan, b, value + p * MIX_COLUMNS, n_column);

            for (size_t g = 0; g < plan->n_group; g++, next.n = 0)
                add_group(fast, plan, b, g, (const double(*)[MIX_COLUMNS])own->panel[p], &next,
                          (double(*)[MIX_WIDTH])(sum[g * MIX_GALAXIES] + p * MIX_COLUMNS));
        }
    }
}

/* ---- both ---------------------------------------------------------------------------------------- */

int mix_batch(size_t n_galaxy, const struct mix_cells *galaxy, size_t n_column, const double *value,
              double *const *ret_sum, struct arena *arena, struct error *err)
{
    const struct mix_fast *fast = FAST_TABLE(mix_fast);
    struct arena_mark mark = arena_mark(arena);
    size_t n_tile = (n_column + MIX_WIDTH - 1) / MIX_WIDTH;
    size_t n_sum = (n_galaxy + MIX_GALAXIES - 1) / MIX_GALAXIES * MIX_GALAXIES;
    double(*sums)[MIX_WIDTH];
    union mix_own *own;
    struct mix_plan plan;

    if (n_galaxy == 1)
        mix_one(fast, galaxy, n_column, value, ret_sum[0]);
    if (n_galaxy <= 1)
        return 0;
    own = arena_array(arena, (size_t)omp_get_max_threads(), sizeof(*own));
    sums = arena_array(arena, (size_t)omp_get_max_threads() * n_sum, sizeof(*sums));
    if (!own || !sums || plan_batch(n_galaxy, galaxy, &plan, arena)) {
        arena_release(arena, mark);
        return error_set(err, POLYPHONY_INTERNAL, "no memory to mix the spectra of %zu galaxies", n_galaxy);
    }
#pragma omp parallel for schedule(static) default(none)                                                      \
    shared(fast, plan, galaxy, n_galaxy, n_column, value, ret_sum, own, sums, n_sum, n_tile)
    for (size_t i_tile = 0; i_tile < n_tile; i_tile++) {
        size_t first = i_tile * MIX_WIDTH, thread = (size_t)omp_get_thread_num();
        size_t n = n_column - first < MIX_WIDTH ? n_column - first : MIX_WIDTH;
        double(*sum)[MIX_WIDTH] = sums + thread * n_sum;

        memset(sum, 0, n_sum * sizeof(*sum));
        if (plan.is_sparse)
            mix_columns_sparse(fast, &plan, galaxy, n_column, value + first, n, &own[thread], sum);
        else
            mix_columns_dense(fast, &plan, n_column, value + first, n, &own[thread], sum);
        for (size_t g = 0; g < n_galaxy; g++) {
            memcpy(ret_sum[g] + first, sum[g], n * sizeof(double));
            clear_signs_of_zeros(n, ret_sum[g] + first);
        }
    }
    arena_release(arena, mark);
    return 0;
}

uint64_t mix_batch_bytes(size_t n_galaxy, size_t n_cell, int n_thread)
{
    const uint64_t n_group = (n_galaxy + MIX_GALAXIES - 1) / MIX_GALAXIES;
    const uint64_t n_block = (n_cell + MIX_CELLS - 1) / MIX_CELLS, n_few = (n_cell + MIX_FEW - 1) / MIX_FEW;
    const uint64_t line = 64; /* the arena's rounding */

    if (n_galaxy <= 1)
        return 0;
    return (uint64_t)n_thread *
               (sizeof(union mix_own) + n_group * MIX_GALAXIES * MIX_WIDTH * sizeof(double)) +
           2 * n_cell * sizeof(uint32_t) + n_group * (n_block + 1) * sizeof(size_t) +
           n_group * n_cell * (sizeof(uint16_t) + MIX_GALAXIES * sizeof(double)) +
           (n_galaxy + 1) * (n_few + 1) * sizeof(size_t) + 9 * line;
}

/* ---- interpolation ----------------------------------------------------------------------------- */

double mix_half_range(double k_min, double k_max)
{
    return fmax(0.5 * (k_max - k_min), fmax(1e-8 * 0.5 * fabs(k_min + k_max), DBL_MIN / DBL_EPSILON));
}

void mix_nodes(double centre, double half_range, size_t n_node, double *ret_node)
{
    for (size_t m = 0; m < n_node; m++)
        ret_node[m] = centre + half_range * cos(M_PI * ((double)m + 0.5) / (double)n_node);
}

void mix_basis(size_t n_node, const double *node, size_t n_k, const double *k, double *ret_basis)
{
    /* Barycentric form; weights of the Chebyshev points of the first kind (Berrut & Trefethen 2004, eq. 5.3). */
    for (size_t j = 0; j < n_k; j++) {
        double total = 0.0;
        size_t hit = n_node;

        for (size_t m = 0; m < n_node; m++) {
            double weight = sin(M_PI * ((double)m + 0.5) / (double)n_node) * (m % 2 ? -1.0 : 1.0);
            double distance = k[j] - node[m];

            if (distance == 0.0)
                hit = m;
            ret_basis[m * n_k + j] = distance == 0.0 ? 0.0 : weight / distance;
            total += ret_basis[m * n_k + j];
        }
        for (size_t m = 0; m < n_node; m++)
            ret_basis[m * n_k + j] = hit < n_node ? (m == hit ? 1.0 : 0.0) : ret_basis[m * n_k + j] / total;
    }
}
