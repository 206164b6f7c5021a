"""Files to nouns and back: image formats, file-name layouts, tables, lineage graphs."""
