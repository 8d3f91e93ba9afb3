# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogues of galaxies of differing size for scaling studies, merged from several of one size each.

A module, not a program.
"""

import math

import h5py
import numpy as np

from profiling import ProfilingError

PARTICLES = ("Stars", "Gas", "BlackHoles")


def list_tail(n_galaxy, n_particle, largest):
    """[(stars a galaxy, galaxies)], about as many stars in each half decade of size up to largest x n_particle.

    Galaxies of each size are in inverse proportion to it, and there is at least one of the largest while there are any
    to give. largest = 1: all of one size.
    """
    n_size = 1 + round(2 * math.log10(largest))
    factors = largest ** (np.arange(n_size) / max(n_size - 1, 1))
    shares = (1 / factors) / (1 / factors).sum()
    counts = np.maximum(np.floor(shares * n_galaxy).astype(int), 1)
    # What rounding left over, or took too much, are small galaxies.
    counts[0] += n_galaxy - counts.sum()
    if counts[0] < 1:
        counts = np.zeros(n_size, int)
        counts[0], counts[-1] = n_galaxy - 1, 1
        if n_size == 1 or n_galaxy == 1:
            counts[:] = 0
            counts[0] = n_galaxy
    return [(round(n_particle * factor), int(count)) for factor, count in zip(factors, counts) if count]


def merge_catalogues(paths, path, seed):
    """Write the galaxies of several catalogues of the same columns to one, shuffled, with new ids 0, 1, …"""
    files = []
    try:
        files = [h5py.File(part, "r") for part in paths]
        with h5py.File(path, "w") as merged:
            copy_galaxies(files, merged, seed)
    except (OSError, KeyError) as error:
        raise ProfilingError(f"cannot merge catalogues into '{path}': {error}") from None
    finally:
        for file in files:
            file.close()


def copy_galaxies(files, merged, seed):
    """Galaxies in a random order, the particles of each one after the other."""
    for name, value in files[0].attrs.items():
        merged.attrs[name] = value
    members = [(file, row) for file in files for row in range(len(file["Galaxies/id"]))]
    order = np.random.default_rng(seed).permutation(len(members))
    members = [members[i] for i in order]
    for name, like in files[0]["Galaxies"].items():
        values = np.concatenate([file["Galaxies"][name][()] for file in files])[order]
        copy_attributes(like, merged.create_dataset(f"Galaxies/{name}", data=values))
    merged["Galaxies/id"][...] = np.arange(len(members))
    for kind in PARTICLES:
        if kind in files[0]:
            copy_particles(members, merged, files[0][kind], kind)


def copy_particles(members, merged, likes, kind):
    """One kind of particles."""
    slices = {file: (file[f"{kind}/offset"][()], file[f"{kind}/length"][()]) for file, _ in members}
    lengths = np.array([slices[file][1][row] for file, row in members])
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for name, like in likes.items():
        if name in ("offset", "length"):
            values = offsets if name == "offset" else lengths
            copy_attributes(like, merged.create_dataset(f"{kind}/{name}", data=values.astype(like.dtype)))
            continue
        data = merged.create_dataset(f"{kind}/{name}", (lengths.sum(), *like.shape[1:]), like.dtype)
        copy_attributes(like, data)
        for (file, row), begin, length in zip(members, offsets, lengths):
            first = slices[file][0][row]
            data[begin:begin + length] = file[kind][name][first:first + length]


def copy_attributes(source, target):
    """Units and descriptions."""
    for name, value in source.attrs.items():
        target.attrs[name] = value
