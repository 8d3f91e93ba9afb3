/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Filters by which chunks were compressed, by their numbers: "Registered Filter Plugins" of the HDF Group,
 * and H5Zpublic.h for those that HDF5 brings.
 */
#include "io_private.h"

static const struct {
    H5Z_filter_t id;
    const char *name;
} known[] = {
    { H5Z_FILTER_DEFLATE, "gzip" },
    { H5Z_FILTER_SHUFFLE, "shuffle" },
    { H5Z_FILTER_FLETCHER32, "fletcher32" },
    { H5Z_FILTER_SZIP, "SZIP" },
    { H5Z_FILTER_NBIT, "nbit" },
    { H5Z_FILTER_SCALEOFFSET, "scaleoffset" },
    { 305, "LZO" },
    { 307, "bzip2" },
    { 32000, "lzf" },
    { 32001, "Blosc" },
    { 32002, "MAFISC" },
    { 32003, "Snappy" },
    { 32004, "LZ4" },
    { 32005, "APAX" },
    { 32006, "CBF" },
    { 32007, "JPEG-XR" },
    { 32008, "bitshuffle" },
    { 32009, "SPDP" },
    { 32010, "LPC-Rice" },
    { 32011, "CCSDS-123" },
    { 32012, "JPEG-LS" },
    { 32013, "ZFP" },
    { 32014, "FPZIP" },
    { 32015, "zstd" },
    { 32016, "B3D" },
    { 32017, "SZ" },
    { 32018, "FCIDECOMP" },
    { 32019, "JPEG" },
    { 32020, "VBZ" },
    { 32021, "FAPEC" },
    { 32022, "BitGroom" },
    { 32023, "Granular BitRound" },
    { 32024, "SZ3" },
    { 32025, "Delta-Rice" },
    { 32026, "Blosc2" },
    { 32027, "FLAC" },
    { 32028, "SPERR" },
};

static bool can_decode(H5Z_filter_t id)
{
    unsigned config = 0;

    return H5Zfilter_avail(id) > 0 && H5Zget_filter_info(id, &config) >= 0 &&
           (config & H5Z_FILTER_CONFIG_DECODE_ENABLED);
}

int io_check_filters(hid_t creation, struct error *err)
{
    int n = H5Pget_nfilters(creation);

    for (int i = 0; i < n; i++) {
        char stored[64] = "";
        const char *name = stored;
        unsigned flags = 0, config = 0;
        size_t n_value = 0;
        H5Z_filter_t id =
            H5Pget_filter2(creation, (unsigned)i, &flags, &n_value, NULL, sizeof(stored), stored, &config);

        if (id < 0)
            return error_set(err, POLYPHONY_INPUT, "its filters cannot be read (damaged file?)");
        if (can_decode(id))
            continue;
        stored[sizeof(stored) - 1] = '\0';
        for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
            if (known[k].id == id)
                name = known[k].name;
        return error_set(
            err, POLYPHONY_INPUT,
            "is compressed with the HDF5 filter '%s' (%d), which is not installed here: write it with gzip ('h5repack -f GZIP=4 OLD NEW' where that filter is), or set HDF5_PLUGIN_PATH to the directory of its plug-in",
            *name ? name : "without a name", (int)id);
    }
    return 0;
}
