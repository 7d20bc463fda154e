"""The classification core: labels and samples in, scored predictions out."""
