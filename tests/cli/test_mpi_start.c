/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What Open MPI is told depends on who started the process; so this runs by itself, and under mpirun. */
#include "../../src/cli/mpi_start.h"

#include <mpi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "OMPI_MCA_ess_singleton_isolated", "OMPI_MCA_orte_create_session_dirs",
                                     "OMPI_MCA_pml", "OMPI_MCA_btl" };
#define N_NAME (sizeof(names) / sizeof(*names))

/* As the program was started, before any test changed it. */
static bool was_launched;

static void forget_settings(void)
{
    for (size_t i = 0; i < N_NAME; i++)
        unsetenv(names[i]);
}

static void under_a_launcher_nothing_is_set(void **state)
{
    (void)state;
    if (was_launched) {
        forget_settings();
        mpi_start_prepare();
        for (size_t i = 0; i < N_NAME; i++)
            assert_null(getenv(names[i]));
        return;
    }
    for (size_t l = 0; mpi_start_launchers[l]; l++) {
        forget_settings();
        setenv(mpi_start_launchers[l], "0", 1);
        mpi_start_prepare();
        unsetenv(mpi_start_launchers[l]);
        for (size_t i = 0; i < N_NAME; i++)
            assert_null(getenv(names[i]));
    }
}

static void what_the_user_has_set_stays(void **state)
{
    (void)state;
    if (was_launched)
        skip();
    forget_settings();
    setenv("OMPI_MCA_pml", "ucx", 1);
    mpi_start_prepare();
    assert_string_equal(getenv("OMPI_MCA_pml"), "ucx");
    assert_string_equal(getenv("OMPI_MCA_ess_singleton_isolated"), "1");
    forget_settings();
}

/* Processes that this one has started; of the kernel, so that daemons that hide are seen. */
static bool has_children(void)
{
    FILE *file = fopen("/proc/thread-self/children", "r");
    int c = file ? fgetc(file) : EOF;

    if (file)
        fclose(file);
    return c != EOF;
}

/* The last test: MPI begins only once. */
static void mpi_begins_and_a_process_alone_starts_no_daemon(void **state)
{
    int n_rank = 0, rank = 0, highest = -1;

    (void)state;
    mpi_start_prepare();
    MPI_Init(NULL, NULL);
    MPI_Comm_size(MPI_COMM_WORLD, &n_rank);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Allreduce(&rank, &highest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    assert_int_equal(highest, n_rank - 1);
    assert_int_equal(was_launched, getenv("OMPI_COMM_WORLD_SIZE") != NULL);
    if (was_launched)
        assert_int_equal(n_rank, atoi(getenv("OMPI_COMM_WORLD_SIZE")));
    else
        assert_false(has_children());
    MPI_Finalize();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_a_launcher_nothing_is_set),
        cmocka_unit_test(what_the_user_has_set_stays),
        cmocka_unit_test(mpi_begins_and_a_process_alone_starts_no_daemon),
    };

    was_launched = mpi_start_is_launched();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
