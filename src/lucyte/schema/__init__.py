"""The nouns of Lucyte and the charter of axes and units. Imports nothing above itself."""
