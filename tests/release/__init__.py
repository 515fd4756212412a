"""What each release leaves behind for those after it: a transcript of blocks, and databases as it wrote them."""
