"""The roof: profiles, notebooks, studies and the command line."""
