"""What stands in the house: meters and the small computers beside them."""
