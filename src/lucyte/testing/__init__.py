"""Worlds with known truth and benchmark bodies; other packages may use them."""
