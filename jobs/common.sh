# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Sourced by the jobs, in the repository's root: ranks on nodes, and a run that goes on until its galaxies are done.
#
#     job_open
#     job_run_until_done JOB.yaml [options of polyphony run]      does not return

# What a run needs to start; ends the job where something is missing.
job_open() {
    if [ ! -f jobs/site.sh ]; then
        echo "call sbatch in the repository's root, not in '$PWD'" >&2
        exit 2
    fi
    # shellcheck source=jobs/site.sh
    . jobs/site.sh
    site_modules
    # shellcheck source=scripts/env.sh
    . scripts/env.sh
    # shellcheck source=scripts/launching.sh
    . scripts/launching.sh
    if [ ! -x "$POLYPHONY" ]; then
        echo "'$POLYPHONY' is missing: run scripts/build.sh, or set POLYPHONY in jobs/site.sh" >&2
        exit 2
    fi
    if [ "$SURVIVE" = yes ] && [ "$LAUNCHER" != mpirun ]; then
        echo "SURVIVE=yes needs LAUNCHER=mpirun: srun ends all ranks with the first" >&2
        exit 2
    fi
    job_place_ranks
}

# ---- ranks ---------------------------------------------------------------------------------------------------------

# Cores that this job may use on this node; the others are alike.
count_cores() {
    local allowed
    allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
    lscpu --parse=CPU,Core,Socket | awk -F, -v allowed="$allowed" '
        BEGIN {
            n = split(allowed, ranges, ",")
            for (i = 1; i <= n; i++) {
                split(ranges[i] "-" ranges[i], ends, "-")
                for (cpu = ends[1]; cpu <= ends[2]; cpu++)
                    may[cpu] = 1
            }
        }
        !/^#/ && $1 in may { cores[$2 "," $3] = 1 }
        END { n = 0; for (core in cores) n++; print n }'
}

