/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One copy of a table for the ranks of a node, for any number of ranks:
 *     mpirun -n 3 test_node_share_mpi
 */
#include "polyphony/node_share.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdlib.h>

#include "../ranks.h"

#define N ((size_t)1 << 20) /* large enough to be seen in the resident set */

static struct node_share *open_share(bool computes)
{
    return node_share_open(MPI_COMM_WORLD, computes);
}

/* value[i] = 3 i, by whoever is to fill it. */
static struct node_table take_filled(const struct node_group *group, int *ret_n_filling)
{
    struct node_table table;
    struct error err = { "" };
    bool fills = false;

    check(node_table_take(group, N, sizeof(uint64_t), &table, &fills, &err) == 0, err.text);
    for (size_t i = 0; fills && table.value && i < N; i++)
        ((uint64_t *)table.value)[i] = 3 * i;
    node_agree(group, 0);
    node_table_seal(&table);
    *ret_n_filling = ranks_count(fills);
    return table;
}

static bool is_filled(const struct node_table *table)
{
    const uint64_t *value = table->value;

    for (size_t i = 0; i < N; i++)
        if (value[i] != 3 * i)
            return false;
    return true;
}

static size_t shared_rss_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    size_t kib = 0;

    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "RssShmem: %zu kB", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib * 1024;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void one_rank_fills_and_all_see_it(void)
{
    struct node_share *share = open_share(true);
    int n_filling;
    struct node_table table = take_filled(node_share_all(share), &n_filling);

    check(n_filling == 1, "not one rank fills");
    check(table.is_shared == (n_rank > 1), "shared by one rank, or not by several");
    node_share_close(share);
    check(is_filled(&table), "another rank's numbers do not arrive, or go with the share");
    node_table_release(&table);
    check(!table.value, "released, and still there");
}

static void the_first_rank_computes_and_a_dealer_has_tables_of_all_only(void)
{
    struct node_share *share = open_share(rank > 0 || n_rank == 1);
    const struct node_group *all = node_share_all(share), *computing = node_share_computing(share);
    int first = n_rank > 1 ? 1 : 0, n_filling;
    struct node_table table = take_filled(all, &n_filling), none;

    check(node_share_computes(share) == (rank >= first), "who computes");
    check(node_is_first(all) == (rank == first), "the dealer reads for all, or several do");
    check(is_filled(&table), "a rank does not see the table of all");
    none = take_filled(computing, &n_filling);
    check(n_filling == 1 && (none.value != NULL) == (rank >= first), "tables of those that compute");
    node_table_release(&none);
    node_table_release(&table);
    node_share_close(share);
}

static void the_worst_status_of_a_group_is_that_of_all_its_ranks(void)
{
    struct node_share *share = open_share(rank > 0 || n_rank == 1);
    int mine = rank == n_rank - 1 ? POLYPHONY_INPUT : rank == 0 ? POLYPHONY_INTERNAL : 0;

    check(node_agree(NULL, mine) == mine, "alone, and not with itself");
    check(node_agree(node_share_all(share), mine) == (n_rank == 1 ? POLYPHONY_INPUT : POLYPHONY_INTERNAL),
          "all do not agree");
    check(node_agree(node_share_computing(share), mine) ==
              (rank == 0 && n_rank > 1 ? POLYPHONY_INTERNAL : POLYPHONY_INPUT),
          "the dealer's failure is of those that compute, or not its own");
    node_share_close(share);
}

static void the_first_rank_tells_the_others(void)
{
    struct node_share *share = open_share(true);
    char text[32];

    text_format(text, sizeof(text), "rank %d", rank);
    node_broadcast(node_share_all(share), text, sizeof(text));
    check(!strcmp(text, "rank 0"), text);
    node_broadcast(NULL, text, sizeof(text));
    node_share_close(share);
}

static sigjmp_buf on_fault;

static void jump(int number)
{
    siglongjmp(on_fault, number);
}

