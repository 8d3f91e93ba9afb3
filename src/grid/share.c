/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/grid_share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "grid_private.h"

#define SHARE_NAME_MAX 64

struct grid_share {
    MPI_Comm node; /* ranks of this node that want tables; MPI_COMM_NULL: this one does not */
    int rank, n_rank;
};

int grid_share_open(MPI_Comm comm, bool wants_tables, struct grid_share **ret_share, struct error *err)
{
    struct grid_share *share = mem_array(1, sizeof(*share));
    MPI_Comm all;
    int rank, failed = !share, any_failed = 0;

    MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, comm);
    if (any_failed) {
        free(share);
        return error_set(err, POLYPHONY_INTERNAL, "no memory to share a grid");
    }
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &all);
    MPI_Comm_split(all, wants_tables ? 0 : MPI_UNDEFINED, rank, &share->node);
    MPI_Comm_free(&all);
    if (wants_tables) {
        MPI_Comm_rank(share->node, &share->rank);
        MPI_Comm_size(share->node, &share->n_rank);
    }
    *ret_share = share;
    return 0;
}

void grid_share_close(struct grid_share *share)
{
    if (!share)
        return;
    if (share->node != MPI_COMM_NULL)
        MPI_Comm_free(&share->node);
    free(share);
}

int grid_share_agree(const struct grid_share *share, int status)
{
    int worst = status;

    if (share && share->node != MPI_COMM_NULL)
        MPI_Allreduce(&status, &worst, 1, MPI_INT, MPI_MIN, share->node);
    return worst;
}

/* Shared memory that has a name for a moment, until all ranks have opened it. -1 without. */
static int open_segment(const struct grid_share *share, size_t n_byte)
{
    char name[SHARE_NAME_MAX] = "";
    int fd = -1, failed;

    if (share->rank == 0) {
        text_format(name, sizeof(name), "/polyphony-%ld-%lld", (long)getpid(), (long long)clock_ns());
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 && ftruncate(fd, (off_t)n_byte)) {
            close(fd);
            fd = -1;
        }
    }
    MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, share->node);
    if (share->rank > 0)
        fd = shm_open(name, O_RDWR, 0);
    failed = grid_share_agree(share, fd < 0 ? -1 : 0);
    if (share->rank == 0)
        shm_unlink(name);
    if (failed && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* This rank's stripe of whole pages. Pages that are not there when they are written to would kill the
 * process. */
static int allocate_stripe(const struct grid_share *share, int fd, size_t n_byte)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_page = (n_byte + page - 1) / page, n = (size_t)share->n_rank, i = (size_t)share->rank;
    size_t begin = n_page * i / n * page, end = n_page * (i + 1) / n * page;

    return end > begin ? posix_fallocate(fd, (off_t)begin, (off_t)(end - begin)) : 0;
}

/* NULL where there is not enough shared memory on this node: the same on all its ranks. */
static void *map_segment(const struct grid_share *share, size_t n_byte)
{
    int fd = open_segment(share, n_byte), failed;
    void *table;

    if (fd < 0)
        return NULL;
    failed = allocate_stripe(share, fd, n_byte) != 0;
    table = mmap(NULL, n_byte, share->rank == 0 ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    failed |= table == MAP_FAILED;
    if (grid_share_agree(share, failed ? -1 : 0)) {
        if (table != MAP_FAILED)
            munmap(table, n_byte);
        return NULL;
    }
    return table;
}

int share_take(const struct grid_share *share, size_t n, struct grid_table *ret_table, bool *ret_fills,
               struct error *err)
{
    size_t n_byte = n * sizeof(double);

    *ret_table = (struct grid_table) { .n_byte = n_byte };
    *ret_fills = false;
    if (share && share->node == MPI_COMM_NULL)
        return 0;
    if (n > SIZE_MAX / sizeof(double))
        return error_set(err, POLYPHONY_INPUT, "a table of %zu numbers is too large", n);
    if (share && share->n_rank > 1 && n > 0) {
        ret_table->value = map_segment(share, n_byte);
        ret_table->is_shared = ret_table->value != NULL;
        *ret_fills = share->rank == 0;
    }
    if (!ret_table->value) {
        ret_table->value = mem_array(n, sizeof(double));
        *ret_fills = true;
    }
    if (grid_share_agree(share, ret_table->value ? 0 : -1)) {
        share_release(ret_table);
        return error_set(err, POLYPHONY_INTERNAL, "no memory for a table of the grid (%zu bytes)", n_byte);
    }
    return 0;
}

void share_release(struct grid_table *table)
{
    if (table->is_shared)
        munmap(table->value, table->n_byte);
    else
        free(table->value);
    table->value = NULL;
    table->is_shared = false;
}
