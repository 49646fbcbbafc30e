"""Compact machine-learned force fields, taught by a slower calculator and fast enough for molecular dynamics."""
