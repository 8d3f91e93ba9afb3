#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw one galaxy of a polyphony results file: its spectra with photometry, and its images.

Writes spectra.png and images.png (or pdf, svg) from whatever the file holds; a picture for which nothing is
there is left out, with a line saying so. Synthesizer's own output files can be drawn too.

Exit codes: 0 at least one picture, 2 usage, 3 the file cannot be read or holds nothing to draw.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import AsinhNorm  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

ANGSTROM_PER_MICRON = 1e4
AB_ZERO_POINT_NJY = 31.4  # m_AB = 31.4 - 2.5 log10(f_nu / nJy), Oke & Gunn 1983
# Planck 2018 (flat), for the length of a scale bar only.
H0_KM_S_MPC, OMEGA_M, LIGHT_KM_S = 67.66, 0.30966, 299792.458

# label: (colour, line style, width): darkness and style differ, so that it reads in grey.
LINE_STYLES = {
    "incident": ("0.75", "-", 0.8),
    "intrinsic": ("#2a6fb5", "--", 1.0),
    "attenuated": ("#c98a1b", ":", 1.4),
    "emergent": ("#111111", "-", 1.0),
}
# Cloudy ids of lines people know by name.
LINE_NAMES = {
    ("H 1", 1216): "Lyα", ("H 1", 4102): "Hδ", ("H 1", 4340): "Hγ", ("H 1", 4861): "Hβ", ("H 1", 6563): "Hα",
    ("H 1", 18751): "Paα", ("H 1", 12818): "Paβ", ("H 1", 10938): "Paγ",
    ("H 1", 40512): "Brα", ("H 1", 21655): "Brγ",
}
FORBIDDEN = {"O 2", "O 3", "O 1", "N 2", "S 2", "S 3", "Ne 3", "Ar 3", "Fe 2", "Ar 2", "S 4", "Ne 2"}
ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}

plt.rcParams.update({
    "font.size": 9, "axes.linewidth": 0.6, "xtick.direction": "in", "ytick.direction": "in",
    "legend.frameon": False, "savefig.dpi": 160, "mathtext.default": "regular",
})


class NothingToDraw(Exception):
    """The file lacks what a picture needs."""


@dataclass
class Filter:
    """One transmission curve."""

    code: str
    wavelength_micron: np.ndarray
    transmission: np.ndarray

    @property
    def name(self):
        """Short name: F200W of JWST/NIRCam.F200W."""
        return re.split(r"[/.]", self.code)[-1]

    @property
    def pivot_micron(self):
        """sqrt(∫ T λ dλ / ∫ T/λ dλ), the wavelength of photometric points."""
        x, t = self.wavelength_micron, self.transmission
        return float(np.sqrt(np.trapz(t * x, x) / np.trapz(t / x, x)))

    @property
    def half_power_micron(self):
        """Where the curve first and last reaches half of its maximum."""
        inside = self.wavelength_micron[self.transmission >= 0.5 * self.transmission.max()]
        return float(inside[0]), float(inside[-1])


@dataclass
class Galaxy:
    """Which row of the file is drawn."""

    row: int
    name: str
    redshift: float | None
    n_star: int | None

    @property
    def title(self):
        """One line for the top of a picture."""
        parts = [f"Galaxy {self.name}"]
        if self.redshift is not None:
            parts.append(f"z = {self.redshift:.4g}")
        if self.n_star is not None:
            parts.append(f"{self.n_star:,} stars")
        return ", ".join(parts)


def children(file, path):
    """Names below a group, none if it is not there."""
    group = file.get(path)
    return list(group) if isinstance(group, h5py.Group) else []


def as_text(value):
    """A string of HDF5 as str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def choose_galaxy(file, wanted_id):
    """The galaxy asked for, or the one with the most stars."""
    spectra = file.get("Galaxies/Stars")
    if spectra is None:
        raise NothingToDraw("there is no group Galaxies/Stars: is this a results file?")
    ids = file["Galaxies/ID"][()] if "Galaxies/ID" in file else None
    n_stars = file["Galaxies/NStars"][()] if "Galaxies/NStars" in file else None
    redshifts = file["Galaxies/Redshift"][()] if "Galaxies/Redshift" in file else None
    row = 0 if n_stars is None or not len(n_stars) else int(np.argmax(n_stars))
    if wanted_id is not None:
        found = np.flatnonzero(ids == wanted_id) if ids is not None else np.array([wanted_id])
        if not len(found):
            raise NothingToDraw(f"there is no galaxy {wanted_id}; ids run from {ids.min()} to {ids.max()}")
        row = int(found[0])
    return Galaxy(
        row=row,
        name=str(row if ids is None else ids[row]),
        redshift=None if redshifts is None else float(redshifts[row]),
        n_star=None if n_stars is None else int(n_stars[row]),
    )


def read_row(file, path, row):
    """One galaxy's part of a dataset."""
    data = file[path]
    if not 0 <= row < data.shape[0]:
        raise NothingToDraw(f"{path} has {data.shape[0]} galaxies, there is no row {row}")
    return data[row]


