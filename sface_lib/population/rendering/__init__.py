"""How the embedded population is drawn: persons from a distribution, their heads, and photographs of them."""
