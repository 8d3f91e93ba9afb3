/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Model parameters that the file has and the job leaves at their defaults: where they are, and how large. */
#include "catalogue_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLOCK_ROWS ((uint64_t)1 << 16)
#define N_ROW_MAX  ((uint64_t)1 << 20) /* a range of so many says enough, and takes 8 MiB of reading */

/* The dataset of a group that is called so, in any case; false without one. */
static bool find_name(struct io_file *file, const char *group, const char *name, char *ret_path, size_t size)
{
    char(*names)[IO_NAME_MAX] = NULL;
    bool found = false;
    size_t n = 0;

    if (!io_has(file, group) || io_list(file, group, &names, &n, NULL))
        return false;
    for (size_t i = 0; i < n && !found; i++)
        found = !strcasecmp(names[i], name) && text_format(ret_path, size, "%s/%s", group, names[i]);
    free(names);
    return found;
}

/* Of the finite numbers among the first rows; false without any. Nothing depends on it: failures are silence. */
static bool find_range(struct io_file *file, const char *path, struct catalogue_range *range)
{
    double *block = mem_array(BLOCK_ROWS, sizeof(*block));
    uint64_t any = 0, n_row = 0;
    struct io_info info;
    bool ok = block && !io_dataset_expect(file, path, 1, &any, &info, NULL);

    range->least = INFINITY;
    range->most = -INFINITY;
    if (ok)
        n_row = info.dims[0] < N_ROW_MAX ? info.dims[0] : N_ROW_MAX;
    for (uint64_t row = 0; ok && row < n_row; row += BLOCK_ROWS) {
        uint64_t n = n_row - row < BLOCK_ROWS ? n_row - row : BLOCK_ROWS;

        ok = !io_read_rows_f64(file, path, row, n, block, NULL);
        for (uint64_t i = 0; ok && i < n; i++) {
            range->least = fmin(range->least, block[i]);
            range->most = fmax(range->most, block[i]);
        }
    }
    free(block);
    return ok && range->least <= range->most;
}

void catalogue_find_unused(struct catalogue *catalogue)
{
    static const char *const groups[] = { "Stars", "Galaxies" };
    const struct catalogue_needs *needs = &catalogue->reader->needs;

    for (size_t i = 0; i < needs->n_defaulted; i++)
        for (size_t g = 0; g < 2 && !*catalogue->unused[i].path; g++) {
            struct catalogue_range *range = &catalogue->unused[i];

            if (!find_name(catalogue->reader->file, groups[g], needs->defaulted[i], range->path,
                           sizeof(range->path)) ||
                !find_range(catalogue->reader->file, range->path, range))
                range->path[0] = '\0';
        }
}
