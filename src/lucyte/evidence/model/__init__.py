"""Of the model: what the data permit a shortcut to, and what this model relies on."""
