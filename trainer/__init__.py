"""From labelled crops to a model bundle; runs on the builder's machine, never on the device."""
