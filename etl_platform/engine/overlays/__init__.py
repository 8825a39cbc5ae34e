"""The overlays of agencies: how one agency writes the files of one dataset, in a file beside the contract."""
