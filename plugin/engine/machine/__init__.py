"""What there is to compute with: devices, memory, and how long work takes."""
