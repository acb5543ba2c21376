"""Slotwatch on the device: camera, slots, model, MQTT."""

__version__ = "0.1.0"
