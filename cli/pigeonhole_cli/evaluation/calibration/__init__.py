"""Fit the coefficients of a calibration: `pigeonhole models calibrate`."""
