# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/performance.md, in Markdown, from the figures that bench_all.py has stored.

A module, not a program.
"""

from profiling import format_markdown

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
LIGHT = ("Lnu Spectra", "Luminosity Images", "Flux Images")  # the direct method forms spectra for all of these once
SHOWN = 0.002  # of all stages' time: smaller ones have no row


def format_si(value, unit):
    """Three digits and a prefix."""
    for scale, prefix in PREFIXES:
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def table_machine(kernels):
    """Rates of the machine."""
    rows = [[entry["what"], format_si(entry["one_thread"], entry["unit"]),
             format_si(entry["all_threads"], entry["unit"]) if entry["all_threads"] else ""]
            for entry in kernels["machine"]]
    return format_markdown(["what", "1 thread", f"{kernels['threads']} threads"], rows)


def table_kernels(kernels):
    """Races; and below them what else was found."""
    rows, notes = [], []
    for entry in kernels["kernels"]:
        if "note" in entry:
            notes.append(f"- {entry['kernel']}: {entry['note']}: {entry['value']:.4g} {entry['unit']}\n")
            continue
        seconds = entry["seconds"]
        rows.append([entry["kernel"], entry["variant"], entry["size"], format_si(seconds, "s") if seconds >= 1 else
                     f"{1e3 * seconds:.3g} ms", format_si(entry["n"] / seconds, f"{entry['unit']}/s"),
                     f"{1e-9 * entry['flop'] / seconds:.3g}" if entry["flop"] else "",
                     f"{1e-9 * entry['bytes'] / seconds:.3g}" if entry["bytes"] else "",
                     f"{100 * entry['of_roof']:.0f} % ({entry['bound']})" if entry["bound"] else ""])
    table = format_markdown(["kernel", "variant", "size", "time", "rate", "Gflop/s", "GB/s", "of the roof"], rows, 3)
    return table + ("\n" + "".join(notes) if notes else "")


def find_run(runs, case, method, threads):
    """The run of a case (stars, screen)."""
    for run in runs:
        if (run["n_star"], run["screen"], run["method"], run["threads"]) == (*case, method, threads):
            return run
    return None


def list_cases(runs):
    """Stars and screen, in order."""
    return list(dict.fromkeys((run["n_star"], run["screen"]) for run in runs))


def table_runs(runs, threads):
    """Whole runs."""
    rows = []
    for case in list_cases(runs):
        fast, one = (find_run(runs, case, "fast", n) for n in (threads, 1))
        direct = find_run(runs, case, "direct", threads)
        same = direct["n_galaxy"] == fast["n_galaxy"]
        computing = [sum(run["stages_s"].values()) - run["stages_s"]["Writing"] for run in (one, fast)]
        of_galaxy = [run["galaxies_s"] / run["n_galaxy"] for run in (fast, direct)]
        rows.append([f"{case[0]:,}", case[1], f"{fast['wall_s']:.3f}", f"{fast['start_s']:.3f}", f"{fast['galaxies_s']:.4f}",
                     f"{computing[0] / computing[1]:.2f}", f"{one['galaxies_s'] / fast['galaxies_s']:.2f}",
                     f"{fast['peak_rss_bytes'] / 1e6:.0f}",
                     f"{1e3 * of_galaxy[0]:.3g}", f"{1e3 * of_galaxy[1]:.4g}", f"{of_galaxy[1] / of_galaxy[0]:.0f}",
                     f"{direct['wall_s'] / fast['wall_s']:.1f}" if same else ""])
    return format_markdown(["stars a galaxy", "dust", "process [s]", "start [s]", "galaxies [s]",
                            "computing: 1 thread / all", "with writing: 1 thread / all", "peak RSS [MB]",
                            "a galaxy [ms]", "direct, a galaxy [ms]", "ratio", "of the processes"], rows, 2)


def table_stages(runs, threads):
    """Stages of each case: milliseconds a galaxy, fast and direct, and their ratio."""
    text = []
    for case in list_cases(runs):
        fast, direct = find_run(runs, case, "fast", threads), find_run(runs, case, "direct", threads)
        rows = []
        total = sum(fast["stages_s"].values())
        pairs = [(stage, fast["stages_s"][stage], direct["stages_s"].get(stage, 0.0)) for stage in fast["stages_s"]]
        together = [(", ".join(LIGHT), *(sum(run["stages_s"][stage] for stage in LIGHT) for run in (fast, direct)))]
        for stage, fast_s, direct_s in pairs + together:
            if max(fast_s, direct_s) < SHOWN * total:
                continue
            fast_ms, direct_ms = 1e3 * fast_s / fast["n_galaxy"], 1e3 * direct_s / direct["n_galaxy"]
            rows.append([stage, f"{fast_ms:.3g}", f"{direct_ms:.4g}", f"{direct_ms / fast_ms:.3g}" if fast_ms else ""])
        text.append(f"{case[0]:,} stars a galaxy, {case[1]}:\n\n"
                    + format_markdown(["stage", "fast [ms a galaxy]", "direct [ms a galaxy]", "ratio"], rows))
    return "\n".join(text)


def table_growth(growth):
    """How the galaxies' phase grows."""
    rows = []
    for series in growth["series"]:
        points = ", ".join(f"{value:,}: {seconds:.4f}" for value, seconds in zip(series["values"], series["galaxies_s"]))
        rows.append([series["what"], points, f"{series['exponent']:.2f}", f"{series['last_exponent']:.2f}"])
    base = ", ".join(f"{value:,} {what}" for what, value in growth["base"].items())
    return f"Base: {base}.\n\n" + format_markdown(["what grows", "galaxies [s]", "exponent", "of the last step"], rows, 2)


def make_tables(figures):
    """All tables of the parts that are there."""
    text = []
    for part, figure in figures.items():
        run = figure["run"]
        text.append(f"<!-- {part}: {run['date']}, commit {run['commit']}, {run['cpu']}, {run['cores']} cores, load "
                    f"{run['load_1min']:.1f}{', quick' if run['quick'] else ''} -->\n")
        if part in ("machine", "kernels"):
            text += ["### Machine\n", table_machine(figure)]
        if part == "kernels":
            text += ["### Kernels\n", table_kernels(figure)]
        if part == "runs":
            threads = run["threads"]
            text += ["### Whole runs\n", table_runs(figure["runs"], threads),
                     "### Stages\n", table_stages(figure["runs"], threads)]
        if part == "growth":
            text += ["### Growth\n", table_growth(figure)]
    return "\n".join(text)
