"""How fast this machine trains and translates with a configuration; needs no corpus."""
