/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "place.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

/* What happens where nothing can be planned. */
static struct placement unplaced = { .n_thread = 1 };

static int make_plan(struct place *place, MPI_Comm node, int local_size, int n_thread_job, bool deals_only,
                     struct error *err)
{
    struct placement_request *all = mem_array((size_t)local_size, sizeof(*all)), self;
    int r = machine_open(&place->machine, err), worst = 0;

    if (!r && !all)
        r = error_set(err, POLYPHONY_INTERNAL, "no memory to place %d ranks", local_size);
    /* One rank without a machine would plan differently from the others: then none does. */
    MPI_Allreduce(&r, &worst, 1, MPI_INT, MPI_MIN, node);
    if (worst && !r)
        r = error_set(err, worst, "another rank of this node could not read the machine");
    if (!r) {
        placement_request_make(place->machine, n_thread_job, deals_only, &self);
        cpuset_format(&self.allowed, place->cpuset, sizeof(place->cpuset));
        MPI_Allgather(&self, sizeof(self), MPI_BYTE, all, sizeof(self), MPI_BYTE, node);
        r = placement_plan_make(place->machine, local_size, all, &place->plan, err);
    }
    free(all);
    return r;
}

static void list_cpus(struct place *place)
{
    size_t n = 0;

    for (int t = 0; place->mine->is_pinned && t < place->mine->n_thread && n < sizeof(place->cpus); t++)
        n += (size_t)snprintf(place->cpus + n, sizeof(place->cpus) - n, "%s%d", t ? "," : "",
                              place->mine->cpu[t]);
}

void place_open(struct place *place, MPI_Comm comm, int n_thread_job, bool deals_only)
{
    struct error err = { 0 };
    MPI_Comm node;
    int rank, local_rank, local_size;

    *place = (struct place) { .mine = &unplaced };
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &local_rank);
    MPI_Comm_size(node, &local_size);
    if (make_plan(place, node, local_size, n_thread_job, deals_only, &err)) {
        text_format(unplaced.text, sizeof(unplaced.text), "1 thread, not pinned");
        text_format(unplaced.warning, sizeof(unplaced.warning), "%.300s", err.text);
        omp_set_num_threads(1);
    } else {
        place->mine = &place->plan.rank[local_rank];
        placement_apply(place->machine, place->mine);
        list_cpus(place);
    }
    MPI_Comm_free(&node);
}

void place_close(struct place *place)
{
    placement_plan_free(&place->plan);
    machine_close(place->machine);
}
