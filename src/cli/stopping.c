/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stopping.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* The stop file lies on the file system of the results: not to be asked after each galaxy. */
#define LOOK_NS 500000000

static volatile sig_atomic_t stop_signal;
static void (*tell_of_signal)(int number);

static void on_stop(int number)
{
    stop_signal = number;
    tell_of_signal(number);
}

/* The default action ends the process once the handler returns: it is restored on entry (SA_RESETHAND), and
 * the instruction, or raise(), happens again. */
static void on_crash(int number)
{
    tell_of_signal(number);
    raise(number);
}

void stopping_catch_signals(void (*on_signal)(int number))
{
    static const int stops[] = { SIGTERM, SIGINT, SIGUSR1 };
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    const struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
    const struct sigaction crash = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND };

    tell_of_signal = on_signal;
    for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
        sigaction(stops[i], &stop, NULL);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        sigaction(crashes[i], &crash, NULL);
}

/* The request is met by obeying it: the file goes, or the next run would stop at once. */
static bool was_stop_file_there(struct stopping *stopping)
{
    bool is_there = false;

    for (int i = 0; i < STOPPING_N_FILE; i++) {
        if (!stopping->stop_file[i][0] || access(stopping->stop_file[i], F_OK))
            continue;
        unlink(stopping->stop_file[i]);
        is_there = true;
    }
    return is_there;
}

bool stopping_now(struct stopping *stopping)
{
    int64_t now_ns;

    if (stopping->is_stopping)
        return true;
    if (stop_signal)
        text_format(stopping->reason, sizeof(stopping->reason), "signal %d", (int)stop_signal);
    else if (stopping->is_output_gone)
        text_format(stopping->reason, sizeof(stopping->reason), "results file deleted");
    else if (stopping->max_fails >= 0 && stopping->n_set_aside > stopping->max_fails)
        text_format(stopping->reason, sizeof(stopping->reason), "max-fails");
    else {
        now_ns = clock_ns();
        if (now_ns >= stopping->end_ns)
            text_format(stopping->reason, sizeof(stopping->reason), "max-runtime");
        else if (now_ns - stopping->looked_ns >= LOOK_NS) {
            stopping->looked_ns = now_ns;
            if (was_stop_file_there(stopping))
                text_format(stopping->reason, sizeof(stopping->reason), "stop file");
        }
    }
    stopping->is_stopping = stopping->reason[0] != '\0';
    return stopping->is_stopping;
}

bool stopping_is_failure(const struct stopping *stopping)
{
    return stopping->is_stopping && stopping->max_fails >= 0 && stopping->n_set_aside > stopping->max_fails;
}
