/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finding the gas in front of a target is a search in two dimensions. Gas is divided into levels by powers
 * of two of h. Each level has square cells as wide as its largest h, so all its gas that can cover a target
 * is in the 3 x 3 cells around it. Cells are folded onto a torus of about as many buckets as the level has
 * gas, at least 4 x 4: memory is bounded however wide the galaxy is, and the 3 x 3 cells never share a
 * bucket, so nothing is counted twice. What a bucket holds from cells far away fails the test of overlap.
 */
#include "polyphony/columns.h"

#include <math.h>

enum {
    /* Powers of two of h in kpc, from 2^-64 on; what is beyond shares the outermost levels. */
    N_LEVEL_MAX = 128,
    /* The 3 x 3 cells must differ, and the side is a power of two. */
    SIDE_MIN = 4,
    /* Candidates tested at once. */
    CHUNK = 256,
    /* Up to here meeting every gas particle is faster. Any targets get the same bits: they do not enter. */
    GAS_PLAIN_MAX = 64,
    /* Fewer are not worth waking threads for. */
    TARGETS_SERIAL = 256,
};

/* Cells are wider than h by this much, and at most CELLS_MAX of them span the gas: rounding of a coordinate
 * in cells, 2^-53 CELLS_MAX, then cannot put overlapping gas two cells away. */
static const double cell_margin = 1.0 + 0x1p-16;
static const double cells_max = 0x1p30;

struct level {
    double h_max;
    double cell_inverse; /* [kpc^-1] */
    size_t n_gas;
    size_t side; /* of the torus, in buckets; a power of two */
    size_t first_bucket;
};

struct columns_index {
    enum sph_kernel kernel;
    struct column_gas plain; /* the gas as given, where there is too little to sort; otherwise n = 0 */
    size_t n_level;
    struct level levels[N_LEVEL_MAX];
    size_t level_of[N_LEVEL_MAX]; /* by power of two */
    double x_min, x_max, y_min, y_max;
    size_t n_bucket;
    size_t *begin; /* [n_bucket + 2], where the gas of a bucket begins in what follows */
    double *x, *y, *z, *h;
    double *surface; /* mass/h^2 [Msun kpc^-2] */
};

static inline bool overlaps(double dx, double dy, double dz, double h)
{
    return (dx * dx + dy * dy < h * h) & (dz > -h);
}

/* Kernel column seen from dx, dy, dz = target - gas, which overlap. */
static double column_through(enum sph_kernel kernel, double dx, double dy, double dz, double h)
{
    double b = sqrt(dx * dx + dy * dy) / h;

    return dz < h ? sph_kernel_column(kernel, b, dz / h) : sph_kernel_column_whole(kernel, b);
}

static double column_plain(enum sph_kernel kernel, const struct column_gas *gas, double x, double y, double z)
{
    double sum = 0.0;

    for (size_t i = 0; i < gas->n; i++) {
        double dx = x - gas->x_kpc[i], dy = y - gas->y_kpc[i], dz = z - gas->z_kpc[i], h = gas->h_kpc[i];

        if (h > 0.0 && overlaps(dx, dy, dz, h))
            sum += gas->dust_mass_msun[i] / (h * h) * column_through(kernel, dx, dy, dz, h);
    }
    return sum;
}

void columns_ref(enum sph_kernel kernel, const struct column_gas *gas, size_t n_target, const double *x,
                 const double *y, const double *z, double *ret_column_msun_kpc2)
{
    for (size_t i = 0; i < n_target; i++)
        ret_column_msun_kpc2[i] = column_plain(kernel, gas, x[i], y[i], z[i]);
}

static size_t power_of(double h_kpc)
{
    int power;

    frexp(h_kpc, &power);
    power += N_LEVEL_MAX / 2;
    return power < 0 ? 0 : power >= N_LEVEL_MAX ? N_LEVEL_MAX - 1 : (size_t)power;
}