def choose_label(available, wanted):
    """The label asked for, or else the most complete one there is."""
    if wanted and wanted not in available:
        raise NothingToDraw(f"there is no label '{wanted}' (there are: {', '.join(available)})")
    preferred = (wanted, "emergent", "intrinsic", "incident")
    return next((label for label in preferred if label in available), available[0])


def read_filters(file):
    """Curves of the first instrument that has any, in order of wavelength."""
    for label in children(file, "Instruments"):
        filters = []
        for name in children(file, f"Instruments/{label}/Filters"):
            group = file[f"Instruments/{label}/Filters/{name}"]
            if "Original_Wavelength" not in group or not np.any(group["Original_Transmission"][()] > 0):
                continue
            code = as_text(group.attrs.get("filter_code", name.replace(".", "/", 1)))
            filters.append(Filter(code, group["Original_Wavelength"][()] / ANGSTROM_PER_MICRON,
                                  group["Original_Transmission"][()]))
        if filters:
            return sorted(filters, key=lambda curve: curve.pivot_micron)
    return []


def read_wavelengths(file, galaxy, observed):
    """Wavelengths [micron] of the spectra, observed or rest frame."""
    rest = file.get("Wavelengths/Rest")
    if rest is None:  # Synthesizer keeps them with the instrument only
        paths = (f"Instruments/{label}/Filters/Header/Wavelengths" for label in children(file, "Instruments"))
        rest = next((file[path] for path in paths if path in file), None)
    if rest is None:
        raise NothingToDraw("no wavelengths (Wavelengths/Rest) beside the spectra")
    if observed and galaxy.redshift is None:
        raise NothingToDraw("no Galaxies/Redshift to place the observed spectra")
    return rest[()] * ((1.0 + galaxy.redshift) if observed else 1.0) / ANGSTROM_PER_MICRON


def make_line_name(line_id):
    """A short name of a Cloudy id: 'O 3 5006.84A' becomes [O III]."""
    match = re.match(r"\s*([A-Z][a-z]?)\s*(\d+)\s+([\d.]+)\s*([Am]?)", line_id)
    if not match:
        return line_id.strip()
    ion = f"{match[1]} {match[2]}"
    angstrom = float(match[3]) * (ANGSTROM_PER_MICRON if match[4] == "m" else 1.0)
    for (known_ion, known_angstrom), name in LINE_NAMES.items():
        if ion == known_ion and abs(angstrom - known_angstrom) < 3e-4 * known_angstrom + 1.0:
            return name
    name = f"{match[1]} {ROMAN.get(match[2], match[2])}"
    return f"[{name}]" if ion in FORBIDDEN else name


def read_strongest_lines(file, galaxy, label, observed, limits_micron):
    """[(wavelength in micron, name)] of the strongest lines in view, far enough apart to be labelled."""
    path = f"Galaxies/Stars/Lines/{'Flux' if observed else 'Luminosity'}/{label}"
    if path not in file or "Lines/IDs" not in file or "Lines/Wavelengths" not in file:
        return []
    strength = read_row(file, path, galaxy.row)
    stretch = 1.0 + galaxy.redshift if observed and galaxy.redshift is not None else 1.0
    micron = file["Lines/Wavelengths"][()] / ANGSTROM_PER_MICRON * stretch
    names = [make_line_name(as_text(line_id)) for line_id in file["Lines/IDs"][()]]
    width = np.log(limits_micron[1] / limits_micron[0])
    chosen = []
    for i in np.argsort(-strength):
        if len(chosen) == 9 or strength[i] < 0.02 * strength.max():
            break
        inside = limits_micron[0] < micron[i] < limits_micron[1]
        if inside and all(abs(np.log(micron[i] / other)) > 0.022 * width for other, _ in chosen):
            chosen.append((micron[i], names[i]))
    return chosen


