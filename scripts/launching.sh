# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034 # variables are the answer to the caller
#
# Sourced by launch.sh and jobs/common.sh, after env.sh: start a run of polyphony with any launcher, and say truly how
# it ended. mpirun returns 0 when a node is lost, and with --enable-recovery it may never return; so the exit code is
# the one that rank 0 writes to the status file, and a launcher that stays on after that is ended.

launching_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A launcher gets so many seconds to end by itself after the run has ended, and as many again after SIGTERM.
LAUNCH_GRACE_S=${LAUNCH_GRACE_S:-10}

# job_output COMMAND… JOB: path of the results file of a job file, as the program says it. COMMAND is what runs the job:
# the word "run" in it, or its end, is where the program is asked instead. The exit code is the program's.
job_output() {
    local job=${!#} asked=()
    while [ $# -gt 1 ] && [ "$1" != run ]; do
        asked+=("$1")
        shift
    done
    "${asked[@]}" check --output-path "$job"
}

# state_path RESULTS: its status file.
state_path() {
    printf '%s.status.json\n' "$1"
}

# launch_signal NAME: pass a signal on to the launcher, which passes it on to the ranks.
launch_signal() {
    if [ -n "${launch_pid:-}" ]; then
        kill -s "$1" "$launch_pid" 2>/dev/null || true
    fi
}

launch_is_running() {
    kill -0 "$launch_pid" 2>/dev/null
}

# Until the launcher has ended, at most so many seconds.
launch_wait_end() {
    local i
    for ((i = 0; i < $1 * 10; i++)); do
        launch_is_running || return 0
        sleep 0.1
    done
    return 1
}

# The run has ended, or is given up: so must the launcher.
launch_end() {
    if ! launch_wait_end "$LAUNCH_GRACE_S"; then
        echo "The run has ended, its launcher (process $launch_pid) has not: SIGTERM" >&2
        kill -TERM "$launch_pid" 2>/dev/null || true
        launch_wait_end "$LAUNCH_GRACE_S" || kill -KILL "$launch_pid" 2>/dev/null || true
    fi
    wait "$launch_pid" && launch_rc=0 || launch_rc=$?
}

# launch_run RESULTS COMMAND…: run a launcher to its end. Ranks get POLYPHONY_LAUNCH, a name for this run that is in its
# status file, so that another run's is not taken for its own: COMMAND passes it on. Traps of the caller may call launch_signal meanwhile, or
# set launch_given_up to come back before the end. Sets
#     launch_phase    ended | running (it was killed before it could say how it ended) | never (it did not begin)
#     launch_code     exit code of the run; 4, run again, if it was killed; 6 if it did not begin and does not say why
#     launch_left_s   predicted seconds of the largest galaxy left, or -
#     launch_reason   why it stopped or failed
launch_run() {
    local results=$1 state before report waiter ask
    shift
    launch_given_up='' launch_rc=''
    state=$(state_path "$results")
    POLYPHONY_LAUNCH=$(hostname)-$$-$(date +%s)-$RANDOM
    export POLYPHONY_LAUNCH
    before=$("$PYTHON" "$launching_dir/launch_state.py" identify "$state")
    ask=("$PYTHON" "$launching_dir/launch_state.py" report "$state" --before "$before"
        --launch "$POLYPHONY_LAUNCH" --results "$results")
    "${ask[@]}" --wait >/dev/null &
    waiter=$!
    "$@" &
    launch_pid=$!
    # Not "wait -n": before bash 5 it misses a child that has ended a moment before.
    while launch_is_running && kill -0 "$waiter" 2>/dev/null && [ -z "$launch_given_up" ]; do
        sleep 0.5 || true # scancel ends it, too
    done
    if [ -z "$launch_given_up" ]; then
        launch_end
    fi
    kill "$waiter" 2>/dev/null || true
    wait "$waiter" 2>/dev/null || true

    mapfile -t report < <("${ask[@]}")
    launch_phase=${report[0]} launch_left_s=${report[3]} launch_reason=${report[4]}
    case $launch_phase in
    ended) launch_code=${report[1]} ;;
    running) launch_code=4 ;;
    never)
        launch_code=6
        # A wrong command line or job file: there is no status file to say so.
        case $launch_rc in
        2 | 3 | 5) launch_code=$launch_rc ;;
        esac
        ;;
    esac
    if [ -z "$launch_given_up" ]; then
        launch_pid=''
    fi
}
