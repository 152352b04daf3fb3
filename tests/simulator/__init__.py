"""The simulated house of the tests, the demo and the soak, and the real servers that show it.

It does not import the product, so that the collectors' readings can be compared with the house.
"""
