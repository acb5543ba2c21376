"""What a frame, a start and a message cost on this device: the rooms behind `slotwatch bench`.

Each measures in the main thread and returns a frozen value; nothing here prints.
"""