static void a_sealed_table_cannot_be_written(void)
{
    struct node_share *share = open_share(true);
    int n_filling;
    struct node_table table = take_filled(node_share_all(share), &n_filling);
    struct sigaction catching = { .sa_handler = jump }, before;
    volatile bool is_written = false;

    sigaction(SIGSEGV, &catching, &before);
    if (!sigsetjmp(on_fault, 1)) {
        *(volatile uint64_t *)table.value = 7;
        is_written = true;
    }
    sigaction(SIGSEGV, &before, NULL);
    check(is_written == !table.is_shared, "a shared table was written, or a copy is locked");
    node_table_release(&table);
    node_share_close(share);
}

static void dropped_pages_leave_the_resident_set_and_come_back(void)
{
    struct node_share *share = open_share(true);
    size_t before = shared_rss_bytes(), with, without;
    int n_filling;
    struct node_table table = take_filled(node_share_all(share), &n_filling);

    check(is_filled(&table), "not filled");
    with = shared_rss_bytes();
    node_table_drop_pages(&table);
    without = shared_rss_bytes();
    /* Half of the table: MPI's own shared memory comes and goes by pages. */
    if (table.is_shared)
        check(with > before + table.n_byte / 2 && without + table.n_byte / 2 < with, "resident set");
    check(is_filled(&table), "dropped pages come back with other numbers");
    node_table_release(&table);
    node_share_close(share);
}

static void without_shared_memory_every_rank_has_a_copy(void)
{
    struct node_share *share = open_share(true);
    struct rlimit before = ranks_limit_shared_memory();
    int n_filling;
    struct node_table table = take_filled(node_share_all(share), &n_filling);

    setrlimit(RLIMIT_FSIZE, &before);
    check(!table.is_shared && n_filling == n_rank, "shared beyond the limit");
    node_table_drop_pages(&table);
    check(is_filled(&table), "a copy has other numbers, or none after its pages were dropped");
    node_table_release(&table);
    node_share_close(share);
}

static void a_table_beyond_memory_is_refused_everywhere(void)
{
    struct node_share *share = open_share(true);
    struct node_table table;
    struct error err = { "" };
    bool fills;

    check(node_table_take(node_share_all(share), SIZE_MAX / 4, 8, &table, &fills, &err) == POLYPHONY_INPUT,
          "more bytes than addresses");
#ifndef __SANITIZE_ADDRESS__ /* whose malloc() ends the program rather than fail */
    check(node_table_take(node_share_all(share), SIZE_MAX / 16, 8, &table, &fills, &err) ==
              POLYPHONY_INTERNAL,
          "more bytes than memory");
    check(strstr(err.text, "no memory") && !table.value, err.text);
#endif
    node_share_close(share);
}

/* Names hold the process that made them: other runs on this machine may be at it. */
static void nothing_is_left_in_shared_memory(void)
{
    DIR *directory;
    struct dirent *entry;
    char mine[64];

    text_format(mine, sizeof(mine), "polyphony-%ld-", (long)getpid());
    MPI_Barrier(MPI_COMM_WORLD);
    directory = opendir("/dev/shm");
    while (directory && (entry = readdir(directory)))
        check(strncmp(entry->d_name, mine, strlen(mine)) != 0, "a segment is left");
    if (directory)
        closedir(directory);
}

int main(int argc, char **argv)
{
    ranks_begin(&argc, &argv);
    one_rank_fills_and_all_see_it();
    the_first_rank_computes_and_a_dealer_has_tables_of_all_only();
    the_worst_status_of_a_group_is_that_of_all_its_ranks();
    the_first_rank_tells_the_others();
    a_sealed_table_cannot_be_written();
    dropped_pages_leave_the_resident_set_and_come_back();
    without_shared_memory_every_rank_has_a_copy();
    a_table_beyond_memory_is_refused_everywhere();
    nothing_is_left_in_shared_memory();
    return ranks_end();
}
