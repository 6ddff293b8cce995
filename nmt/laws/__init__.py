"""What every attention keeps, whoever wrote it: for the tests, and for `nmt check-part`."""
