"""The magnetic skin without a physics engine: forces, slip and pad poses in, raw counts out. Needs only numpy."""