# Ranks of about eight threads that fill each node, and rank 0, which only deals, beside those of the first node.
# Sets job_n_node, job_n_rank, job_n_worker and job_n_thread, and writes the host of each rank to job_hosts.
job_place_ranks() {
    local cores host i nodes
    mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
    cores=$(count_cores)
    if [ -n "$THREADS" ]; then
        job_n_worker=${WORKERS_PER_NODE:-$((cores / THREADS))}
    else
        job_n_worker=${WORKERS_PER_NODE:-$(((cores + 4) / 8))}
    fi
    job_n_worker=$((job_n_worker > 0 ? job_n_worker : 1))
    job_n_thread=${THREADS:-$((cores > job_n_worker ? cores / job_n_worker : 1))}
    export OMP_NUM_THREADS=$job_n_thread
    job_n_node=${#nodes[@]}
    job_n_rank=$((1 + job_n_node * job_n_worker))
    job_hosts=$(mktemp "${TMPDIR:-/tmp}/polyphony-hosts.XXXXXX")
    trap 'rm -f "$job_hosts" "$job_hosts.slots"' EXIT
    {
        echo "${nodes[0]}"
        for host in "${nodes[@]}"; do
            for ((i = 0; i < job_n_worker; i++)); do
                echo "$host"
            done
        done
    } >"$job_hosts"
    # The same for mpirun.
    uniq -c "$job_hosts" | awk '{ print $2 " slots=" $1 }' >"$job_hosts.slots"
    echo "$job_n_node nodes, $cores cores each: 1 dealing rank," \
        "$job_n_worker computing ranks a node, $job_n_thread threads each"
}

# job_set_launcher N_RANK: fills job_launcher, for the first so many ranks of job_hosts.
job_set_launcher() {
    if [ "$LAUNCHER" = mpirun ]; then
        # Hosts are filled in the order of the file. Polyphony pins its threads itself.
        job_launcher=(mpirun -n "$1" --hostfile "$job_hosts.slots" --map-by slot --bind-to none
            -x OMP_NUM_THREADS -x POLYPHONY_LAUNCH)
        if [ "$SURVIVE" = yes ]; then
            job_launcher+=(--enable-recovery)
        fi
        return
    fi
    job_launcher=(
        # The host of each rank, read from $SLURM_HOSTFILE.
        env SLURM_HOSTFILE="$job_hosts"
        srun --distribution=arbitrary --ntasks="$1"
        # Open MPI finds its ranks through PMIx; without, each would think it is alone.
        --mpi="$SRUN_MPI"
        # One rank more than its share of cores on the first node: the one that deals.
        --overcommit
        # Leave binding to polyphony, which shares out a node by L3 and NUMA domains and needs one core to deal.
        --cpu-bind=none
        # A rank that fails ends the step at once, not at the time limit.
        --kill-on-bad-exit=1
    )
    if [ "$1" -lt "$job_n_rank" ]; then
        job_launcher+=(--nodes=1)
    fi
}

# ---- until done ----------------------------------------------------------------------------------------------------

# Galaxies done or set aside in a results file; 0 without one.
count_finished() {
    { "$POLYPHONY" status --json "$1" 2>/dev/null || true; } | "$PYTHON" scripts/launch_state.py count -
}

# Seconds until SLURM ends this job.
seconds_left() {
    local end
    end=$(date -d "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%e)" +%s) || end=0
    echo $((end - $(date +%s)))
}

# The time limit is near (#SBATCH --signal): stop after the galaxies in hand; give those up that take too long.
on_limit_near() {
    local seconds
    job_limit_near=yes
    seconds=$(($(seconds_left) - REQUEUE_MARGIN_S))
    echo "$(date -Is) The time limit is near: finishing galaxies in hand, for up to $((seconds > 0 ? seconds : 0)) s"
    launch_signal USR1
    (sleep "$((seconds > 0 ? seconds : 0))" && kill -USR2 $$) &
}

on_terminated() {
    echo "$(date -Is) Told to end (SIGTERM: scancel, preemption or the time limit)"
    job_terminated=yes
    launch_signal TERM
}

# A pause that a signal ends.
job_pause() {
    sleep "$1" &
    wait $! || true
}

job_end() {
    echo "$(date -Is) $2 (exit code $1)"
    exit "$1"
}

# The time limit has stopped us: back to the queue if this job has finished any galaxy.
job_requeue() {
    local n_finished
    n_finished=$(count_finished "$job_results")
    if [ "$n_finished" -le "$job_n_finished" ]; then
        job_end 4 "No galaxy was finished within the time limit; not requeued. The largest left takes about \
$launch_left_s s: give the job more --time, or a rank more THREADS"
    fi
    echo "$(date -Is) $((n_finished - job_n_finished)) galaxies finished in this job; back to the queue"
    # SLURM ends this script when it requeues the job.
    trap 'exit 4' TERM
    if scontrol requeue "$SLURM_JOB_ID"; then
        job_pause 300
    fi
    job_end 4 "SLURM does not requeue this job; submit it again to continue"
}

# The run was killed: wait before the next, or end the job if it is in vain. SLURM may end or requeue it meanwhile.
job_pause_before_retry() {
    local n_finished pauses
    read -ra pauses <<<"$RETRY_PAUSES_S"
    n_finished=$(count_finished "$job_results")
    job_n_vain=$((n_finished > job_n_before ? 0 : job_n_vain + 1))
    job_n_before=$n_finished
    if [ "$job_n_vain" -gt "${#pauses[@]}" ]; then
        job_end "$launch_code" "The run was killed $job_n_vain times without finishing a galaxy; its messages are above"
    fi
    echo "$(date -Is) The run was killed; again in ${pauses[job_n_vain > 0 ? job_n_vain - 1 : 0]} s"
    job_pause "${pauses[job_n_vain > 0 ? job_n_vain - 1 : 0]}"
}

# job_run_once N_RANK JOB [OPTIONS]: one run on the first so many ranks; see launch_run for how it ended.
job_run_once() {
    local n_rank=$1 job=$2
    shift 2
    if [ "$SURVIVE" = yes ] && [ "$n_rank" -gt 1 ]; then
        set -- --survive "$@"
    fi
    # A job file that cannot be read: the program has said why.
    job_results=$(job_output "$POLYPHONY" "$job") || exit $?
    job_set_launcher "$n_rank"
    launch_run "$job_results" "${job_launcher[@]}" "$POLYPHONY" run "$@" "$job"
}

# How far the results are before this job. Options that undo finished work are for its first run only.
job_prepare() {
    local option
    if [ ! -r "$1" ]; then
        echo "job file '$1' cannot be read; options of polyphony run come after it" >&2
        exit 2
    fi
    job_results=$(job_output "$POLYPHONY" "$1") || exit $?
    job_n_finished=$(count_finished "$job_results")
    shift
    job_options=("$@")
    job_later_options=()
    for option in "$@"; do
        case $option in
        --overwrite | --retry-failed) job_n_finished=-1 ;;
        *) job_later_options+=("$option") ;;
        esac
    done
    if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
        job_options=("${job_later_options[@]}")
        job_n_finished=$(count_finished "$job_results")
        echo "$(date -Is) Started again by SLURM ($SLURM_RESTART_COUNT); $job_n_finished galaxies are finished"
    fi
    job_n_before=$job_n_finished job_n_vain=0
    job_limit_near='' job_terminated=''
    launch_phase=never launch_code=4 launch_left_s=- launch_reason=''
}

# job_run_until_done JOB [OPTIONS]: run; again if it was killed, as long as galaxies get finished; requeue at the limit.
job_run_until_done() {
    local job=$1
    job_prepare "$@"
    trap on_limit_near USR1
    trap 'launch_given_up=yes' USR2
    trap on_terminated TERM
    while [ -z "$job_limit_near$job_terminated" ]; do
        job_run_once "$job_n_rank" "$job" "${job_options[@]}"
        case $launch_phase/$launch_code in
        ended/* | */2 | */3 | */5) break ;;
        esac
        if [ -z "$job_limit_near$job_terminated" ]; then
            job_pause_before_retry
        fi
        job_options=("${job_later_options[@]}")
    done
    job_conclude
}

# How the last run ended decides how the job ends.
job_conclude() {
    if [ "$launch_phase" != ended ] || [ "$launch_code" -eq 4 ]; then
        if [ -n "$job_terminated" ]; then
            job_end 4 'Stopped; submit again to continue'
        elif [ -n "$job_limit_near" ]; then
            job_requeue
        fi
    fi
    "$POLYPHONY" status "$job_results" || true
    case $launch_code in
    0) job_end 0 'All galaxies are done' ;;
    1) job_end 1 'Finished; some galaxies were set aside' ;;
    4) job_end 4 "Stopped early: $launch_reason; not requeued, submit again to continue" ;;
    *) job_end "$launch_code" "The run failed: ${launch_reason:-see above}; not requeued" ;;
    esac
}
