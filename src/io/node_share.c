/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/node_share.h"
#include "polyphony/ranks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHARE_NAME_MAX 64
#define LARGE_BYTES    ((size_t)4 << 20)

struct node_group {
    MPI_Comm comm; /* MPI_COMM_NULL: a group of none */
    int rank, n_rank;
};

struct node_share {
    struct node_group all, computing;
};

/* ---- groups ---------------------------------------------------------------------------------- */

static void measure_group(struct node_group *group)
{
    if (group->comm == MPI_COMM_NULL)
        return;
    MPI_Comm_rank(group->comm, &group->rank);
    MPI_Comm_size(group->comm, &group->n_rank);
}

struct node_share *node_share_open(MPI_Comm comm, bool computes)
{
    struct node_share *share = mem_small(1, sizeof(*share));
    int rank, n_rank;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &n_rank);
    /* Ranks that only deal come last: the first one reads and fills. */
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, computes ? rank : n_rank + rank, MPI_INFO_NULL,
                        &share->all.comm);
    MPI_Comm_split(share->all.comm, computes ? 0 : MPI_UNDEFINED, rank, &share->computing.comm);
    measure_group(&share->all);
    measure_group(&share->computing);
    return share;
}

void node_share_close(struct node_share *share)
{
    if (!share)
        return;
    if (share->computing.comm != MPI_COMM_NULL)
        MPI_Comm_free(&share->computing.comm);
    MPI_Comm_free(&share->all.comm);
    free(share);
}

bool node_share_computes(const struct node_share *share)
{
    return !share || share->computing.comm != MPI_COMM_NULL;
}

const struct node_group *node_share_all(const struct node_share *share)
{
    return share ? &share->all : NULL;
}

const struct node_group *node_share_computing(const struct node_share *share)
{
    return share ? &share->computing : NULL;
}

static bool is_of_several(const struct node_group *group)
{
    return group && group->comm != MPI_COMM_NULL && group->n_rank > 1;
}

int ranks_agree(MPI_Comm comm, int status)
{
    int worst = status;

    MPI_Allreduce(&status, &worst, 1, MPI_INT, MPI_MIN, comm);
    return worst;
}

int node_agree(const struct node_group *group, int status)
{
    int worst = status;

    if (is_of_several(group))
        MPI_Allreduce(&status, &worst, 1, MPI_INT, MPI_MIN, group->comm);
    return worst;
}

bool node_is_first(const struct node_group *group)
{
    return !is_of_several(group) || group->rank == 0;
}

void node_broadcast(const struct node_group *group, void *data, size_t n_byte)
{
    if (is_of_several(group))
        MPI_Bcast(data, (int)n_byte, MPI_BYTE, 0, group->comm);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Shared memory that has a name for a moment, until all ranks have opened it. -1 without. */
static int open_segment(const struct node_group *group, size_t n_byte)
{
    char name[SHARE_NAME_MAX] = "";
    int fd = -1, failed;

    if (group->rank == 0) {
        text_format(name, sizeof(name), "/polyphony-%ld-%lld", (long)getpid(), (long long)clock_ns());
        fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 && ftruncate(fd, (off_t)n_byte)) {
            close(fd);
            fd = -1;
        }
    }
    MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, group->comm);
    if (group->rank > 0)
        fd = shm_open(name, O_RDWR, 0);
    failed = node_agree(group, fd < 0 ? -1 : 0);
    if (group->rank == 0)
        shm_unlink(name);
    if (failed && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* This rank's stripe, of whole pages. */
static void find_stripe(const struct node_group *group, size_t n_byte, size_t *ret_begin, size_t *ret_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_page = (n_byte + page - 1) / page, n = (size_t)group->n_rank, i = (size_t)group->rank;

    *ret_begin = n_page * i / n * page;
    *ret_end = n_page * (i + 1) / n * page;
}

/* Pages that are not there when they are written to would kill the process. */
static int allocate_stripe(const struct node_group *group, int fd, size_t n_byte)
{
    size_t begin, end;

    find_stripe(group, n_byte, &begin, &end);
    return end > begin ? posix_fallocate(fd, (off_t)begin, (off_t)(end - begin)) : 0;
}

/* NULL where there is not enough shared memory on this node: the same on all ranks of the group. */
static void *map_segment(const struct node_group *group, size_t n_byte)
{
    int fd = open_segment(group, n_byte), failed;
    void *table;

    if (fd < 0)
        return NULL;
    failed = allocate_stripe(group, fd, n_byte) != 0;
    table = mmap(NULL, n_byte, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    failed |= table == MAP_FAILED;
    if (node_agree(group, failed ? -1 : 0)) {
        if (table != MAP_FAILED)
            munmap(table, n_byte);
        return NULL;
    }
    return table;
}

/* A table of this rank alone. Large ones in large pages, where the kernel has them: a fault for each small
 * one takes as long as reading it from the page cache. */
static void *own_table(size_t n_byte)
{
    void *table;

    if (n_byte < LARGE_BYTES)
        return mem_array(n_byte, 1);
    table = mmap(NULL, n_byte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED)
        return NULL;
    madvise(table, n_byte, MADV_HUGEPAGE);
    return table;
}

int node_table_take(const struct node_group *group, size_t n, size_t size, struct node_table *ret_table,
                    bool *ret_fills, struct error *err)
{
    size_t n_byte;

    *ret_table = (struct node_table) { 0 };
    *ret_fills = false;
    if (__builtin_mul_overflow(n, size, &n_byte))
        return error_set(err, POLYPHONY_INPUT, "a table of %zu times %zu bytes is too large", n, size);
    ret_table->n_byte = n_byte;
    if (group && group->comm == MPI_COMM_NULL)
        return 0;
    if (is_of_several(group) && n_byte > 0) {
        ret_table->value = map_segment(group, n_byte);
        ret_table->is_shared = ret_table->value != NULL;
        *ret_fills = group->rank == 0;
    }
    if (!ret_table->value) {
        ret_table->value = own_table(n_byte);
        *ret_fills = true;
    }
    if (node_agree(group, ret_table->value ? 0 : -1)) {
        node_table_release(ret_table);
        return mem_short(err, "for a table of %zu bytes", n_byte);
    }
    return 0;
}

void node_table_stripe(const struct node_group *group, const struct node_table *table, size_t size,
                       size_t *ret_first, size_t *ret_n)
{
    size_t n = table->n_byte / size, begin = 0, end = table->n_byte;

    if (table->is_shared)
        find_stripe(group, table->n_byte, &begin, &end);
    *ret_first = begin / size < n ? begin / size : n;
    *ret_n = (end / size < n ? end / size : n) - *ret_first;
}

void node_table_seal(const struct node_table *table)
{
    if (table->is_shared)
        mprotect(table->value, table->n_byte, PROT_READ);
}

void node_table_drop_pages(const struct node_table *table)
{
    if (table->is_shared)
        madvise(table->value, table->n_byte, MADV_DONTNEED);
}

void node_table_touch_pages(const struct node_table *table)
{
    const volatile char *byte = table->value;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (size_t i = 0; table->is_shared && i < table->n_byte; i += page)
        (void)byte[i];
}

void node_table_release(struct node_table *table)
{
    if (table->is_shared || (table->value && table->n_byte >= LARGE_BYTES))
        munmap(table->value, table->n_byte);
    else
        free(table->value);
    table->value = NULL;
    table->is_shared = false;
}