def draw_filters(axes, filters):
    """Filled curves with their names."""
    colours = plt.cm.viridis(np.linspace(0.1, 0.9, len(filters)))
    for curve, colour in zip(filters, colours):
        axes.fill_between(curve.wavelength_micron, curve.transmission, color=colour, alpha=0.55, linewidth=0)
        axes.plot(curve.wavelength_micron, curve.transmission, color=colour, linewidth=0.6)
        axes.text(curve.pivot_micron, 0.04 * axes.get_ylim()[1], curve.name, ha="center", fontsize=7)
    axes.set_ylabel("Throughput")


def draw_photometry(axes, file, galaxy, label, observed, filters):
    """Points at the pivot wavelengths, bars as wide as the filters at half power. Returns what was drawn."""
    kind = "Fluxes" if observed else "Luminosities"
    found = [(curve, f"Galaxies/Stars/Photometry/{kind}/{label}/{curve.code}") for curve in filters]
    found = [(curve, float(read_row(file, path, galaxy.row))) for curve, path in found if path in file]
    for i, (curve, value) in enumerate(found):
        low, high = curve.half_power_micron
        pivot = curve.pivot_micron
        axes.errorbar(pivot, value, xerr=[[pivot - low], [high - pivot]], zorder=5, fmt="o", markersize=5,
                      markerfacecolor="white", markeredgecolor="#b0202a", ecolor="#b0202a", elinewidth=1.2,
                      label="through the filters" if i == 0 else None)
    return found


def choose_limits(wavelength_micron, filters):
    """Wavelengths in view: the filters and some room; without filters, ultraviolet to near infrared."""
    low, high = wavelength_micron[0], wavelength_micron[-1]
    if filters:
        low = max(low, 0.75 * min(curve.half_power_micron[0] for curve in filters))
        high = min(high, 1.2 * max(curve.half_power_micron[1] for curve in filters))
    else:
        low, high = max(low, 0.09), min(high, 5.0)
    if not low < high:
        raise NothingToDraw("the filters and the spectra have no wavelength in common")
    return low, high


def draw_line_labels(axes, lines):
    """Names along the top, upright."""
    for micron, name in lines:
        axes.annotate(name, (micron, 1.0), (0, -3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", rotation=90, ha="center", va="top", fontsize=7,
                      color="0.25")


def make_flux_axis_ab(axes):
    """AB magnitudes on the right of an axis in nJy."""
    twin = axes.twinx()
    low, high = axes.get_ylim()
    twin.set_ylim(AB_ZERO_POINT_NJY - 2.5 * np.log10(low), AB_ZERO_POINT_NJY - 2.5 * np.log10(high))
    twin.set_ylabel("AB magnitude")


def plot_spectra(file, galaxy, wanted_label):
    """Figure of the spectra, photometric points, lines and filters."""
    observed = bool(children(file, "Galaxies/Stars/Spectra/SpectralFluxDensities"))
    group = f"Galaxies/Stars/Spectra/{'SpectralFluxDensities' if observed else 'SpectralLuminosityDensities'}"
    available = children(file, group)
    if not available:
        raise NothingToDraw("no spectra in the file")
    label = choose_label(available, wanted_label)
    labels = [name for name in LINE_STYLES if name in available or name == label]
    labels += [label] if label not in labels else []
    wavelength_micron = read_wavelengths(file, galaxy, observed)
    filters = read_filters(file)
    limits = choose_limits(wavelength_micron, filters)
    inside = (wavelength_micron >= limits[0]) & (wavelength_micron <= limits[1])

    heights = [4.2, 1.0] if filters else [1.0]
    figure, panels = plt.subplots(len(heights), 1, sharex=True, squeeze=False, figsize=(8.5, 5.6),
                                  layout="constrained", gridspec_kw={"height_ratios": heights})
    axes, below = panels[0, 0], panels[-1, 0]
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.02)
    main = read_row(file, f"{group}/{label}", galaxy.row)
    visible = main[inside & (main > 0)]
    if not len(visible):
        raise NothingToDraw(f"the {label} spectrum of galaxy {galaxy.name} is zero: is its row done?")
    peak, low = visible.max(), np.percentile(visible, 2)
    for name in labels:
        colour, style, width = LINE_STYLES.get(name, ("#111111", "-", 1.0))
        spectrum = read_row(file, f"{group}/{name}", galaxy.row)
        peak = max(peak, spectrum[inside].max())
        axes.plot(wavelength_micron, np.where(spectrum > 0, spectrum, np.nan), style, color=colour,
                  linewidth=width, label=name)
    points = draw_photometry(axes, file, galaxy, label, observed, filters)
    low = min([low] + [value for _, value in points if value > 0])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(limits)
    bottom = max(0.5 * low, 1e-5 * peak)
    axes.set_ylim(bottom, 1.5 * peak * (peak / bottom) ** 0.15)  # room for the names of lines
    draw_line_labels(axes, read_strongest_lines(file, galaxy, label, observed, limits))
    if observed:
        axes.set_ylabel(r"Observed flux density $f_\nu$ [nJy]")
        make_flux_axis_ab(axes)
    else:
        axes.set_ylabel(r"Luminosity density $L_\nu$ [erg s$^{-1}$ Hz$^{-1}$]")
    axes.legend(loc="lower right", bbox_to_anchor=(1.01, 0.99), ncols=len(labels) + 1, fontsize=8,
                columnspacing=1.2, handlelength=1.8)
    axes.set_title(galaxy.title, loc="left", fontsize=10)
    if filters:
        below.set_ylim(0.0, 1.25 * max(curve.transmission.max() for curve in filters))
        draw_filters(below, filters)
    below.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    below.xaxis.set_major_formatter(FuncFormatter(lambda micron, _: f"{micron:g}"))
    below.xaxis.set_minor_formatter(NullFormatter())
    below.set_xlabel(f"{'Observed' if observed else 'Rest-frame'} wavelength [µm]")
    return figure


