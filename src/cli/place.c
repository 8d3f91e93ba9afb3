/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "place.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "polyphony/ranks.h"

/* What happens where nothing can be planned. */
static struct placement unplaced;

static int make_plan(struct place *place, MPI_Comm node, int local_size, int n_thread_job, bool deals_only,
                     struct error *err)
{
    struct placement_request *all = mem_small((size_t)local_size, sizeof(*all)), self;
    int r = machine_open(&place->machine, err), worst;

    /* One rank without a machine would plan differently from the others: then none does. */
    worst = ranks_agree(node, r);
    if (worst && !r)
        r = error_set(err, worst, "another rank of this node could not read the machine");
    if (!r) {
        placement_request_make(place->machine, n_thread_job, deals_only, &self);
        cpuset_format(&self.allowed, place->cpuset, sizeof(place->cpuset));
        MPI_Allgather(&self, sizeof(self), MPI_BYTE, all, sizeof(self), MPI_BYTE, node);
        place->plan = placement_plan_make(place->machine, local_size, all);
    }
    free(all);
    return r;
}

static void list_cpus(struct place *place)
{
    size_t n = 0;

    for (int t = 0; place->mine->is_pinned && t < place->mine->n_thread; t++) {
        char cpu[16];

        text_format(cpu, sizeof(cpu), "%s%d", t ? "," : "", place->mine->cpu[t]);
        /* Room for ",..." is kept, so that no number is cut. */
        if (n + strlen(cpu) + sizeof(",...") > sizeof(place->cpus)) {
            text_format(place->cpus + n, sizeof(place->cpus) - n, ",...");
            return;
        }
        text_format(place->cpus + n, sizeof(place->cpus) - n, "%s", cpu);
        n += strlen(cpu);
    }
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
        unplaced.n_thread = n_thread_job > 0 ? n_thread_job : 1;
        text_format(unplaced.text, sizeof(unplaced.text), "threads: %d, not pinned", unplaced.n_thread);
        text_format(unplaced.warning, sizeof(unplaced.warning), "%.300s", err.text);
        omp_set_num_threads(unplaced.n_thread);
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
