"""``python3 -m plugin bench``: how fast the parts are here, how near the limit, and how fast beside other programs."""
