"""The cost model: what a tile kernel has to do, how long that takes on a target, and which tiles are best."""