def find_datasets(group):
    """Filter codes below a label: JWST/NIRCam.F200W makes a level."""
    codes = []
    group.visititems(lambda path, item: codes.append(path) if isinstance(item, h5py.Dataset) else None)
    return codes


@dataclass
class Images:
    """All images of one galaxy, in order of wavelength."""

    codes: list
    cube: np.ndarray  # (n_filter, n_y, n_x)
    label: str
    is_flux: bool
    pixel_arcsec: float | None


def read_images(file, galaxy, wanted_label):
    """Flux images if there, else luminosity images."""
    for kind in ("Flux", "Luminosity"):
        for instrument in children(file, f"Galaxies/Stars/Images/{kind}"):
            path = f"Galaxies/Stars/Images/{kind}/{instrument}"
            labels = children(file, path)
            if not labels:
                continue
            label = choose_label(labels, wanted_label)
            known = [curve.code for curve in read_filters(file)]
            codes = sorted(find_datasets(file[f"{path}/{label}"]),
                           key=lambda code: (known.index(code) if code in known else len(known), code))
            # In the file x is the slow axis; a picture wants rows of y.
            cube = np.array([read_row(file, f"{path}/{label}/{code}", galaxy.row).T for code in codes], float)
            resolution = file.get(f"Instruments/{instrument}/Resolution")
            pixel = None if resolution is None else float(resolution[()])
            return Images(codes, cube, label, kind == "Flux", pixel)
    raise NothingToDraw("no images in the file")


def compute_kpc_per_arcsec(redshift):
    """Proper length at the galaxy of one arcsecond; None where it has no meaning."""
    if redshift is None or redshift <= 0.0:
        return None
    z = np.linspace(0.0, redshift, 2001)
    distance_mpc = LIGHT_KM_S / H0_KM_S_MPC * np.trapz(1.0 / np.sqrt(OMEGA_M * (1 + z) ** 3 + 1 - OMEGA_M), z)
    return 1e3 * distance_mpc / (1.0 + redshift) * np.pi / (180.0 * 3600.0)


def choose_round_length(longest):
    """1, 2 or 5 times a power of ten, at most `longest`."""
    power = 10.0 ** np.floor(np.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest)


def draw_scale_bar(axes, images, redshift):
    """A bar of a round length about a third of the field, named in kpc and arcsec."""
    if images.pixel_arcsec is None:
        return
    kpc_per_arcsec = compute_kpc_per_arcsec(redshift)
    n_x = images.cube.shape[2]
    longest_arcsec = 0.4 * n_x * images.pixel_arcsec
    if kpc_per_arcsec is None:
        arcsec = choose_round_length(longest_arcsec)
        text = f"{arcsec:g}″"
    else:
        kpc = choose_round_length(longest_arcsec * kpc_per_arcsec)
        arcsec = kpc / kpc_per_arcsec
        text = f"{kpc:g} kpc = {arcsec:.2g}″"
    start, y = 0.06 * n_x, 0.07 * images.cube.shape[1]
    axes.plot([start, start + arcsec / images.pixel_arcsec], [y, y], color="white", linewidth=2,
              solid_capstyle="butt")
    axes.text(start, 1.35 * y, text, color="white", ha="left", va="bottom", fontsize=8)


