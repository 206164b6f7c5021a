"""FXAI: an explanation as a hypothesis about the sample, written down before it is tested."""
