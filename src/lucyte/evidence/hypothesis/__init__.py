"""Of the biology: claims written down before they are tested."""
