"""Which crops of a pool are worth a person's label: read, doubt, choose, hand out."""