/* Levels that have gas, smallest h first, and the extent of the gas. */
static void index_levels(struct columns_index *index, const struct column_gas *gas)
{
    struct level by_power[N_LEVEL_MAX] = { 0 };
    double width;

    index->x_min = index->y_min = INFINITY;
    index->x_max = index->y_max = -INFINITY;
    for (size_t i = 0; i < gas->n; i++) {
        if (gas->h_kpc[i] > 0.0) {
            struct level *level = &by_power[power_of(gas->h_kpc[i])];

            level->n_gas++;
            level->h_max = fmax(level->h_max, gas->h_kpc[i]);
            index->x_min = fmin(index->x_min, gas->x_kpc[i]);
            index->x_max = fmax(index->x_max, gas->x_kpc[i]);
            index->y_min = fmin(index->y_min, gas->y_kpc[i]);
            index->y_max = fmax(index->y_max, gas->y_kpc[i]);
        }
    }
    width = fmax(index->x_max - index->x_min, index->y_max - index->y_min);
    for (size_t power = 0; power < N_LEVEL_MAX; power++) {
        struct level *level = &by_power[power];

        if (level->n_gas == 0)
            continue;
        level->cell_inverse = 1.0 / fmax(level->h_max * cell_margin, width / cells_max);
        level->side = SIDE_MIN;
        while (level->side * level->side < level->n_gas)
            level->side *= 2;
        level->first_bucket = index->n_bucket;
        index->n_bucket += level->side * level->side;
        index->level_of[power] = index->n_level;
        index->levels[index->n_level++] = *level;
    }
}

/* Cell of a coordinate no farther than h_max outside the gas: its number is below 2^31 in magnitude. */
static inline int64_t cell_of(const struct level *level, double x, double x_min)
{
    return (int64_t)floor((x - x_min) * level->cell_inverse);
}

static size_t bucket_of(const struct columns_index *index, double x, double y, double h)
{
    const struct level *level = &index->levels[index->level_of[power_of(h)]];
    size_t mask = level->side - 1;
    size_t i_x = (size_t)cell_of(level, x, index->x_min) & mask;
    size_t i_y = (size_t)cell_of(level, y, index->y_min) & mask;

    return level->first_bucket + i_x * level->side + i_y;
}

/* Counting sort: by bucket, within one in the order of the gas. */
static int index_fill(struct columns_index *index, const struct column_gas *gas, struct arena *arena)
{
    size_t *bucket = arena_array(arena, gas->n, sizeof(*bucket));

    index->begin = arena_zeros(arena, index->n_bucket + 2, sizeof(*index->begin));
    index->x = arena_array(arena, gas->n, sizeof(*index->x));
    index->y = arena_array(arena, gas->n, sizeof(*index->y));
    index->z = arena_array(arena, gas->n, sizeof(*index->z));
    index->h = arena_array(arena, gas->n, sizeof(*index->h));
    index->surface = arena_array(arena, gas->n, sizeof(*index->surface));
    if (!bucket || !index->begin || !index->x || !index->y || !index->z || !index->h || !index->surface)
        return -1;

    /* Counts go two places up: begin[bucket + 1] then moves from the bucket's begin to its end. */
    for (size_t i = 0; i < gas->n; i++) {
        if (gas->h_kpc[i] > 0.0) {
            bucket[i] = bucket_of(index, gas->x_kpc[i], gas->y_kpc[i], gas->h_kpc[i]);
            index->begin[bucket[i] + 2]++;
        }
    }
    for (size_t i = 2; i < index->n_bucket + 2; i++)
        index->begin[i] += index->begin[i - 1];
    for (size_t i = 0; i < gas->n; i++) {
        if (gas->h_kpc[i] > 0.0) {
            size_t to = index->begin[bucket[i] + 1]++;

            index->x[to] = gas->x_kpc[i];
            index->y[to] = gas->y_kpc[i];
            index->z[to] = gas->z_kpc[i];
            index->h[to] = gas->h_kpc[i];
            index->surface[to] = gas->dust_mass_msun[i] / (gas->h_kpc[i] * gas->h_kpc[i]);
        }
    }
    return 0;
}

