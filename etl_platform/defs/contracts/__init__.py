"""Each contract as an asset with a check that is red while the contract is in error."""