def make_composite(cube):
    """Colour image (n_y, n_x, 3): asinh of the mean of three bands, colours kept; Lupton et al. 2004, eq. 2.

    Long, middle and short thirds of the filters are red, green and blue, each scaled to the same total: the
    galaxy as a whole is white.
    """
    thirds = [group.mean(axis=0) for group in np.array_split(cube[::-1], 3)]
    bands = [band / band.sum() if band.sum() > 0 else band for band in thirds]
    colour = np.stack(bands, axis=-1)
    mean = colour.mean(axis=-1)
    lit = mean[mean > 0]
    if not len(lit):
        return np.zeros_like(colour)
    softening = np.percentile(lit, 99.7) / 80.0
    stretch = np.arcsinh(mean / softening) / np.arcsinh(np.percentile(lit, 99.9) / softening)
    colour *= (stretch / np.where(mean > 0, mean, 1.0))[..., np.newaxis]
    # A pixel too bright for the range keeps its colour.
    return colour / np.maximum(colour.max(axis=-1, keepdims=True), 1.0)


def plot_images(file, galaxy, wanted_label):
    """Figure of the images in every filter with one stretch, and the colour composite."""
    images = read_images(file, galaxy, wanted_label)
    quantity, cube = r"Luminosity density [erg s$^{-1}$ Hz$^{-1}$ per pixel]", images.cube
    if images.is_flux and images.pixel_arcsec is None:
        quantity = "Flux density [nJy per pixel]"
    elif images.is_flux:
        quantity, cube = r"Surface brightness [nJy arcsec$^{-2}$]", images.cube / images.pixel_arcsec ** 2
    lit = cube[cube > 0]
    if not len(lit):
        raise NothingToDraw(f"the images of galaxy {galaxy.name} are empty: is its row done?")
    brightest = np.percentile(lit, 99.9)
    norm = AsinhNorm(linear_width=brightest / 300.0, vmin=0.0, vmax=brightest)

    n_panel = len(cube) + (len(cube) >= 3)
    n_column = int(np.ceil(np.sqrt(n_panel)))
    n_row = -(-n_panel // n_column)
    figure, grid = plt.subplots(n_row, n_column, figsize=(2.6 * n_column + 0.9, 2.6 * n_row + 0.4),
                                squeeze=False, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    panels = grid.ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, code, image in zip(panels, images.codes, cube):
        drawn = axes.imshow(image, origin="lower", cmap="magma", norm=norm, interpolation="nearest")
        axes.text(0.05, 0.95, re.split(r"[/.]", code)[-1], color="white", transform=axes.transAxes, va="top")
    draw_scale_bar(panels[0], images, galaxy.redshift)
    if len(cube) >= 3:
        axes = panels[len(cube)]
        axes.imshow(make_composite(cube), origin="lower", interpolation="nearest")
        axes.text(0.05, 0.95, "Colour", color="white", transform=axes.transAxes, va="top")
        draw_scale_bar(axes, images, galaxy.redshift)
    bar = figure.colorbar(drawn, ax=grid, shrink=0.6, aspect=35, pad=0.01)
    bar.set_label(quantity)
    figure.suptitle(f"{galaxy.title}; {images.label} light", x=0.02, ha="left", fontsize=10)
    return figure


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", metavar="RESULTS", type=Path)
    parser.add_argument("--galaxy", type=int, metavar="ID",
                        help="id of the galaxy (default: the one with most stars)")
    parser.add_argument("--label",
                        help="model label of points and images (default: emergent, or the most complete there is)")
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR",
                        help="where the pictures go (default: %(default)s)")
    parser.add_argument("--format", choices=("png", "pdf", "svg"), default="png")
    args = parser.parse_args()

    n_picture = 0
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        with h5py.File(args.results, "r") as file:
            galaxy = choose_galaxy(file, args.galaxy)
            for name, plot in (("spectra", plot_spectra), ("images", plot_images)):
                try:
                    figure = plot(file, galaxy, args.label)
                except NothingToDraw as reason:
                    print(f"plot_galaxy.py: no {name} picture: {reason}", file=sys.stderr)
                    continue
                path = args.out / f"{name}.{args.format}"
                figure.savefig(path)
                plt.close(figure)
                print(f"Wrote {path}")
                n_picture += 1
    except NothingToDraw as reason:
        print(f"plot_galaxy.py: '{args.results}': {reason}", file=sys.stderr)
    except OSError as error:
        print(f"plot_galaxy.py: '{args.results}': {error}", file=sys.stderr)
    return 0 if n_picture else 3


if __name__ == "__main__":
    sys.exit(main())
