"""The commands of the `warpweave` command line, one file each."""
