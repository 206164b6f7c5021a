"""FXAI: an explanation as a hypothesis about the sample, written down before it is tested.

References
----------
Schuhmacher et al. 2021, doi 10.1101/2021.11.01.21265738.
"""
