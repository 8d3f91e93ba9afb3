/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/trace_file.h"

#include <unistd.h>

#define N_TRY 16

enum { TAG_ASK = 1, TAG_TIME };

/* Rank 0 of `leaders` tells the time N_TRY times to each of the others. */
static void tell_time(MPI_Comm leaders, int n_leader)
{
    for (int i = 1; i < n_leader; i++)
        for (int t = 0; t < N_TRY; t++) {
            int64_t now_ns;

            MPI_Recv(NULL, 0, MPI_BYTE, i, TAG_ASK, leaders, MPI_STATUS_IGNORE);
            now_ns = clock_ns();
            MPI_Send(&now_ns, 1, MPI_INT64_T, i, TAG_TIME, leaders);
        }
}

static void ask_time(MPI_Comm leaders, struct trace_host *host)
{
    host->clock_error_ns = INT64_MAX;
    for (int t = 0; t < N_TRY; t++) {
        int64_t asked_ns = clock_ns(), told_ns, half_ns;

        MPI_Send(NULL, 0, MPI_BYTE, 0, TAG_ASK, leaders);
        MPI_Recv(&told_ns, 1, MPI_INT64_T, 0, TAG_TIME, leaders, MPI_STATUS_IGNORE);
        half_ns = (clock_ns() - asked_ns) / 2;
        if (half_ns < host->clock_error_ns) {
            host->clock_error_ns = half_ns;
            host->clock_offset_ns = told_ns - (asked_ns + half_ns);
        }
    }
}

int trace_find_host(MPI_Comm comm, struct trace_host *ret_host, struct error *err)
{
    struct trace_host host = { .name = "?" };
    MPI_Comm node, leaders;
    int rank, local_rank, i_leader = 0, n_leader = 0;
    int64_t clock[3];

    if (gethostname(host.name, sizeof(host.name) - 1))
        text_format(host.name, sizeof(host.name), "?");
    MPI_Comm_rank(comm, &rank);
    if (MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node))
        return error_set(err, POLYPHONY_INTERNAL, "MPI cannot tell which ranks share a host");
    MPI_Comm_rank(node, &local_rank);
    /* Ordered by rank: rank 0 of the job is the first leader, for it is the first on its host. */
    MPI_Comm_split(comm, local_rank == 0 ? 0 : MPI_UNDEFINED, rank, &leaders);
    if (leaders != MPI_COMM_NULL) {
        MPI_Comm_rank(leaders, &i_leader);
        MPI_Comm_size(leaders, &n_leader);
        if (i_leader == 0)
            tell_time(leaders, n_leader);
        else
            ask_time(leaders, &host);
        MPI_Comm_free(&leaders);
    }
    clock[0] = host.clock_offset_ns;
    clock[1] = host.clock_error_ns;
    clock[2] = i_leader;
    MPI_Bcast(clock, 3, MPI_INT64_T, 0, node);
    MPI_Comm_free(&node);
    host.clock_offset_ns = clock[0];
    host.clock_error_ns = clock[1];
    host.node = (int32_t)clock[2];
    host.local_rank = local_rank;
    *ret_host = host;
    return 0;
}