/* Add the columns through gas [begin, end) of the index to `sum`. */
static double add_range(const struct columns_index *index, size_t begin, size_t end, const double *target,
                        double sum)
{
    uint32_t found[CHUNK];

    for (; begin < end; begin += CHUNK) {
        size_t n = end - begin < CHUNK ? end - begin : CHUNK;
        const double *x = index->x + begin, *y = index->y + begin, *z = index->z + begin,
                     *h = index->h + begin;
        size_t n_found = 0;

        /* Most candidates fail; unlike a branch, writing each one costs no wrong guesses. */
        for (size_t i = 0; i < n; i++) {
            found[n_found] = (uint32_t)i;
            n_found += overlaps(target[0] - x[i], target[1] - y[i], target[2] - z[i], h[i]);
        }
        for (size_t i_found = 0; i_found < n_found; i_found++) {
            size_t i = found[i_found];

            sum += index->surface[begin + i] *
                   column_through(index->kernel, target[0] - x[i], target[1] - y[i], target[2] - z[i], h[i]);
        }
    }
    return sum;
}

static double add_level(const struct columns_index *index, const struct level *level, const double *target,
                        double sum)
{
    size_t mask = level->side - 1;
    int64_t cell_x, cell_y;
    size_t low;

    if (target[0] < index->x_min - level->h_max || target[0] > index->x_max + level->h_max ||
        target[1] < index->y_min - level->h_max || target[1] > index->y_max + level->h_max)
        return sum;
    cell_x = cell_of(level, target[0], index->x_min);
    cell_y = cell_of(level, target[1], index->y_min);
    low = (size_t)(cell_y - 1) & mask;
    for (int64_t step = -1; step <= 1; step++) {
        const size_t *row =
            index->begin + level->first_bucket + ((size_t)(cell_x + step) & mask) * level->side;

        if (low + 3 <= level->side) {
            sum = add_range(index, row[low], row[low + 3], target, sum);
        } else { /* the three cells lie across the seam of the torus */
            sum = add_range(index, row[low], row[level->side], target, sum);
            sum = add_range(index, row[0], row[low + 3 - level->side], target, sum);
        }
    }
    return sum;
}

static double column_indexed(const struct columns_index *index, double x, double y, double z)
{
    const double target[3] = { x, y, z };
    double sum = 0.0;

    for (size_t i = 0; i < index->n_level; i++)
        sum = add_level(index, &index->levels[i], target, sum);
    return sum;
}

int columns_index_make(enum sph_kernel kernel, const struct column_gas *gas, struct arena *arena,
                       struct columns_index **ret_index, struct error *err)
{
    struct columns_index *index = arena_zeros(arena, 1, sizeof(*index));
    int r = index ? 0 : -1;

    if (!r) {
        index->kernel = kernel;
        if (gas->n <= GAS_PLAIN_MAX)
            index->plain = *gas;
        else
            index_levels(index, gas);
    }
    if (!r && gas->n > GAS_PLAIN_MAX)
        r = index_fill(index, gas, arena);
    if (r)
        return error_set(err, POLYPHONY_INTERNAL, "dust columns: no memory to index %zu gas particles",
                         gas->n);
    *ret_index = index;
    return 0;
}

size_t columns_index_bytes(size_t n_gas)
{
    /* Index and coordinates of each, and a torus of less than four buckets a particle; see index_levels(). */
    size_t per_gas = 6 * sizeof(double) + 4 * sizeof(size_t);

    return sizeof(struct columns_index) +
           (n_gas > GAS_PLAIN_MAX ? n_gas * per_gas + N_LEVEL_MAX * SIDE_MIN * SIDE_MIN * sizeof(size_t) : 0);
}

void columns_search(const struct columns_index *index, size_t n_target, const double *x, const double *y,
                    const double *z, double *ret_column_msun_kpc2)
{
#pragma omp parallel for schedule(dynamic, 64) if (n_target > TARGETS_SERIAL)
    for (size_t i = 0; i < n_target; i++)
        ret_column_msun_kpc2[i] = index->n_level
                                      ? column_indexed(index, x[i], y[i], z[i])
                                      : column_plain(index->kernel, &index->plain, x[i], y[i], z[i]);
}
